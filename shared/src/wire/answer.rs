//! Errors as callers see them, in one shape for every function.

use crate::error::Error;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

/// The header that distinguishes Postern's own errors from an upstream's responses.
pub const ERROR_HEADER: &str = "x-postern-error";

/// The body of an error.
pub fn error_body(error: &Error, request_id: &str) -> serde_json::Value {
    let mut body =
        json!({"code": error.code.as_str(), "message": error.message(), "request_id": request_id});
    if let Some(interaction) = error.interaction() {
        body["interaction_id"] = interaction.as_str().into();
    }
    json!({"error": body})
}

/// Status, headers and body of an error.
pub fn error_response(error: &Error, request_id: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(ERROR_HEADER, HeaderValue::from_static(error.code.as_str()));
    if let Some(seconds) = error.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    (
        error.code.status(),
        headers,
        error_body(error, request_id).to_string().into_bytes(),
    )
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
