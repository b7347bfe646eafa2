//! A sample model that judges. It speaks Anthropic's Messages API and OpenAI's chat completions.

use crate::server::{Body, LOOPBACK, Server, json, whole};
use crate::{Result, lock};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// How the judge answers.
#[derive(Debug, Clone)]
pub enum JudgeMode {
    /// Says `allow` of requests that only read, and `deny` of others.
    Reads,
    /// Says this text as the model.
    Say(String),
    /// Says the text after this time.
    Slowly(Duration, String),
    /// Sends this as the API's whole answer.
    Raw(String),
    Status(u16),
    /// Reads the request and never answers.
    Hang,
    /// Reads the request and closes the connection.
    Reset,
}

/// A question that the judge received.
#[derive(Debug, Clone)]
pub struct Judged {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Judged {
    /// The instructions that came with the question.
    pub fn system(&self) -> String {
        let text = self.body["system"].as_str();
        text.or_else(|| self.body["messages"][0]["content"].as_str())
            .unwrap_or_default()
            .to_owned()
    }

    /// The request that the question is about.
    pub fn request(&self) -> Value {
        let messages = self.body["messages"].as_array();
        let last = messages.and_then(|all| all.last());
        let text = last.and_then(|message| message["content"].as_str());
        serde_json::from_str(text.unwrap_or_default()).unwrap_or_default()
    }
}

struct State {
    judged: Vec<Judged>,
    mode: JudgeMode,
    expected_key: Option<String>,
}

/// The running sample.
pub struct SampleJudge {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl SampleJudge {
    pub async fn start() -> Result<Self> {
        let state = Arc::new(Mutex::new(State {
            judged: Vec::new(),
            mode: JudgeMode::Reads,
            expected_key: None,
        }));
        let shared = Arc::clone(&state);
        let server = Server::start(LOOPBACK, move |request| {
            answer(Arc::clone(&shared), request)
        })
        .await?;
        Ok(Self { server, state })
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn judged(&self) -> Vec<Judged> {
        lock(&self.state).judged.clone()
    }

    pub fn set_mode(&self, mode: JudgeMode) {
        lock(&self.state).mode = mode;
    }

    /// From now on, only this key is accepted.
    pub fn set_expected_key(&self, key: Option<&str>) {
        lock(&self.state).expected_key = key.map(str::to_owned);
    }

    /// From now on, the judge says this.
    pub fn say(&self, text: &str) {
        self.set_mode(JudgeMode::Say(text.to_owned()));
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let judged = Judged {
        path: parts.uri.to_string(),
        headers: parts.headers,
        body: serde_json::from_slice(&body.collect().await?.to_bytes())?,
    };
    let (mode, expected_key) = {
        let mut state = lock(&state);
        state.judged.push(judged.clone());
        (state.mode.clone(), state.expected_key.clone())
    };
    let key = ["authorization", "x-api-key"].map(|name| judged.headers.get(name));
    let key = key.into_iter().flatten().next();
    let key = key.and_then(|key| key.to_str().ok()).unwrap_or_default();
    if expected_key.is_some_and(|expected| !key.ends_with(&expected)) {
        return json(401, &json!({"error": {"message": "invalid key"}}));
    }
    let text = match mode {
        JudgeMode::Reads => {
            let reads = matches!(judged.request()["method"].as_str(), Some("GET" | "HEAD"));
            let (verdict, reason) = if reads {
                ("allow", "it only reads")
            } else {
                ("deny", "it does more than read")
            };
            json!({"verdict": verdict, "reason": reason}).to_string()
        }
        JudgeMode::Say(text) => text,
        JudgeMode::Slowly(after, text) => {
            tokio::time::sleep(after).await;
            text
        }
        JudgeMode::Raw(raw) => return Ok(Response::new(whole(raw))),
        JudgeMode::Status(status) => return json(status, &json!({"error": {"message": "no"}})),
        JudgeMode::Hang => std::future::pending().await,
        JudgeMode::Reset => return Err("reset".into()),
    };
    if judged.path.starts_with("/v1/messages") {
        return json(
            200,
            &json!({"id": "msg_1", "type": "message", "role": "assistant", "model": judged.body["model"],
                "stop_reason": "end_turn", "content": [{"type": "text", "text": text}]}),
        );
    }
    json(
        200,
        &json!({"id": "chatcmpl-1", "object": "chat.completion", "model": judged.body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]}),
    )
}
