//! The response on its way back: streamed piece by piece, without the secret, and visibly broken where it broke.

use crate::outgoing::{Sent, without_hop_by_hop};
use crate::record::{Ended, Proxied};
use crate::redact::{Cut, Redactor};
use crate::rewrite::Rewriter;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::header::{CONTENT_LENGTH, SET_COOKIE, UPGRADE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use lambda_runtime::{MetadataPrelude, StreamResponse};
use postern::Error;
use postern::wire::answer::{ERROR_HEADER, error_response};
use std::{
    pin::Pin,
    time::{Duration, Instant},
};

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

/// The answer that an error is. A 401 says by which challenges a client may send its credential: some wait for one.
pub(crate) fn error(error: &Error, challenges: &[HeaderValue], request_id: &str) -> Response {
    let mut answer = error_response(error, request_id);
    let headers = answer.headers_mut();
    if error.code.status() == StatusCode::UNAUTHORIZED {
        for challenge in challenges {
            headers.append(WWW_AUTHENTICATE, challenge.clone());
        }
    }
    if error.code.status() == StatusCode::UPGRADE_REQUIRED {
        headers.insert(UPGRADE, HeaderValue::from_static("HTTP/1.1"));
    }
    whole(answer)
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Between two pieces of its body.
    pub idle: Duration,
    /// When the whole must have ended.
    pub deadline: Option<Instant>,
}

impl Limits {
    /// How long the next piece may take, and how the answer ends if it takes longer.
    fn next(&self) -> (Duration, Ended) {
        let left = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if left < self.idle => (left, Ended::OutOfTime),
            Some(_) | None => (self.idle, Ended::UpstreamIdle),
        }
    }
}

/// The upstream's response: its status, the headers that are for the client, and its body as it arrives.
///
/// # Errors
/// `upstream_unreachable` when it does not say which part of a body it sends.
pub(crate) fn forward(
    upstream: http::Response<hyper::body::Incoming>,
    sent: Sent,
    rewriter: Option<&Rewriter<'_>>,
    limits: Limits,
    line: Proxied,
) -> Result<Response, Error> {
    let (mut parts, body) = upstream.into_parts();
    // Even where the body claims to be encoded: some servers claim it of a plain one.
    let mut redactor = Redactor::new(&sent.injected);
    without_hop_by_hop(&mut parts.headers);
    parts.headers.remove(SET_COOKIE);
    parts.headers.remove(ERROR_HEADER);
    if let Some(redactor) = &redactor {
        redact_headers(&mut parts.headers, redactor);
    }
    if let Some(rewriter) = rewriter {
        rewriter.headers(&mut parts.headers);
    }
    if !body.is_end_stream() {
        // Redaction may change the length. The end of the stream ends the body.
        parts.headers.remove(CONTENT_LENGTH);
    }
    let partial = parts.status == StatusCode::PARTIAL_CONTENT;
    let mut cut = None;
    if let Some(asked) = sent.asked.filter(|_| partial) {
        cut = Some(asked.cut(&mut parts)?);
        redactor = redactor.map(Redactor::keeping_length);
    }
    let pieces = pieces(body, redactor, cut, limits, line);
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
    limits: Limits,
    line: Proxied,
    ended: bool,
}

fn pieces(
    body: hyper::body::Incoming,
    redactor: Option<Redactor>,
    cut: Option<Cut>,
    limits: Limits,
    mut line: Proxied,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    line.ended = Ended::ClientGone;
    let flow = Flow {
        body,
        redactor,
        cut,
        limits,
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
        let (within, too_late) = self.limits.next();
        let mut piece = match tokio::time::timeout(within, self.body.frame()).await {
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
                let said = if too_late == Ended::OutOfTime {
                    "the answer took too long"
                } else {
                    "the upstream sent nothing for too long"
                };
                return Some(Err(self.broken(too_late, said.into())));
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
