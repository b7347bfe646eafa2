//! What the sample chats share: their behaviour, and the calls that they received.

mod failure;
mod rates;

pub(crate) use failure::Wire;
pub use failure::{Failure, Kind};
pub(crate) use rates::Window;

use crate::known::{Known, Standing};
use crate::server::{Body, LOOPBACK, Server, whole};
use crate::{Result, lock};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use rates::Accepted;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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
    /// Does what the request asks and answers this status with a page of a proxy in between.
    Html(u16),
    /// Does what the request asks, and sends half of the answer.
    Half,
    /// Does what the request asks, and answers with so many bytes.
    Big(usize),
}

/// What a proxy in between might answer.
const PAGE: &str = "<html><body>Sign in to go on</body></html>";

/// A call that it received.
#[derive(Debug, Clone)]
pub struct ChatCall {
    pub method: String,
    pub token: String,
    pub body: Value,
    pub kind: Kind,
    /// The channel or chat that it is about.
    pub channel: String,
    pub at: Instant,
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
    /// The messages that were deleted and the threads that were archived, by their ids.
    pub away: BTreeSet<String>,
    /// What it knows of its bots and channels.
    pub known: Known,
    /// The messages that were posted and not deleted.
    pub standing: Vec<Standing>,
    failures: Vec<Failure>,
    /// What was accepted since the rates are kept; `None` if they are not.
    accepted: Option<Accepted>,
}

impl State {
    /// The failure that this call meets. It is counted.
    fn failure(&mut self, call: &ChatCall) -> Option<Failure> {
        let meets = |failure: &&mut Failure| failure.meets(call.kind, &call.channel, &call.body);
        let failure = self.failures.iter_mut().find(meets)?;
        failure.times -= 1;
        Some(failure.clone())
    }
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
    /// What a call does, and the channel or chat that it is about.
    fn kind(method: &str, body: &Value) -> (Kind, String);
    /// The answer of this failure; `None` if the platform has no such error.
    fn error(failure: &Failure) -> Option<Wire>;
    /// The rates of messages to this channel.
    fn rates(channel: &str) -> Vec<Window>;
    /// Whether a call of this kind counts towards the rates.
    fn counts(kind: Kind) -> bool {
        matches!(kind, Kind::Card | Kind::Text | Kind::Receipt)
    }
    /// The answer to a message that is too much.
    fn too_many(after: Duration) -> Wire;
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
            away: BTreeSet::new(),
            failures: Vec::new(),
            accepted: None,
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

    pub fn put_away(&self, id: &str) {
        lock(&self.state).away.insert(id.to_owned());
    }

    pub fn set_mode(&self, mode: ChatMode) {
        lock(&self.state).mode = mode;
    }

    pub fn fail<A: Api>(&self, failure: Failure) {
        let known = failure.mode.is_some() || A::error(&failure).is_some();
        assert!(known, "{failure:?} is unknown");
        lock(&self.state).failures.push(failure);
    }

    pub fn keep_rates(&self) {
        lock(&self.state).accepted = Some(Accepted::default());
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
    let bytes = request.into_body().collect().await?.to_bytes();
    let body: Value = match &bytes[..] {
        b"" => Value::Null,
        _ if takes_none => return Err("a body where none belongs".into()),
        body => serde_json::from_slice(body)?,
    };
    let (kind, channel) = A::kind(&method, &body);
    let call = ChatCall {
        method,
        token,
        body,
        kind,
        channel,
        at: Instant::now(),
    };
    let (mode, wire) = answered::<A>(&call, &mut lock(&state));
    match mode {
        ChatMode::Hang => std::future::pending().await,
        ChatMode::Reset | ChatMode::ResetOnce | ChatMode::ResetThenRefuse => {
            return Err("reset".into());
        }
        _ => {}
    }
    let Wire {
        status,
        headers,
        body,
    } = wire;
    let response = headers
        .into_iter()
        .fold(Response::builder().status(status), |response, header| {
            response.header(header.0, header.1)
        });
    if mode == ChatMode::Half {
        let half = Bytes::from(body.clone()).slice(..body.len() / 2);
        let pieces = [Ok(Frame::data(half)), Err("half".into())];
        let pieces = StreamBody::new(futures_util::stream::iter(pieces));
        let response = response.header("content-length", body.len());
        return Ok(response.body(pieces.boxed_unsync())?);
    }
    Ok(response.body(whole(body))?)
}

/// Notes the call and does what it asks; returns how the sample behaves and the answer.
fn answered<A: Api>(call: &ChatCall, state: &mut State) -> (ChatMode, Wire) {
    state.calls.push(call.clone());
    let failure = state.failure(call);
    let mode = failure.as_ref().and_then(|failure| failure.mode);
    let mode = mode
        .or_else(|| state.known.mode(&call.method))
        .unwrap_or(state.mode);
    let hangs = mode == ChatMode::Hang && failure.is_some();
    let error = failure
        .filter(|failure| failure.mode.is_none())
        .and_then(|failure| Some((failure.created, A::error(&failure)?)));
    if let Some((false, error)) = error {
        return (ChatMode::Up, error);
    }
    if let Some(accepted) = state.accepted.as_mut().filter(|_| A::counts(call.kind))
        && let Err(after) = accepted.accept(&A::rates(&call.channel), &call.token, &call.channel)
    {
        return (ChatMode::Up, A::too_many(after));
    }
    let buttons = A::buttons(&call.body);
    let at = A::address(call, state);
    if let (Some((channel, message)), false) = (at.clone(), buttons.is_empty()) {
        state.cards.push(PostedCard {
            token: call.token.clone(),
            channel,
            message,
            buttons,
        });
    }
    if let Some((true, error)) = error {
        A::answer(call, state);
        return (ChatMode::Up, error);
    }
    let (status, answer) = match mode {
        ChatMode::Refuse => A::refusal(),
        ChatMode::RefuseCards if !A::buttons(&call.body).is_empty() => A::refusal(),
        ChatMode::Up
        | ChatMode::RefuseCards
        | ChatMode::ResetOnce
        | ChatMode::ResetThenRefuse
        | ChatMode::Html(_)
        | ChatMode::Half
        | ChatMode::Big(_) => A::answer(call, state),
        ChatMode::Status(status) => (status, "no".into()),
        ChatMode::Garbage => (200, Value::Null),
        // A platform that does not answer a single call has taken it.
        ChatMode::Hang if hangs => A::answer(call, state),
        ChatMode::Hang | ChatMode::Reset => (500, Value::Null),
    };
    state.stands(at, status, &answer);
    state.mode = match state.mode {
        ChatMode::ResetOnce => ChatMode::Up,
        ChatMode::ResetThenRefuse => ChatMode::Refuse,
        mode => mode,
    };
    let wire = match mode {
        ChatMode::Garbage => Wire::html(200, PAGE),
        ChatMode::Html(status) => Wire::html(status, PAGE),
        ChatMode::Big(bytes) => Wire::json(status, &padded(answer, bytes)),
        _ if status == 204 => Wire::html(status, ""),
        _ => Wire::json(status, &answer),
    };
    let wire = match A::header(state) {
        Some((name, value)) => wire.with(name, value),
        None => wire,
    };
    (mode, wire.with("retry-after", 1))
}

/// The answer with a member that makes it so long, in bytes.
fn padded(mut answer: Value, bytes: usize) -> Value {
    answer["padding"] = "".into();
    let padding = bytes.saturating_sub(answer.to_string().len());
    answer["padding"] = "x".repeat(padding).into();
    answer
}
