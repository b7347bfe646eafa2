//! A sample provider that speaks like OpenAI, Anthropic and Gemini, and remembers its requests.

mod anthropic;
mod asked;
mod azure;
mod bedrock;
mod cohere;
mod files;
mod gemini;
mod git;
mod github;
mod gitlab;
mod groq;
mod mistral;
mod notion;
mod openai;
mod pieces;
mod reflect;
mod role;
mod script;
mod slack_api;
mod stripe;
mod together;

use crate::event::decode;
use crate::server::{Body, LOOPBACK, Server, json, whole};
use crate::{Result, lock};
use asked::Asked;
use bytes::Bytes;
use files::Files;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pieces::{End, FOREVER, large, pieces};
use role::Role;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::watch;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or_default()
    }

    /// A header's value, if it is text; empty if there is none.
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// A query parameter as servers read it.
    fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.path_and_query.split_once('?')?;
        let value = query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(decode(value))
    }

    /// The body as JSON; null if it is none.
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    expected_key: Mutex<Option<String>>,
    active: AtomicUsize,
    /// Whether streams stop after their first piece.
    hold_streams: watch::Sender<bool>,
    files: Files,
    /// Gemini's unfinished uploads.
    sessions: gemini::Sessions,
    /// The files that clients sent, by name.
    kept: Mutex<HashMap<String, Bytes>>,
    /// The folder of git's repositories.
    repositories: Mutex<Option<PathBuf>>,
}

impl State {
    /// Whether this is the expected key, or any will do.
    fn accepts(&self, key: &str) -> bool {
        let expected = lock(&self.expected_key);
        expected.as_ref().is_none_or(|expected| key == expected)
    }
}

/// The running sample.
pub struct Upstream {
    server: Server,
    state: Arc<State>,
}

impl Upstream {
    /// A sample that takes a key in any place, and answers each provider's requests.
    pub async fn start() -> Result<Self> {
        Self::start_as(Role::Any).await
    }

    /// A sample that plays the provider of this slug, and is as strict.
    pub async fn playing(slug: &str) -> Result<Self> {
        Self::start_as(Role::of(slug)?).await
    }

    async fn start_as(role: Role) -> Result<Self> {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let server = Server::start(LOOPBACK, move |request| {
            answer(Arc::clone(&shared), role, request)
        })
        .await?;
        Ok(Self { server, state })
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    pub fn clear(&self) {
        lock(&self.state.seen).clear();
    }

    /// From now on, only this key is accepted.
    pub fn set_expected_key(&self, key: Option<String>) {
        *lock(&self.state.expected_key) = key;
    }

    /// From now on, git's repositories in this folder are served.
    pub fn serve_repositories(&self, folder: PathBuf) {
        *lock(&self.state.repositories) = Some(folder);
    }

    /// Holds streams after their first piece, or releases them.
    pub fn hold_streams(&self, hold: bool) {
        self.state.hold_streams.send_replace(hold);
    }

    /// How many streams are being sent.
    pub fn active_streams(&self) -> usize {
        self.state.active.load(Ordering::SeqCst)
    }
}

async fn answer(
    state: Arc<State>,
    role: Role,
    request: Request<Incoming>,
) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path_and_query = parts
        .uri
        .path_and_query()
        .map_or("/", |own| own.as_str())
        .to_owned();
    let seen = Seen {
        method: parts.method.to_string(),
        path_and_query,
        headers: parts.headers,
        body,
    };
    // These routes are not the provider's, so they are not recorded.
    match seen.path_and_query.as_str() {
        "/sample/state" => {
            return json(200, &json!({"active": state.active.load(Ordering::SeqCst)}));
        }
        "/sample/upload" => return slack_api::uploaded(&Asked::new(&state, &seen)).await,
        _ => {}
    }
    lock(&state.seen).push(seen.clone());
    role.answer(&state, &seen).await
}

