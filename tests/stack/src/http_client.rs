//! Plain HTTP requests, as `curl` would make them.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use postern_stack::Result;
use serde_json::Value;
use std::time::{Duration, Instant};

/// An answer.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// When each piece of the body arrived, counted from the sending of the request.
    pub pieces: Vec<Duration>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Sends one request on a connection of its own.
pub async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Result<Reply> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let sent = Instant::now();
    let response = client
        .request(request.body(Full::from(body.to_owned()))?)
        .await?;
    let (parts, mut incoming) = response.into_parts();
    let (mut body, mut pieces) = (Vec::new(), Vec::new());
    while let Some(frame) = incoming.frame().await {
        if let Ok(data) = frame?.into_data() {
            pieces.push(sent.elapsed());
            body.extend_from_slice(&data);
        }
    }
    Ok(Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.into(),
        pieces,
    })
}
