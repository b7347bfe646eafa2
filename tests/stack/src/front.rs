//! HTTP as API Gateway and a Function URL would serve it.

use crate::Result;
use crate::event::HttpRequest;
use crate::runtime_api::{Function, Invocation, StreamingInvocation};
use crate::server::{Body, Server, json, whole};
use futures_util::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// The longest that an HTTP API waits.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The running front.
pub struct Front(Server);

impl Front {
    pub async fn start(
        address: SocketAddr,
        proxy: Arc<Function>,
        webhooks: Arc<Function>,
    ) -> Result<Self> {
        let handle = move |request| route(Arc::clone(&proxy), Arc::clone(&webhooks), request);
        match Server::start(address, handle).await {
            Ok(server) => Ok(Self(server)),
            Err(error) => Err(format!("{error}; free the port, or use another with --port").into()),
        }
    }

    pub fn url(&self) -> String {
        self.0.url()
    }
}

async fn route(
    proxy: Arc<Function>,
    webhooks: Arc<Function>,
    request: Request<Incoming>,
) -> Result<Response<Body>> {
    let path = request.uri().path().to_owned();
    let event = event(request).await?;
    let of_webhooks = ["/v1/interactions", "/v1/grants", "/webhooks/"];
    if of_webhooks.iter().any(|prefix| path.starts_with(prefix)) {
        return buffered(webhooks.invoke(event, INTEGRATION_TIMEOUT).await?);
    }
    if path.contains("/api/proxy") || ["/health", "/v1/egress/decide"].contains(&path.as_str()) {
        return streamed(proxy.invoke_streaming(event).await?);
    }
    json(404, &json!({"message": "Not Found"}))
}

async fn event(request: Request<Incoming>) -> Result<Value> {
    let (parts, body) = request.into_parts();
    let mut own = HttpRequest::new(parts.method.as_str(), parts.uri.path());
    own.query = parts.uri.query().unwrap_or_default().to_owned();
    own.source_ip = "127.0.0.1".into();
    if let Some(host) = parts.headers.get(http::header::HOST) {
        own.domain = host.to_str()?.to_owned();
    }
    own.headers = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    // The gateway's own; a client's is not passed on.
    own.headers.retain(|(name, _)| name != "x-forwarded-proto");
    let own = own.header("x-forwarded-proto", "http");
    Ok(own.body(body.collect().await?.to_bytes().to_vec()).v2())
}

fn failed() -> Result<Response<Body>> {
    json(502, &json!({"message": "Internal Server Error"}))
}

fn head(prelude: &Value) -> http::response::Builder {
    let status = prelude["statusCode"]
        .as_u64()
        .and_then(|status| u16::try_from(status).ok())
        .unwrap_or(502);
    let mut response = Response::builder().status(status);
    for (name, value) in prelude["headers"].as_object().into_iter().flatten() {
        response = response.header(name, value.as_str().unwrap_or_default());
    }
    response
}

fn buffered(invocation: Invocation) -> Result<Response<Body>> {
    match invocation {
        Invocation::Ok(answer) => Ok(head(&answer).body(whole(
            answer["body"].as_str().unwrap_or_default().to_owned(),
        ))?),
        Invocation::Error { .. } => failed(),
    }
}

fn streamed(invocation: StreamingInvocation) -> Result<Response<Body>> {
    match invocation {
        StreamingInvocation::Response { prelude, body } => {
            let pieces = stream::unfold(body, |mut body| async move {
                let piece = body.next().await?;
                Some((piece.map(Frame::data), body))
            });
            Ok(head(&prelude).body(StreamBody::new(pieces).boxed_unsync())?)
        }
        StreamingInvocation::Error { .. } => failed(),
    }
}
