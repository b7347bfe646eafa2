//! A sample provider that plays one of many, or several at once, and remembers its requests.

mod anthropic;
mod any;
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

pub use any::binary;

use crate::event::decode;
use crate::server::{Body, LOOPBACK, Server, json};
use crate::{Result, lock};
use asked::Asked;
use bytes::Bytes;
use files::Files;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
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

    /// A header's value, or an empty text if it is missing or not text.
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

    /// The body as JSON, or null if it is not JSON.
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
