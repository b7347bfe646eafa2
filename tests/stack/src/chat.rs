//! What the sample chats share: their behaviour, and the calls that they received.

use crate::known::{Known, Standing};
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
    /// Refuses as the platform does.
    Refuse,
    /// Refuses a message with buttons and accepts plain text.
    RefuseCards,
    Status(u16),
    /// Reads the request and never answers.
    Hang,
    /// Reads the request and closes the connection.
    Reset,
    /// Does what the first request asks and closes the connection; later requests are answered.
    ResetOnce,
    /// The same, but later requests are refused.
    ResetThenRefuse,
    /// Answers 200 with a body that the platform did not write.
    Garbage,
}

/// What a proxy in between might answer.
const GARBAGE: &str = "<html><body>Sign in to go on</body></html>";

/// A call that it received.
#[derive(Debug, Clone)]
pub struct ChatCall {
    pub method: String,
    pub token: String,
    pub body: Value,
}

/// A card that arrived, with the buttons that it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedCard {
    /// The token of the bot that posted it.
    pub token: String,
    /// Where the card is, or would be if the sample had answered.
    pub channel: String,
    pub message: String,
    /// The buttons' ids, in their order.
    pub buttons: Vec<String>,
}

impl PostedCard {
    /// Whether it shows this interaction: a button's id is `q:{interaction}:{revision}:{index}`.
    pub fn shows(&self, interaction: &str) -> bool {
        let of = |button: &String| button.split(':').nth(1) == Some(interaction);
        self.buttons.iter().any(of)
    }

    /// The id of a button; if the card has no such button, the id that it would have.
    pub fn button(&self, index: usize) -> String {
        self.buttons.get(index).cloned().unwrap_or_else(|| {
            let first = self.buttons.first().map_or("", String::as_str);
            let (prefix, _) = first.rsplit_once(':').unwrap_or((first, ""));
            format!("{prefix}:{index}")
        })
    }
}

pub(crate) struct State {
    pub cards: Vec<PostedCard>,
    pub calls: Vec<ChatCall>,
    pub mode: ChatMode,
    /// The created messages.
    pub messages: Vec<Value>,
    /// What it knows of its bots and channels.
    pub known: Known,
    /// The messages that were posted and not deleted.
    pub standing: Vec<Standing>,
}

/// A platform's API: how it reads a request, and what it answers when it is up.
pub(crate) trait Api: Send + Sync + 'static {
    /// The method's name and the caller's token.
    fn name(request: &Request<Incoming>) -> (String, String);
    fn refusal() -> (u16, Value);
    /// The ids of a message's buttons, in their order.
    fn buttons(body: &Value) -> Vec<String>;
    /// The channel and the message that this call, the last one, creates.
    fn address(call: &ChatCall, state: &State) -> Option<(String, String)>;
    fn answer(call: &ChatCall, state: &mut State) -> (u16, Value);
    /// A header of every answer.
    fn header(_: &State) -> Option<(&'static str, String)> {
        None
    }
}

/// A running sample.
pub(crate) struct Sample {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Sample {
    pub async fn start<A: Api>() -> Result<Self> {
        let state = Arc::new(Mutex::new(State {
            cards: Vec::new(),
            calls: Vec::new(),
            mode: ChatMode::Up,
            messages: Vec::new(),
            known: Known::default(),
            standing: Vec::new(),
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

    pub fn cards(&self) -> Vec<PostedCard> {
        lock(&self.state).cards.clone()
    }

    pub fn messages(&self) -> Vec<Value> {
        lock(&self.state).messages.clone()
    }

    pub fn set_mode(&self, mode: ChatMode) {
        lock(&self.state).mode = mode;
    }

    pub fn set_known(&self, known: Known) {
        lock(&self.state).known = known;
    }

    pub fn standing(&self) -> Vec<Standing> {
        lock(&self.state).standing.clone()
    }
}

async fn serve<A: Api>(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Body>> {
    let (method, token) = A::name(&request);
    let takes_none = matches!(request.method().as_str(), "GET" | "DELETE");
    let body = request.into_body().collect().await?.to_bytes();
    let body: Value = match &body[..] {
        b"" => Value::Null,
        _ if takes_none => return Err("a body where none belongs".into()),
        body => serde_json::from_slice(body)?,
    };
    let call = ChatCall {
        method,
        token,
        body,
    };
    let (mode, header, (status, answer)) = {
        let mut state = lock(&state);
        state.calls.push(call.clone());
        let mode = state.known.mode(&call.method).unwrap_or(state.mode);
        let buttons = A::buttons(&call.body);
        let at = A::address(&call, &state);
        if let (Some((channel, message)), false) = (at.clone(), buttons.is_empty()) {
            state.cards.push(PostedCard {
                token: call.token.clone(),
                channel,
                message,
                buttons,
            });
        }
        let answer = match mode {
            ChatMode::Refuse => A::refusal(),
            ChatMode::RefuseCards if !A::buttons(&call.body).is_empty() => A::refusal(),
            ChatMode::Up
            | ChatMode::RefuseCards
            | ChatMode::ResetOnce
            | ChatMode::ResetThenRefuse => A::answer(&call, &mut state),
            ChatMode::Status(status) => (status, "no".into()),
            ChatMode::Garbage => (200, Value::Null),
            ChatMode::Hang | ChatMode::Reset => (500, Value::Null),
        };
        state.stands(at, answer.0, &answer.1);
        state.mode = match state.mode {
            ChatMode::ResetOnce => ChatMode::Up,
            ChatMode::ResetThenRefuse => ChatMode::Refuse,
            mode => mode,
        };
        (mode, A::header(&state), answer)
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
        _ if status == 204 => String::new(),
        _ => answer.to_string(),
    };
    let mut response = Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("retry-after", "1");
    if let Some((name, value)) = header {
        response = response.header(name, value);
    }
    Ok(response.body(whole(answer))?)
}
