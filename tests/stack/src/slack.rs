//! A sample Slack: the Web API methods that Postern uses, and properly signed clicks.

mod check;

use crate::Result;
use crate::chat::{Api, ChatCall, ChatMode, PostedCard, Sample, State};
use crate::known::{Known, Standing};
use aws_lc_rs::hmac;
use http::Request;
use hyper::body::Incoming;
use serde_json::{Value, json};

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
            "chat.postMessage" | "chat.update" | "chat.postEphemeral" => {
                let count = state.calls.len();
                (
                    200,
                    json!({"ok": true, "channel": call.body["channel"], "ts": format!("1700000000.{count:06}")}),
                )
            }
            _ => refuse("unknown_method"),
        }
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
    let payload = json!({
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
    });
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
