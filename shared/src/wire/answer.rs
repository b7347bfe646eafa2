//! Answers: JSON, and errors in one shape for every function.

use crate::error::Error;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The header that distinguishes Postern's own errors from an upstream's responses.
pub const ERROR_HEADER: &str = "x-postern-error";

/// The body of an error.
pub fn error_body(error: &Error, request_id: &str) -> Value {
    let mut body =
        json!({"code": error.code.as_str(), "message": error.message(), "request_id": request_id});
    if let Some(interaction) = error.interaction() {
        body["interaction_id"] = interaction.as_str().into();
    }
    json!({"error": body})
}

/// An answer with a JSON body.
pub fn json(status: StatusCode, body: &Value) -> Response<String> {
    let mut answer = Response::new(body.to_string());
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

/// The answer that an error is.
pub fn error_response(error: &Error, request_id: &str) -> Response<String> {
    let mut answer = json(error.code.status(), &error_body(error, request_id));
    let headers = answer.headers_mut();
    headers.insert(ERROR_HEADER, HeaderValue::from_static(error.code.as_str()));
    if let Some(seconds) = error.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// A time as answers write it (RFC 3339). Empty after the year 9999, which the format cannot write.
pub fn rfc3339(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

/// Logs one line for a failed request: 5xx at ERROR, the rest at INFO.
pub fn log_error(error: &Error, request_id: &str) {
    let cause = error.cause().unwrap_or_default();
    let code = error.code.as_str();
    let message = error.logged();
    if error.code.status().is_server_error() {
        tracing::error!(event = "error", request_id, code, cause, "{message}");
    } else {
        tracing::info!(event = "refused", request_id, code, cause, "{message}");
    }
}
