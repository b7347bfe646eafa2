//! A sample Telegram: the Bot API methods that Postern uses, and updates as Telegram sends them.

mod check;

use crate::Result;
use crate::chat::{Api, ChatCall, ChatMode, PostedCard, Sample, State};
use crate::known::{Known, Standing};
use http::Request;
use hyper::body::Incoming;
use serde_json::{Value, json};

/// The running sample.
pub struct Telegram(Sample);

impl Telegram {
    pub async fn start() -> Result<Self> {
        Ok(Self(Sample::start::<BotApi>().await?))
    }

    /// The sample's counterpart of `https://api.telegram.org`.
    pub fn api_base_url(&self) -> String {
        self.0.url()
    }

    pub fn calls(&self) -> Vec<ChatCall> {
        self.0.calls()
    }

    /// The cards that arrived, oldest first.
    pub fn cards(&self) -> Vec<PostedCard> {
        self.0.cards()
    }

    pub fn set_mode(&self, mode: ChatMode) {
        self.0.set_mode(mode);
    }

    pub fn set_known(&self, known: Known) {
        self.0.set_known(known);
    }

    /// The messages that were posted and not deleted.
    pub fn standing(&self) -> Vec<Standing> {
        self.0.standing()
    }
}

struct BotApi;

impl Api for BotApi {
    fn name(request: &Request<Incoming>) -> (String, String) {
        let path = request.uri().path().trim_start_matches("/bot");
        let (token, method) = path.split_once('/').unwrap_or((path, ""));
        (method.to_owned(), token.to_owned())
    }

    fn refusal() -> (u16, Value) {
        bad("chat not found")
    }

    fn buttons(body: &Value) -> Vec<String> {
        let rows = body["reply_markup"]["inline_keyboard"].as_array();
        let buttons = rows.into_iter().flatten().filter_map(Value::as_array);
        let ids = buttons
            .flatten()
            .filter_map(|one| one["callback_data"].as_str());
        ids.map(str::to_owned).collect()
    }

    fn address(call: &ChatCall, state: &State) -> Option<(String, String)> {
        let chat = match &call.body["chat_id"] {
            Value::String(name) => name.clone(),
            id => id.as_i64()?.to_string(),
        };
        let created = call.method == "sendMessage";
        created.then(|| (chat, (100 + state.calls.len()).to_string()))
    }

    fn answer(call: &ChatCall, state: &mut State) -> (u16, Value) {
        let body = &call.body;
        if !call.token.contains(':') {
            return (
                401,
                json!({"ok": false, "error_code": 401, "description": "Unauthorized"}),
            );
        }
        if let Some(answer) = check::answer(call, state) {
            return answer;
        }
        match call.method.as_str() {
            "answerCallbackQuery" => (200, json!({"ok": true, "result": true})),
            "sendMessage" | "editMessageText" => {
                let text = body["text"].as_str().unwrap_or_default();
                if !(1..=4096).contains(&text.encode_utf16().count()) {
                    return bad("message is too long");
                }
                let rows = body["reply_markup"]["inline_keyboard"].as_array();
                let too_long = |button: &Value| {
                    !(1..=64).contains(&button["callback_data"].as_str().unwrap_or_default().len())
                };
                if rows
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_array)
                    .flatten()
                    .any(too_long)
                {
                    return bad("BUTTON_DATA_INVALID");
                }
                let id = body["message_id"]
                    .as_u64()
                    .unwrap_or(100 + state.calls.len() as u64);
                let message = json!({"message_id": id, "date": 1_700_000_000, "chat": {"id": body["chat_id"], "type": "private"}, "text": text});
                state.messages.push(message.clone());
                (200, json!({"ok": true, "result": message}))
            }
            _ => (
                404,
                json!({"ok": false, "error_code": 404, "description": "Not Found"}),
            ),
        }
    }
}

fn bad(why: &str) -> (u16, Value) {
    let description = format!("Bad Request: {why}");
    (
        400,
        json!({"ok": false, "error_code": 400, "description": description}),
    )
}

/// A press on a button of an inline keyboard.
#[derive(Debug, Clone)]
pub struct TelegramClick {
    pub callback_query_id: String,
    pub user_id: i64,
    pub chat_id: i64,
    pub message_id: i64,
    pub data: String,
}

/// The update that Telegram sends for a click.
pub fn update(click: &TelegramClick) -> Value {
    json!({
        "update_id": 900_001,
        "callback_query": {
            "id": click.callback_query_id,
            "from": {"id": click.user_id, "is_bot": false, "first_name": "Somebody", "username": "somebody"},
            "message": {
                "message_id": click.message_id, "date": 1_700_000_000,
                "chat": {"id": click.chat_id, "type": "private", "first_name": "Somebody"}, "text": "card",
            },
            "chat_instance": "-1",
            "data": click.data,
        },
    })
}
