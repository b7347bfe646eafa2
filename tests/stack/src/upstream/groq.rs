//! Groq's wire format: OpenAI's below `/openai`, and transcriptions.

use super::{Seen, State, files, openai};
use crate::Result;
use crate::server::{Body, json};
use http::Response;
use serde_json::json;
use std::sync::Arc;

/// A request of Groq's API.
pub async fn answer(state: &Arc<State>, seen: &Seen) -> Result<Response<Body>> {
    match seen.header("authorization").strip_prefix("Bearer ") {
        Some(key) if state.accepts(key) => {}
        _ => {
            return json(
                401,
                &json!({"error": {"message": "Invalid API Key", "type": "invalid_request_error", "code": "invalid_api_key"}}),
            );
        }
    }
    match (seen.method.as_str(), seen.path()) {
        ("POST", "/openai/v1/chat/completions") => {
            openai::chat(state, &seen.json(), openai::failed)
        }
        ("GET", "/openai/v1/models") => openai::models(),
        ("POST", "/openai/v1/audio/transcriptions") => match files::parse(seen).await {
            Ok(upload) => json(
                200,
                &json!({"text": format!("{} bytes", upload.bytes.len()), "x_groq": {"id": "req_sample"}}),
            ),
            Err(error) => openai::error(400, "invalid_request_error", &error.to_string()),
        },
        _ => openai::error(404, "invalid_request_error", "Unknown request URL"),
    }
}
