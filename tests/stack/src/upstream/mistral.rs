//! Mistral's wire format: OpenAI's answers, with files and errors of its own.

use super::files::Dialect;
use super::script::CREATED;
use super::{Seen, State, files, lock, openai};
use crate::Result;
use crate::server::{Body, json, with};
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// A request of Mistral's API.
pub async fn answer(state: &Arc<State>, seen: &Seen) -> Result<Response<Body>> {
    match seen.header("authorization").strip_prefix("Bearer ") {
        Some(key) if state.accepts(key) => {}
        _ => return json(401, &json!({"detail": "Unauthorized"})),
    }
    let path = seen.path();
    match (seen.method.as_str(), path) {
        ("POST", "/v1/chat/completions") => openai::chat(state, &seen.json(), failed),
        ("GET", "/v1/models") => openai::models(),
        ("GET", "/v1/files") => listed(state, seen),
        ("POST", "/v1/files") => match files::parse(seen).await {
            Ok(upload) => {
                let id = files::keep(&state.files, upload.clone());
                json(200, &file(&id, &upload))
            }
            Err(error) => refused(422, &error.to_string()),
        },
        ("GET", _) if path.starts_with("/v1/files/") && path.ends_with("/content") => {
            files::content(&state.files, path, Dialect::OpenAi)
        }
        _ => refused(404, "no Route matched with those values"),
    }
}

fn file(id: &str, upload: &files::Upload) -> Value {
    json!({"id": id, "object": "file", "bytes": upload.bytes.len(), "created_at": CREATED, "filename": upload.name,
        "purpose": upload.purpose, "sample_type": "instruct", "source": "upload"})
}

fn listed(state: &State, seen: &Seen) -> Result<Response<Body>> {
    let number = |name, other| {
        seen.query(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(other)
    };
    let (page, size) = (number("page", 0), number("page_size", 100));
    let files = lock(&state.files);
    let data: Vec<Value> = (1..)
        .zip(files.iter())
        .skip(page * size)
        .take(size)
        .map(|(number, upload)| file(&format!("file-{number}"), upload))
        .collect();
    json(
        200,
        &json!({"data": data, "object": "list", "total": files.len()}),
    )
}

fn refused(status: u16, message: &str) -> Result<Response<Body>> {
    json(status, &json!({"object": "error", "message": message}))
}

fn failed(status: u16) -> Result<Response<Body>> {
    let (message, kind, code) = match status {
        400 => (
            "Prompt contains 9 tokens, too large for model with 8 maximum context length",
            "invalid_request_prompt",
            "3051",
        ),
        401 => return json(401, &json!({"detail": "Unauthorized"})),
        429 => ("Rate limit exceeded", "rate_limited", "1300"),
        _ => ("Internal server error", "internal_server_error", "1000"),
    };
    let response = json(
        status,
        &json!({"object": "error", "message": message, "type": kind, "param": null, "code": code}),
    )?;
    match status {
        429 => with(response, "retry-after", "1"),
        _ => Ok(response),
    }
}
