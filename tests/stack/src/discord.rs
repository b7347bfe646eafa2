//! A sample Discord: the HTTP API's messages with their limits, and signed interactions.

mod check;
mod errors;

pub use errors::ERRORS;

use crate::Result;
use crate::chat::{
    Api, ChatCall, ChatMode, Failure, Kind, PostedCard, Sample, State, Window, Wire,
};
use crate::known::{Known, Standing};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use http::Request;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::time::Duration;

/// The running sample.
pub struct Discord(Sample);

impl Discord {
    pub async fn start() -> Result<Self> {
        Ok(Self(Sample::start::<HttpApi>().await?))
    }

    /// The sample's counterpart of `https://discord.com/api/v10`.
    pub fn api_base_url(&self) -> String {
        format!("{}/api/v10", self.0.url())
    }

    /// All calls; a method looks like `POST /channels/1/messages`.
    pub fn calls(&self) -> Vec<ChatCall> {
        self.0.calls()
    }

    /// The messages that were in fact created.
    pub fn messages(&self) -> Vec<Value> {
        self.0.messages()
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
        self.0.fail::<HttpApi>(failure);
    }

    /// Archives the thread. Nothing in it can be edited until it is opened, or a message is sent.
    pub fn archive(&self, thread: &str) {
        self.0.put_away(thread);
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

struct HttpApi;

impl Api for HttpApi {
    fn name(request: &Request<Incoming>) -> (String, String) {
        let path = request.uri().path().trim_start_matches("/api/v10");
        let header = |name: &str| request.headers().get(name)?.to_str().ok();
        let token = header("authorization").and_then(|value| value.strip_prefix("Bot "));
        // Discord blocks a client that does not name itself.
        let named = header("user-agent").is_some_and(|agent| agent.starts_with("DiscordBot ("));
        let token = if named { token.unwrap_or_default() } else { "" };
        (format!("{} {path}", request.method()), token.to_owned())
    }

    fn refusal() -> (u16, Value) {
        (404, json!({"message": "Unknown Channel", "code": 10003}))
    }

    fn buttons(body: &Value) -> Vec<String> {
        let rows = body["components"].as_array().into_iter().flatten();
        let buttons = rows.filter_map(|row| row["components"].as_array());
        let ids = buttons
            .flatten()
            .filter_map(|one| one["custom_id"].as_str());
        ids.map(str::to_owned).collect()
    }

    fn address(call: &ChatCall, state: &State) -> Option<(String, String)> {
        let channel = call.method.strip_prefix("POST /channels/")?;
        let channel = channel.strip_suffix("/messages")?.to_owned();
        let same = |message: &Value| message["nonce"] == call.body["nonce"];
        let index = state.messages.iter().position(same);
        let lost = matches!(
            state.mode,
            ChatMode::Reset | ChatMode::Hang | ChatMode::Garbage
        );
        let message = match index {
            Some(index) => message_id(index),
            None if lost => format!("8{:017}", state.calls.len()),
            None => message_id(state.messages.len()),
        };
        Some((channel, message))
    }

    fn answer(call: &ChatCall, state: &mut State) -> (u16, Value) {
        if call.token.is_empty() {
            return (401, json!({"message": "401: Unauthorized", "code": 0}));
        }
        if call.kind == Kind::Reopen {
            state.away.remove(&call.channel);
            let thread = json!({"archived": false, "locked": false});
            return (
                200,
                json!({"id": call.channel, "type": 11, "thread_metadata": thread}),
            );
        }
        if let Some(answer) = check::answer(call, state) {
            return answer;
        }
        if !within_bounds(&call.body) {
            return (400, json!({"message": "Invalid Form Body", "code": 50035}));
        }
        let mut path = call.method.split('/').skip(2);
        let channel = path.next().unwrap_or_default();
        if call.method.starts_with("PATCH ") {
            if state.away.contains(channel) {
                return (400, json!({"message": "Thread is archived", "code": 50083}));
            }
            let id = path.nth(1).unwrap_or_default();
            return (200, json!({"id": id, "channel_id": channel}));
        }
        // A new message opens an archived thread.
        state.away.remove(channel);
        let same = |message: &&Value| {
            call.body["enforce_nonce"] == true && message["nonce"] == call.body["nonce"]
        };
        if let Some(first) = state.messages.iter().find(same) {
            return (200, first.clone());
        }
        let id = message_id(state.messages.len());
        let said = |name: &str| call.body[name].clone();
        let embeds = match &call.body["embeds"] {
            Value::Array(embeds) if state.known.embeds => embeds.clone(),
            _ => Vec::new(),
        };
        let message = json!({"id": id, "channel_id": channel, "content": said("content"), "nonce": said("nonce"),
            "components": said("components"), "embeds": embeds});
        state.messages.push(message.clone());
        (200, message)
    }

    fn kind(method: &str, body: &Value) -> (Kind, String) {
        let channel = method.split('/').nth(2).unwrap_or_default();
        let kind = match method.split_once(' ') {
            Some(("POST", path)) if path.ends_with("/messages") => {
                if !Self::buttons(body).is_empty() {
                    Kind::Card
                } else if body.get("message_reference").is_some() {
                    Kind::Receipt
                } else {
                    Kind::Text
                }
            }
            Some(("PATCH", path)) if path.contains("/messages/") => Kind::Edit,
            Some(("PATCH", _)) => Kind::Reopen,
            _ => Kind::Other,
        };
        (kind, channel.to_owned())
    }

    /// Five messages in five seconds to a channel, and 50 calls a second.
    fn rates(_: &str) -> Vec<Window> {
        vec![
            Window::of_channel(5, Duration::from_secs(5)),
            Window::of_bot(50, Duration::from_secs(1)),
        ]
    }

    fn error(failure: &Failure) -> Option<Wire> {
        errors::error(failure)
    }

    fn too_many(after: Duration) -> Wire {
        errors::too_many(after.as_secs_f64())
    }
}

fn message_id(index: usize) -> String {
    (700_000_000_000_000_000 + index).to_string()
}

/// Whether a message is within Discord's published limits.
fn within_bounds(body: &Value) -> bool {
    let length = |value: &Value| value.as_str().unwrap_or_default().chars().count();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let rows = list(&body["components"]);
    let button =
        |button: &Value| length(&button["label"]) <= 80 && length(&button["custom_id"]) <= 100;
    let row = |row: &Value| {
        let buttons = list(&row["components"]);
        (1..=5).contains(&buttons.len()) && buttons.iter().all(button)
    };
    let embed = |embed: &Value| length(&embed["description"]) <= 4096;
    length(&body["content"]) <= 2000
        && list(&body["embeds"]).iter().all(embed)
        && rows.len() <= 5
        && rows.iter().all(row)
        && length(&body["nonce"]) <= 25
        && (length(&body["content"]) > 0 || !list(&body["embeds"]).is_empty())
}

/// A press on a button.
#[derive(Debug, Clone)]
pub struct DiscordClick {
    pub interaction_id: String,
    /// Whether it is in a server; otherwise it is in a direct message.
    pub guild: bool,
    pub user_id: String,
    pub channel_id: String,
    pub message_id: String,
    pub custom_id: String,
}

/// The interaction that Discord sends for a click.
pub fn interaction(click: &DiscordClick) -> Value {
    let user = json!({"id": click.user_id, "username": "somebody", "discriminator": "0"});
    let mut interaction = json!({
        "type": 3, "version": 1, "id": click.interaction_id, "application_id": "900", "token": "a-long-token",
        "channel_id": click.channel_id,
        "message": {"id": click.message_id, "channel_id": click.channel_id, "content": "card"},
        "data": {"custom_id": click.custom_id, "component_type": 2},
    });
    if click.guild {
        interaction["guild_id"] = "800".into();
        interaction["member"] = json!({"user": user});
    } else {
        interaction["user"] = user;
    }
    interaction
}

/// The application's public key, in hexadecimal.
pub fn public_key(seed: &[u8; 32]) -> Result<String> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed)?;
    Ok(hex(pair.public_key().as_ref()))
}

/// The `X-Signature-Ed25519` of a body at a time in Unix seconds.
pub fn sign(seed: &[u8; 32], timestamp: i64, body: &[u8]) -> Result<String> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed)?;
    let signed = [timestamp.to_string().as_bytes(), body].concat();
    Ok(hex(pair.sign(&signed).as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
