//! What the sample chats share: how they behave, and what they were asked.

use crate::server::{Body, LOOPBACK, Server, whole};
use crate::{Result, lock};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// How a sample chat behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatMode {
    Up,
    /// The platform's own refusal.
    Refuse,
    /// Refuses a message with buttons and takes plain text.
    RefuseCards,
    Status(u16),
    /// Reads the request and never answers.
    Hang,
    /// Reads the request and closes the connection.
    Reset,
    /// Does what the first request asks and closes the connection; is up again after it.
    ResetOnce,
    /// The same, but refuses what comes after it.
    ResetThenRefuse,
    /// Answers 200 with a body that is not the platform's.
    Garbage,
}

/// As a proxy in between would answer.
const GARBAGE: &str = "<html><body>Sign in to go on</body></html>";

/// A call that it received.
#[derive(Debug, Clone)]
pub struct ChatCall {
    pub method: String,
    pub token: String,
    pub body: Value,
}

pub(crate) struct State {
    pub calls: Vec<ChatCall>,
    pub mode: ChatMode,
    /// Messages that were created.
    pub messages: Vec<Value>,
}

/// A platform's API: what it makes of a request, and what it answers when it is up.
pub(crate) trait Api: Send + Sync + 'static {
    /// The method's name and the caller's token.
    fn name(request: &Request<Incoming>) -> (String, String);
    fn refusal() -> (u16, Value);
    fn has_buttons(body: &Value) -> bool;
    fn answer(call: &ChatCall, state: &mut State) -> (u16, Value);
}

/// A running sample.
pub(crate) struct Sample {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Sample {
    pub async fn start<A: Api>() -> Result<Self> {
        let state = Arc::new(Mutex::new(State {
            calls: Vec::new(),
            mode: ChatMode::Up,
            messages: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        let serve = move |request| serve::<A>(Arc::clone(&shared), request);
        let server = Server::start(LOOPBACK, serve).await?;
        Ok(Self { server, state })
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn calls(&self) -> Vec<ChatCall> {
        lock(&self.state).calls.clone()
    }

    pub fn messages(&self) -> Vec<Value> {
        lock(&self.state).messages.clone()
    }

    pub fn set_mode(&self, mode: ChatMode) {
        lock(&self.state).mode = mode;
    }
}

async fn serve<A: Api>(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Body>> {
    let (method, token) = A::name(&request);
    let body: Value = serde_json::from_slice(&request.into_body().collect().await?.to_bytes())?;
    let call = ChatCall {
        method,
        token,
        body,
    };
    let (mode, (status, answer)) = {
        let mut state = lock(&state);
        state.calls.push(call.clone());
        let mode = state.mode;
        let answer = match mode {
            ChatMode::Refuse => A::refusal(),
            ChatMode::RefuseCards if A::has_buttons(&call.body) => A::refusal(),
            ChatMode::Up
            | ChatMode::RefuseCards
            | ChatMode::ResetOnce
            | ChatMode::ResetThenRefuse => A::answer(&call, &mut state),
            ChatMode::Status(status) => (status, "no".into()),
            ChatMode::Garbage => (200, Value::Null),
            ChatMode::Hang | ChatMode::Reset => (500, Value::Null),
        };
        state.mode = match mode {
            ChatMode::ResetOnce => ChatMode::Up,
            ChatMode::ResetThenRefuse => ChatMode::Refuse,
            mode => mode,
        };
        (mode, answer)
    };
    match mode {
        ChatMode::Hang => std::future::pending().await,
        ChatMode::Reset | ChatMode::ResetOnce | ChatMode::ResetThenRefuse => {
            return Err("reset".into());
        }
        _ => {}
    }
    let answer = match mode {
        ChatMode::Garbage => GARBAGE.to_owned(),
        _ => answer.to_string(),
    };
    Ok(Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("retry-after", "1")
        .body(whole(answer))?)
}
