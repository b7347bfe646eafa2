//! The answer on its way back: streamed piece by piece, without the secret, with an honest end.

use crate::metric::{Metrics, millis};
use crate::outgoing::{Sent, without_hop_by_hop};
use crate::redact::{Cut, Redactor};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::header::{CONTENT_LENGTH, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use lambda_runtime::{MetadataPrelude, StreamResponse};
use postern::wire::answer::{ERROR_HEADER, error_response};
use postern::{AgentId, Error, OrganizationId};
use std::{
    pin::Pin,
    time::{Duration, Instant},
};

/// Why a stream did not end cleanly.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// A body as Lambda streams it.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;
pub type Response = StreamResponse<Body>;

fn answer(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    StreamResponse {
        metadata_prelude: MetadataPrelude {
            status_code: status,
            headers,
            cookies: Vec::new(),
        },
        stream: body,
    }
}

/// An answer of Postern's own.
pub fn whole(status: StatusCode, headers: HeaderMap, body: impl Into<Bytes>) -> Response {
    let body = body.into();
    answer(status, headers, Box::pin(stream::iter([Ok(body)])))
}

pub fn error(error: &Error, request_id: &str) -> Response {
    let (status, headers, body) = error_response(error, request_id);
    whole(status, headers, body)
}

/// What the one `proxied` line of a request says, and its metrics. Written when the body has ended,
/// however it did.
pub struct Proxied {
    pub metrics: Metrics,
    pub request_id: String,
    pub organization: Option<OrganizationId>,
    pub agent: AgentId,
    pub provider: String,
    pub host: String,
    pub method: String,
    pub status: u16,
    pub started: Instant,
    /// From `started` to sending.
    pub own: Duration,
    /// The part of `own` that waited for the database.
    pub database: Duration,
    pub sent_at: Instant,
    /// From `started` to the body's first piece.
    pub first_byte: Option<Duration>,
    pub bytes_in: usize,
    pub bytes_out: usize,
    pub ended: Ended,
}

/// How a request's answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    NoAnswer,
    ClientGone,
    UpstreamBroke,
    UpstreamIdle,
    Complete,
}

impl Ended {
    fn as_str(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::ClientGone => "client_gone",
            Self::UpstreamBroke => "upstream_broke",
            Self::UpstreamIdle => "upstream_idle",
            Self::Complete => "complete",
        }
    }
}

impl Proxied {
    /// The code of a body that the upstream did not finish.
    pub fn broken(&self) -> Option<&'static str> {
        match self.ended {
            Ended::UpstreamBroke | Ended::UpstreamIdle => Some(self.ended.as_str()),
            Ended::NoAnswer | Ended::ClientGone | Ended::Complete => None,
        }
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        tracing::info!(
            event = "proxied",
            request_id = self.request_id,
            organization_id = self.organization.as_ref().map(OrganizationId::as_str),
            agent_id = self.agent.as_str(),
            provider = self.provider,
            host = self.host,
            method = self.method,
            status = self.status,
            upstream_ms = millis(self.sent_at.elapsed()),
            own_ms = millis(self.own),
            database_ms = millis(self.database),
            first_byte_ms = self.first_byte.map(millis),
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            ended = self.ended.as_str(),
        );
        // An upstream that gave no answer is counted as the error that the client gets.
        if self.ended != Ended::NoAnswer {
            self.metrics.proxied(self);
        }
    }
}

/// The upstream's answer: its status, its headers but those that are not the client's, and its body
/// as it arrives.
///
/// # Errors
/// `upstream_unreachable` when it does not say which part of a body it sends.
pub fn forward(
    upstream: http::Response<hyper::body::Incoming>,
    sent: Sent,
    idle: Duration,
    line: Proxied,
) -> Result<Response, Error> {
    let (mut parts, body) = upstream.into_parts();
    // Also of a body that is said to be encoded: some servers say so of one that is not.
    let mut redactor = Redactor::new(&sent.injected);
    without_hop_by_hop(&mut parts.headers);
    parts.headers.remove(SET_COOKIE);
    parts.headers.remove(ERROR_HEADER);
    if let Some(redactor) = &redactor {
        redact_headers(&mut parts.headers, redactor);
    }
    if !body.is_end_stream() {
        // The length may change; the end of the stream says where the body ends.
        parts.headers.remove(CONTENT_LENGTH);
    }
    let partial = parts.status == StatusCode::PARTIAL_CONTENT;
    let mut cut = None;
    if let Some(asked) = sent.asked.filter(|_| partial) {
        cut = Some(asked.cut(&mut parts)?);
        redactor = redactor.map(Redactor::keeping_length);
    }
    let pieces = pieces(body, redactor, cut, idle, line);
    Ok(answer(parts.status, parts.headers, Box::pin(pieces)))
}

fn redact_headers(headers: &mut HeaderMap, redactor: &Redactor) {
    for value in headers.values_mut() {
        if let Some(clean) = redactor.whole(value.as_bytes()) {
            *value = HeaderValue::from_maybe_shared(clean)
                .unwrap_or(HeaderValue::from_static("[redacted]"));
        }
    }
}

struct Flow {
    body: hyper::body::Incoming,
    redactor: Option<Redactor>,
    cut: Option<Cut>,
    idle: Duration,
    line: Proxied,
    ended: bool,
}

fn pieces(
    body: hyper::body::Incoming,
    redactor: Option<Redactor>,
    cut: Option<Cut>,
    idle: Duration,
    mut line: Proxied,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    line.ended = Ended::ClientGone;
    let flow = Flow {
        body,
        redactor,
        cut,
        idle,
        line,
        ended: false,
    };
    stream::unfold(flow, |mut flow| async move {
        let piece = flow.next().await?;
        Some((piece, flow))
    })
    .filter(|piece| std::future::ready(!matches!(piece, Ok(bytes) if bytes.is_empty())))
}

impl Flow {
    async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        if self.ended {
            return None;
        }
        let mut piece = match tokio::time::timeout(self.idle, self.body.frame()).await {
            Ok(Some(Ok(frame))) => {
                let data = frame.into_data().unwrap_or_default();
                match &mut self.redactor {
                    Some(redactor) => redactor.piece(data),
                    None => data,
                }
            }
            Ok(Some(Err(error))) => {
                return Some(Err(self.broken(Ended::UpstreamBroke, error.into())));
            }
            Err(_) => {
                return Some(Err(self.broken(
                    Ended::UpstreamIdle,
                    "the upstream sent nothing for too long".into(),
                )));
            }
            Ok(None) => {
                self.ended = true;
                self.line.ended = Ended::Complete;
                self.redactor.as_mut().map(Redactor::end)?
            }
        };
        if let Some(cut) = &mut self.cut {
            piece = cut.piece(piece);
        }
        if self.line.first_byte.is_none() && !piece.is_empty() {
            self.line.first_byte = Some(self.line.started.elapsed());
        }
        self.line.bytes_out += piece.len();
        Some(Ok(piece))
    }

    fn broken(&mut self, how: Ended, error: BodyError) -> BodyError {
        self.ended = true;
        self.line.ended = how;
        error
    }
}
