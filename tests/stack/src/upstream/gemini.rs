//! Gemini's wire format: content and its stream, models and files in pages, and resumable uploads.

mod uploads;

pub use uploads::Sessions;

use super::pieces::events;
use super::script::{GREETING, Script, endless, words};
use super::{Seen, State, files};
use crate::Result;
use crate::server::{Body, json, whole, with};
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// A request of Gemini's API.
pub fn answer(state: &Arc<State>, seen: &Seen) -> Result<Response<Body>> {
    let key = match seen.header("x-goog-api-key") {
        "" => seen.query("key").unwrap_or_default(),
        key => key.to_owned(),
    };
    if key.is_empty() {
        let message =
            "Method doesn't allow unregistered callers (callers without established identity).";
        return error(403, "PERMISSION_DENIED", message);
    }
    if !state.accepts(&key) {
        let message = "API key not valid. Please pass a valid API key.";
        return error(400, "INVALID_ARGUMENT", message);
    }
    let path = seen.path();
    // Clients may use any version.
    let version = |path: &str| ["v1", "v1beta"].contains(&path);
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (seen.method.as_str(), parts.as_slice()) {
        ("GET", [v, "models"]) if version(v) => {
            let models = ["sample-a", "sample-b", "sample-c"];
            let models =
                models.map(|id| json!({"name": format!("models/{id}"), "displayName": id}));
            page("models", &models, seen)
        }
        ("POST", [v, "models", call]) if version(v) => content(state, call, seen),
        ("POST", ["upload", v, "files"]) if version(v) => uploads::answer(state, seen),
        ("GET", [v, "files"]) if version(v) => page("files", &uploads::all(state), seen),
        ("GET", [v, "files", file]) if version(v) => match file.split_once(':') {
            Some((id, "download")) => match files::kept(&state.files, id) {
                Some(upload) => Ok(Response::new(whole(upload.bytes))),
                None => missing(),
            },
            _ => match files::kept(&state.files, file) {
                Some(upload) => json(200, &uploads::described(file, &upload)),
                None => missing(),
            },
        },
        _ => missing(),
    }
}

fn missing() -> Result<Response<Body>> {
    error(404, "NOT_FOUND", "Requested entity was not found.")
}

/// `call` is the path's last segment, such as `{model}:generateContent`.
fn content(state: &Arc<State>, call: &str, seen: &Seen) -> Result<Response<Body>> {
    let Some((model, method)) = call.split_once(':') else {
        return missing();
    };
    if seen.json()["contents"].as_array().is_none_or(Vec::is_empty) {
        return error(
            400,
            "INVALID_ARGUMENT",
            "* GenerateContentRequest.contents: contents is not specified",
        );
    }
    match (Script::of(model, None, None), method) {
        (Script::Failed(status), _) => failed(status),
        (Script::Text(text), "generateContent") => json(200, &answered(model, &text, true)),
        (Script::Text(text), "streamGenerateContent") => {
            events(state, chunks(model, &words(&text)))
        }
        (Script::Endless, "streamGenerateContent") => events(state, chunks(model, &endless())),
        _ => missing(),
    }
}

fn answered(model: &str, text: &str, ended: bool) -> Value {
    let mut answer = json!({
        "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 6, "totalTokenCount": 7}, "modelVersion": model});
    if ended {
        answer["candidates"][0]["finishReason"] = "STOP".into();
    }
    answer
}

fn chunks(model: &str, words: &[String]) -> Vec<String> {
    let last = words.len().saturating_sub(1);
    let chunk = |(at, word): (usize, &String)| {
        format!("data: {}\r\n\r\n", answered(model, word, at == last))
    };
    words.iter().enumerate().map(chunk).collect()
}

/// A page of a list. The token is the number of those before.
fn page(name: &str, all: &[Value], seen: &Seen) -> Result<Response<Body>> {
    let number = |name| seen.query(name)?.parse::<usize>().ok();
    let start = number("pageToken").unwrap_or(0);
    let size = number("pageSize").unwrap_or(50);
    let page: Vec<&Value> = all.iter().skip(start).take(size).collect();
    let end = start + page.len();
    let mut answer = json!({ name: page });
    if end < all.len() {
        answer["nextPageToken"] = end.to_string().into();
    }
    json(200, &answer)
}

fn error(status: u16, kind: &str, message: &str) -> Result<Response<Body>> {
    json(
        status,
        &json!({"error": {"code": status, "message": message, "status": kind}}),
    )
}

fn failed(status: u16) -> Result<Response<Body>> {
    match status {
        400 => error(
            400,
            "INVALID_ARGUMENT",
            "The input token count exceeds the maximum of 8.",
        ),
        401 => error(
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
        ),
        429 => with(
            error(
                429,
                "RESOURCE_EXHAUSTED",
                "You exceeded your current quota.",
            )?,
            "retry-after",
            "1",
        ),
        _ => error(status, "INTERNAL", "An internal error has occurred."),
    }
}

/// For a sample that plays no provider in particular.
pub fn generate(call: &str) -> Result<Response<Body>> {
    let model = call.split(':').next().unwrap_or_default();
    json(200, &answered(model, GREETING, true))
}