/// As no provider in particular.
async fn any(state: &Arc<State>, seen: &Seen) -> Result<Response<Body>> {
    let Some(key) = key(seen) else {
        return json(
            401,
            &json!({"error": {"message": "You didn't provide an API key.", "type": "invalid_request_error"}}),
        );
    };
    if lock(&state.expected_key)
        .as_ref()
        .is_some_and(|expected| !key.contains(expected))
    {
        return json(
            401,
            &json!({"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}),
        );
    }
    respond(state, seen, &key).await
}

/// The credential, in any of the providers' places.
fn key(seen: &Seen) -> Option<String> {
    let header = |name: &str| seen.headers.get(name)?.to_str().ok().map(str::to_owned);
    let query = seen
        .path_and_query
        .split_once('?')
        .and_then(|(_, query)| query.split('&').find_map(|pair| pair.strip_prefix("key=")));
    let bot = seen
        .path_and_query
        .split('/')
        .find_map(|segment| segment.strip_prefix("bot"));
    header("authorization")
        .or_else(|| header("x-api-key"))
        .or_else(|| header("x-goog-api-key"))
        .or_else(|| header("private-token"))
        .or_else(|| header("api-key"))
        .or_else(|| header("dd-api-key"))
        .or_else(|| bot.map(str::to_owned))
        .or(query.map(str::to_owned))
}

/// A request's wire format, for paths that two providers share.
#[derive(Debug, Clone, Copy)]
enum Dialect {
    OpenAi,
    Anthropic,
}

impl Dialect {
    fn error(self, status: u16, kind: &str, message: &str) -> Result<Response<Body>> {
        match self {
            Self::OpenAi => openai::error(status, kind, message),
            Self::Anthropic => anthropic::error(status, kind, message),
        }
    }
}

async fn respond(state: &Arc<State>, seen: &Seen, key: &str) -> Result<Response<Body>> {
    let path = seen.path();
    let body = seen.json();
    let bare = key.strip_prefix("Bearer ").unwrap_or(key);
    let last = path.rsplit('/').next().unwrap_or_default();
    let dialect = if seen.headers.contains_key("anthropic-version") {
        Dialect::Anthropic
    } else {
        Dialect::OpenAi
    };
    if let Some(reflected) = reflect::answer(state, seen, bare, last) {
        return reflected;
    }
    match last {
        "completions" => openai::chat(state, &body, openai::failed),
        "messages" => anthropic::messages(state, &body),
        call if call.ends_with(":generateContent") => gemini::generate(call),
        "files" if seen.method == "POST" => files::upload(&state.files, seen, dialect).await,
        "content" if path.contains("/files/") => files::content(&state.files, path, dialect),
        "models" => openai::models(),
        "echo" => {
            let headers: Vec<Value> = seen
                .headers
                .iter()
                .map(|(name, value)| {
                    json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])
                })
                .collect();
            let mut response = json(
                200,
                &json!({"method": seen.method, "path": seen.path_and_query, "headers": headers}),
            )?;
            response
                .headers_mut()
                .insert("x-echo", format!("key {bare}").parse()?);
            Ok(response)
        }
        "answer-with" => {
            let mut response = json(200, &json!({}))?;
            for (name, value) in body.as_object().into_iter().flatten() {
                let name: http::HeaderName = name.parse()?;
                let value = value.as_str().unwrap_or_default().parse()?;
                response.headers_mut().insert(name, value);
            }
            Ok(response)
        }
        "split-echo" => {
            let (first, second) = bare.split_at(bare.len() / 2);
            pieces(
                state,
                200,
                vec![format!("before {first}"), format!("{second} after")],
                None,
            )
        }
        "429" | "500" | "404" if path.contains("/status/") => {
            let mut response = json(
                last.parse()?,
                &json!({"error": {"message": "sample", "type": "sample"}}),
            )?;
            response.headers_mut().insert("retry-after", "1".parse()?);
            response
                .headers_mut()
                .insert("x-request-id", "up-1".parse()?);
            Ok(response)
        }
        "redirect" => Ok(Response::builder()
            .status(302)
            .header("location", "https://elsewhere.example/")
            .body(whole(""))?),
        "compressed" => Ok(Response::builder()
            .header("content-encoding", "gzip")
            .body(whole(binary(4096)))?),
        "cookie" => Ok(Response::builder()
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .body(whole("ok"))?),
        "x-postern" => Ok(Response::builder()
            .header("x-postern-error", "fake")
            .header("keep-alive", "timeout=5")
            .body(whole("ok"))?),
        "no-content" => Ok(Response::builder().status(204).body(whole(""))?),
        "binary" => Ok(Response::builder()
            .header("content-type", "application/octet-stream")
            .body(whole(binary(1 << 20)))?),
        length if path.contains("/large/") => large(state, length.parse()?),
        "slow-headers" => {
            tokio::time::sleep(FOREVER).await;
            json(200, &json!({}))
        }
        "slow-body" => pieces(state, 200, vec!["first"], Some(End::Never)),
        "die" => pieces(state, 200, vec!["first"], Some(End::Breaks)),
        _ => dialect.error(404, "invalid_request_error", "no such sample"),
    }
}

/// Bytes that are not text and do not repeat.
pub fn binary(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0]
        })
        .collect()
}
