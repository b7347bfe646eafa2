//! An agent's callback address.

use crate::server::{Body, Server, whole};
use crate::{Result, lock};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// How the receiver behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiverMode {
    Up,
    Status(u16),
    /// Answers 503 with `retry-after` in seconds.
    Busy(u32),
    /// Reads the request and never answers.
    Hang,
    Redirect(String),
}

/// A delivery as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The `webhook-id`.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

struct State {
    received: Vec<Received>,
    mode: ReceiverMode,
}

/// The running receiver.
pub struct Receiver {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    /// Starts on any free port of this loopback address.
    pub async fn start_on(address: [u8; 4]) -> Result<Self> {
        let state = Arc::new(Mutex::new(State {
            received: Vec::new(),
            mode: ReceiverMode::Up,
        }));
        let shared = Arc::clone(&state);
        let answer = move |request| answer(Arc::clone(&shared), request);
        let server = Server::start((address, 0).into(), answer).await?;
        Ok(Self { server, state })
    }

    pub fn url(&self) -> String {
        format!("{}/callback", self.server.url())
    }

    pub fn received(&self) -> Vec<Received> {
        lock(&self.state).received.clone()
    }

    pub fn set_mode(&self, mode: ReceiverMode) {
        lock(&self.state).mode = mode;
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes().to_vec();
    let mode = {
        let mut state = lock(&state);
        let headers = parts.headers;
        state.received.push(Received { headers, body });
        state.mode.clone()
    };
    let mut response = Response::builder();
    response = match mode {
        ReceiverMode::Up => response.status(204),
        ReceiverMode::Status(status) => response.status(status),
        ReceiverMode::Busy(seconds) => response.status(503).header("retry-after", seconds),
        ReceiverMode::Hang => std::future::pending().await,
        ReceiverMode::Redirect(to) => response.status(307).header("location", to),
    };
    Ok(response.body(whole(""))?)
}
