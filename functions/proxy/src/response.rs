//! The answer on its way back: streamed piece by piece, without the secret, with an honest end.

use crate::outgoing::{Sent, without_hop_by_hop};
use crate::record::{Ended, Proxied};
use crate::redact::{Cut, Redactor};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::header::{CONTENT_LENGTH, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use lambda_runtime::{MetadataPrelude, StreamResponse};
use postern::Error;
use postern::wire::answer::{ERROR_HEADER, error_response};
use std::{pin::Pin, time::Duration};

/// Why a stream did not end cleanly.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// A body as Lambda streams it.
pub(crate) type Body = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;
/// An answer as Lambda streams it.
pub(crate) type Response = StreamResponse<Body>;

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
pub(crate) fn whole(whole: http::Response<String>) -> Response {
    let (parts, body) = whole.into_parts();
    let body = stream::iter([Ok(Bytes::from(body))]);
    answer(parts.status, parts.headers, Box::pin(body))
}

/// The answer that an error is.
pub(crate) fn error(error: &Error, request_id: &str) -> Response {
    whole(error_response(error, request_id))
}

/// The upstream's answer: its status, its headers but those that are not the client's, and its body
/// as it arrives.
///
/// # Errors
/// `upstream_unreachable` when it does not say which part of a body it sends.
pub(crate) fn forward(
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
        self.line.piece(piece.len());
        Some(Ok(piece))
    }

    fn broken(&mut self, how: Ended, error: BodyError) -> BodyError {
        self.ended = true;
        self.line.ended = how;
        error
    }
}
