//! A Slack whose channels each follow a script of answers, and which remembers what every reader of a channel sees.

use crate::server::{Body, LOOPBACK, Server, whole};
use crate::{Result, lock};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Instant,
};

/// What one post of a question meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meets {
    /// The message is created.
    Nothing,
    /// 429 with this `retry-after`.
    RateLimit(u64),
    /// `internal_error`; the message may have been created.
    InternalError { created: bool },
    /// The status 503 in HTML; the message may have been created.
    Unavailable { created: bool },
    /// An error that no table has.
    UnheardOf,
    /// `channel_not_found`.
    Refusal,
    /// The connection ends without an answer; the message may have been created.
    Reset { created: bool },
}

/// A message in a channel.
#[derive(Debug, Clone)]
pub struct Message {
    pub ts: String,
    /// The revision that its buttons name; `None` for plain text.
    pub revision: Option<String>,
    pub created_at: Instant,
}

/// A channel.
#[derive(Debug, Clone, Default)]
pub struct Channel {
    script: VecDeque<Meets>,
    /// What posts have met, in their order.
    pub met: Vec<Meets>,
    pub messages: Vec<Message>,
}

#[derive(Default)]
struct State {
    channels: HashMap<String, Channel>,
    count: u64,
}

/// The running sample.
pub struct ScriptedChat {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl ScriptedChat {
    pub async fn start() -> Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let server =
            Server::start(LOOPBACK, move |request| serve(Arc::clone(&shared), request)).await?;
        Ok(Self { server, state })
    }

    pub fn api_base_url(&self) -> String {
        format!("{}/api", self.server.url())
    }

    /// Opens a channel in which posts meet these, one after the other, and then nothing.
    pub fn open(&self, channel: &str, script: impl IntoIterator<Item = Meets>) {
        let opened = Channel {
            script: script.into_iter().collect(),
            ..Channel::default()
        };
        lock(&self.state)
            .channels
            .insert(channel.to_owned(), opened);
    }

    /// From now on posts meet nothing anywhere.
    pub fn calm(&self) {
        for channel in lock(&self.state).channels.values_mut() {
            channel.script.clear();
        }
    }

    pub fn channel(&self, channel: &str) -> Channel {
        lock(&self.state).channels[channel].clone()
    }
}

/// The revision in the id of a message's first button, `q:{interaction}:{revision}:{index}`.
fn revision(body: &Value) -> Option<String> {
    let blocks = body["blocks"].as_array()?;
    let elements = blocks
        .iter()
        .filter_map(|block| block["elements"].as_array());
    let id = elements
        .flatten()
        .find_map(|element| element["action_id"].as_str())?;
    id.split(':').nth(2).map(str::to_owned)
}

async fn serve(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Body>> {
    let method = request.uri().path().trim_start_matches("/api/").to_owned();
    let body: Value = serde_json::from_slice(&request.into_body().collect().await?.to_bytes())?;
    let answer = |status: u16, body: String| {
        Ok(Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(whole(body))?)
    };
    let done = |ts: &str| json!({"ok": true, "channel": body["channel"], "ts": ts}).to_string();
    if method != "chat.postMessage" {
        return answer(200, done(body["ts"].as_str().unwrap_or_default()));
    }
    let meets;
    let ts;
    {
        let mut state = lock(&state);
        state.count += 1;
        ts = format!("1700000000.{:06}", state.count);
        let name = body["channel"].as_str().unwrap_or_default();
        let Some(channel) = state.channels.get_mut(name) else {
            return answer(
                200,
                json!({"ok": false, "error": "channel_not_found"}).to_string(),
            );
        };
        meets = channel.script.pop_front().unwrap_or(Meets::Nothing);
        channel.met.push(meets);
        let created = match meets {
            Meets::Nothing => true,
            Meets::InternalError { created }
            | Meets::Unavailable { created }
            | Meets::Reset { created } => created,
            Meets::RateLimit(_) | Meets::UnheardOf | Meets::Refusal => false,
        };
        if created {
            channel.messages.push(Message {
                ts: ts.clone(),
                revision: revision(&body),
                created_at: Instant::now(),
            });
        }
    }
    let refusal = |error: &str| answer(200, json!({"ok": false, "error": error}).to_string());
    match meets {
        Meets::Nothing => answer(200, done(&ts)),
        Meets::RateLimit(after) => Ok(Response::builder()
            .status(429)
            .header("retry-after", after)
            .body(whole(""))?),
        Meets::InternalError { .. } => refusal("internal_error"),
        Meets::Unavailable { .. } => answer(503, "<html>Service Unavailable</html>".into()),
        Meets::UnheardOf => refusal("an_error_of_tomorrow"),
        Meets::Refusal => refusal("channel_not_found"),
        Meets::Reset { .. } => Err("reset".into()),
    }
}
