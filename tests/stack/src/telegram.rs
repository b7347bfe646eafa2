//! A sample Telegram: the Bot API methods that Postern uses, and updates as Telegram sends them.

mod check;
mod errors;

pub use errors::ERRORS;

use crate::Result;
use crate::chat::{
    Api, ChatCall, ChatMode, Failure, Kind, PostedCard, Sample, State, Window, Wire,
};
use crate::known::{Known, Standing};
use http::Request;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::time::Duration;

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

    /// The messages that were created or edited; one in a topic names it.
    pub fn messages(&self) -> Vec<Value> {
        self.0.messages()
    }

    /// Deletes a message.
    pub fn delete(&self, message: &str) {
        self.0.put_away(message);
    }

    /// The cards that arrived, oldest first.
    pub fn cards(&self) -> Vec<PostedCard> {
        self.0.cards()
    }

    pub fn set_mode(&self, mode: ChatMode) {
        self.0.set_mode(mode);
    }

    /// These calls meet this failure.
    pub fn fail(&self, failure: Failure) {
        self.0.fail::<BotApi>(failure);
    }

    /// The group becomes this supergroup. Its former messages can still be edited under its former number.
    pub fn upgrade(&self, group: i64, supergroup: i64) {
        let error = "Bad Request: group chat was upgraded to a supergroup chat";
        self.fail(Failure {
            calls: vec![Kind::Card, Kind::Text, Kind::Receipt, Kind::Other],
            chat: Some(supergroup),
            ..Failure::of(error, &group.to_string(), Kind::Card).always()
        });
    }

    /// From now on the sample keeps the platform's documented rates.
    pub fn keep_rates(&self) {
        self.0.keep_rates();
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
        let chat = chat_id(&call.body)?.to_string();
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
                // The general topic cannot be named.
                if body["message_thread_id"] == 1 {
                    return bad("message thread not found");
                }
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
                if state.away.contains(&id.to_string()) {
                    return bad("message to edit not found");
                }
                let mut message = json!({"message_id": id, "date": 1_700_000_000,
                    "chat": {"id": chat_id(body), "type": "private"}, "text": text});
                if !body["message_id"].is_null() {
                    message["edit_date"] = 1_700_000_001.into();
                }
                match topic(body, state) {
                    // The general topic cannot be named.
                    Some(1) => return bad("message thread not found"),
                    Some(topic) => {
                        message["message_thread_id"] = topic.into();
                        message["is_topic_message"] = true.into();
                    }
                    None => {}
                }
                state.messages.push(message.clone());
                (200, json!({"ok": true, "result": message}))
            }
            _ => (
                404,
                json!({"ok": false, "error_code": 404, "description": "Not Found"}),
            ),
        }
    }

    fn kind(method: &str, body: &Value) -> (Kind, String) {
        let kind = match method {
            "editMessageText" => Kind::Edit,
            "answerCallbackQuery" => Kind::Note,
            "sendMessage" if !Self::buttons(body).is_empty() => Kind::Card,
            "sendMessage" if body.get("reply_parameters").is_some() => Kind::Receipt,
            "sendMessage" => Kind::Text,
            _ => Kind::Other,
        };
        let chat = match &body["chat_id"] {
            Value::String(name) => name.clone(),
            id => id.to_string(),
        };
        (kind, chat)
    }

    /// One message a second to a chat, with short bursts; 20 a minute to a group; 30 a second of a bot.
    fn rates(chat: &str) -> Vec<Window> {
        let mut rates = vec![
            Window::of_channel(3, Duration::from_secs(1)),
            Window::of_bot(30, Duration::from_secs(1)),
        ];
        if chat.starts_with('-') {
            rates.push(Window::of_channel(20, Duration::from_secs(60)));
        }
        rates
    }

    /// Edits share the rates of messages.
    fn counts(kind: Kind) -> bool {
        matches!(kind, Kind::Card | Kind::Text | Kind::Receipt | Kind::Edit)
    }

    fn error(failure: &Failure) -> Option<Wire> {
        errors::error(failure)
    }

    fn too_many(after: Duration) -> Wire {
        errors::too_many(after.as_secs_f64())
    }
}

/// The chat's number. A name stands for one too.
fn chat_id(body: &Value) -> Option<i64> {
    match &body["chat_id"] {
        Value::String(name) => Some(-1_001_000_000_000 - i64::try_from(name.len()).ok()?),
        id => id.as_i64(),
    }
}

/// The topic that a message comes into: the one that it names, or that of the message which it replies to or edits.
fn topic(body: &Value, state: &State) -> Option<i64> {
    if let Some(topic) = body["message_thread_id"].as_i64() {
        return Some(topic);
    }
    let about = body["reply_parameters"].get("message_id");
    let about = about.or(body.get("message_id"))?;
    let there = !state.away.contains(&about.to_string());
    let mut messages = state.messages.iter().filter(|_| there);
    messages.find(|one| one["message_id"] == *about)?["message_thread_id"].as_i64()
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
