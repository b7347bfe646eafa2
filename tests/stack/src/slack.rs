//! A sample Slack: the Web API methods that Postern uses, and properly signed clicks.

mod check;
mod errors;

pub use errors::ERRORS;

use crate::Result;
use crate::chat::{
    Api, ChatCall, ChatMode, Failure, Kind, PostedCard, Sample, State, Window, Wire,
};
use crate::known::{Known, Standing};
use aws_lc_rs::hmac;
use http::Request;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::time::Duration;

/// The running sample.
pub struct Slack(Sample);

impl Slack {
    pub async fn start() -> Result<Self> {
        Ok(Self(Sample::start::<WebApi>().await?))
    }

    pub fn api_base_url(&self) -> String {
        format!("{}/api", self.0.url())
    }

    pub fn calls(&self) -> Vec<ChatCall> {
        self.0.calls()
    }

    /// The messages that were created; one in a thread names the thread's first message.
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
        self.0.fail::<WebApi>(failure);
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

struct WebApi;

impl Api for WebApi {
    fn name(request: &Request<Incoming>) -> (String, String) {
        let method = request.uri().path().trim_start_matches("/api/").to_owned();
        let token = request
            .headers()
            .get("authorization")
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        (method, token.unwrap_or_default().to_owned())
    }

    fn refusal() -> (u16, Value) {
        (200, json!({"ok": false, "error": "channel_not_found"}))
    }

    fn buttons(body: &Value) -> Vec<String> {
        let blocks = body["blocks"].as_array().into_iter().flatten();
        let elements = blocks.filter_map(|block| block["elements"].as_array());
        let ids = elements
            .flatten()
            .filter_map(|one| one["action_id"].as_str());
        ids.map(str::to_owned).collect()
    }

    fn address(call: &ChatCall, state: &State) -> Option<(String, String)> {
        let channel = call.body["channel"].as_str()?.to_owned();
        let created = call.method == "chat.postMessage";
        created.then(|| (channel, format!("1700000000.{:06}", state.calls.len())))
    }

    fn answer(call: &ChatCall, state: &mut State) -> (u16, Value) {
        let refuse = |error: &str| (200, json!({"ok": false, "error": error}));
        if !call.token.starts_with("xoxb-") {
            return refuse("not_authed");
        }
        if let Some(answer) = check::answer(call, state) {
            return answer;
        }
        match call.method.as_str() {
            "chat.update" | "chat.postEphemeral" => {
                let count = state.calls.len();
                (
                    200,
                    json!({"ok": true, "channel": call.body["channel"], "ts": format!("1700000000.{count:06}")}),
                )
            }
            "chat.postMessage" => {
                let channel = &call.body["channel"];
                let ts = format!("1700000000.{:06}", state.calls.len());
                let mut message = json!({"ts": ts, "channel": channel});
                let named = &call.body["thread_ts"];
                if !named.is_null() {
                    // A reply's own timestamp names the thread that the reply is in.
                    let reply = state.messages.iter().find(|one| one["ts"] == *named);
                    let above = reply.and_then(|reply| reply.get("thread_ts"));
                    message["thread_ts"] = above.unwrap_or(named).clone();
                }
                state.messages.push(message.clone());
                (
                    200,
                    json!({"ok": true, "channel": channel, "ts": ts, "message": message}),
                )
            }
            _ => refuse("unknown_method"),
        }
    }

    fn kind(method: &str, body: &Value) -> (Kind, String) {
        let kind = match method {
            "chat.update" => Kind::Edit,
            "chat.postEphemeral" => Kind::Note,
            "chat.postMessage" if !Self::buttons(body).is_empty() => Kind::Card,
            "chat.postMessage" if body.get("blocks").is_some() => Kind::Receipt,
            "chat.postMessage" => Kind::Text,
            _ => Kind::Other,
        };
        let channel = body["channel"].as_str().unwrap_or_default();
        (kind, channel.to_owned())
    }

    /// One message a second to a channel, several hundred a minute in a workspace.
    fn rates(_: &str) -> Vec<Window> {
        vec![
            // A little less than a second, since messages do not arrive as regularly as they are sent.
            Window::of_channel(1, Duration::from_millis(600)),
            Window::of_bot(300, Duration::from_secs(60)),
        ]
    }

    fn error(failure: &Failure) -> Option<Wire> {
        errors::error(failure)
    }

    fn too_many(after: Duration) -> Wire {
        errors::too_many(after.as_secs_f64())
    }

    fn header(state: &State) -> Option<(&'static str, String)> {
        Some(("x-oauth-scopes", state.known.scopes.clone()))
    }
}

/// A press on a button.
#[derive(Debug, Clone)]
pub struct Click {
    pub team_id: String,
    pub api_app_id: String,
    pub user_id: String,
    pub channel_id: String,
    pub message_ts: String,
    pub action_id: String,
    pub value: String,
    pub action_ts: String,
}

/// The form that Slack sends for a click.
pub fn click_body(click: Click) -> String {
    form(&payload(click))
}

/// What Slack says of a click on a message outside of threads.
pub fn payload(click: Click) -> Value {
    json!({
        "type": "block_actions",
        "user": {"id": click.user_id, "username": "somebody", "team_id": click.team_id},
        "api_app_id": click.api_app_id,
        "token": "deprecated",
        "container": {"type": "message", "message_ts": click.message_ts, "channel_id": click.channel_id, "is_ephemeral": false},
        "trigger_id": format!("{}.trigger", click.action_ts),
        "team": {"id": click.team_id, "domain": "sample"},
        "channel": {"id": click.channel_id, "name": "sample"},
        "message": {"ts": click.message_ts, "text": "card"},
        "actions": [{
            "type": "button", "action_id": click.action_id, "block_id": "b", "value": click.value,
            "text": {"type": "plain_text", "text": click.value}, "action_ts": click.action_ts,
        }],
    })
}

/// A payload as a form.
pub fn form(payload: &Value) -> String {
    let mut body = "payload=".to_owned();
    for byte in payload.to_string().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                body.push(char::from(byte))
            }
            b' ' => body.push('+'),
            _ => body.push_str(&format!("%{byte:02X}")),
        }
    }
    body
}

/// The `X-Slack-Signature` of a body at a time in Unix seconds.
pub fn sign(signing_secret: &str, timestamp: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, signing_secret.as_bytes());
    let tag = hmac::sign(
        &key,
        &[format!("v0:{timestamp}:").as_bytes(), body].concat(),
    );
    let hex: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("v0={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_signs_as_slacks_own_examples_are_signed() {
        assert_eq!(
            sign(
                "fa2c05deeef5a4077494e89f54394de0",
                1_531_420_618,
                b"test-body"
            ),
            "v0=baa91ef62d346e56607bbdd278a8acd570b91226854f15a382f43d33be42f666"
        );
    }
}
