//! A sample Slack: the Web API methods that are used, and properly signed clicks.

use crate::Result;
use crate::server::{Body, LOOPBACK, Server, json, whole};
use aws_lc_rs::hmac;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlackMode {
    Up,
    /// 200 with `ok: false`.
    Refuse,
    /// Refuses blocks and takes plain text.
    RefuseBlocks,
    Status(u16),
    /// Reads the request and never answers.
    Hang,
    /// Reads the request and closes the connection.
    Reset,
}

/// A call that it received.
#[derive(Debug, Clone)]
pub struct SlackCall {
    pub method: String,
    pub token: String,
    pub body: Value,
}

struct State {
    calls: Vec<SlackCall>,
    mode: SlackMode,
}

/// The running sample.
pub struct Slack {
    server: Server,
    state: Arc<Mutex<State>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slack {
    pub async fn start() -> Result<Self> {
        let state = Arc::new(Mutex::new(State {
            calls: Vec::new(),
            mode: SlackMode::Up,
        }));
        let shared = Arc::clone(&state);
        let server = Server::start(LOOPBACK, move |request| {
            answer(Arc::clone(&shared), request)
        })
        .await?;
        Ok(Self { server, state })
    }

    pub fn api_base_url(&self) -> String {
        format!("{}/api", self.server.url())
    }

    pub fn calls(&self) -> Vec<SlackCall> {
        lock(&self.state).calls.clone()
    }

    pub fn set_mode(&self, mode: SlackMode) {
        lock(&self.state).mode = mode;
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Body>> {
    let method = request.uri().path().trim_start_matches("/api/").to_owned();
    let token = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let token = token.unwrap_or_default().to_owned();
    let body: Value = serde_json::from_slice(&request.into_body().collect().await?.to_bytes())?;
    let channel = body["channel"].clone();
    let with_blocks = body.get("blocks").is_some();
    let (mode, count) = {
        let mut state = lock(&state);
        state.calls.push(SlackCall {
            method: method.clone(),
            token: token.clone(),
            body,
        });
        (state.mode, state.calls.len())
    };
    let refuse = |error: &str| json(200, &json!({"ok": false, "error": error}));
    match mode {
        SlackMode::Refuse => return refuse("channel_not_found"),
        SlackMode::RefuseBlocks if with_blocks => return refuse("invalid_blocks"),
        SlackMode::Status(status) => {
            return Ok(Response::builder()
                .status(status)
                .header("retry-after", "1")
                .body(whole("no"))?);
        }
        SlackMode::Hang => std::future::pending().await,
        SlackMode::Reset => return Err("reset".into()),
        SlackMode::Up | SlackMode::RefuseBlocks => {}
    }
    if !token.starts_with("xoxb-") {
        return refuse("not_authed");
    }
    match method.as_str() {
        "chat.postMessage" | "chat.update" | "chat.postEphemeral" => json(
            200,
            &json!({"ok": true, "channel": channel, "ts": format!("1700000000.{count:06}")}),
        ),
        _ => refuse("unknown_method"),
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

/// The form that Slack sends for it.
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

/// `X-Slack-Signature` of a body at a time in Unix seconds.
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
