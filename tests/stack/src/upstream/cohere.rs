//! Cohere's wire format: chat of version 2, its events, models in pages, and datasets.

use super::pieces::events;
use super::script::{Script, endless, words};
use super::{Seen, State, files};
use crate::Result;
use crate::server::{Body, json, with};
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// A request of Cohere's API.
pub async fn answer(state: &Arc<State>, seen: &Seen) -> Result<Response<Body>> {
    match seen.header("authorization").strip_prefix("Bearer ") {
        Some(key) if state.accepts(key) => {}
        Some(_) => return refused(401, "invalid api token"),
        None => return refused(401, "no api key supplied"),
    }
    match (seen.method.as_str(), seen.path()) {
        ("POST", "/v2/chat") => chat(state, &seen.json()),
        ("GET", "/v1/models") => models(seen),
        ("POST", "/v1/datasets") => dataset(state, seen).await,
        _ => refused(404, "not found"),
    }
}

fn chat(state: &Arc<State>, body: &Value) -> Result<Response<Body>> {
    let model = body["model"].as_str().unwrap_or_default();
    match (Script::of(model, None, None), body["stream"] == true) {
        (Script::Failed(status), _) => failed(status),
        (Script::Endless, _) => events(state, chat_events(&endless())),
        (Script::Text(text), true) => events(state, chat_events(&words(&text))),
        (Script::Text(text), false) => json(
            200,
            &json!({"id": "chat-sample", "finish_reason": "COMPLETE",
                "message": {"role": "assistant", "content": [{"type": "text", "text": text}]},
                "usage": {"tokens": {"input_tokens": 1, "output_tokens": 6}}}),
        ),
        (Script::ToolCall(_), _) => refused(400, "the sample has no tools"),
    }
}

fn chat_events(words: &[String]) -> Vec<String> {
    let start = [
        json!({"type": "message-start", "id": "chat-sample", "delta": {"message": {"role": "assistant", "content": []}}}),
        json!({"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}}),
    ];
    let deltas = words.iter().map(
        |word| json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": word}}}}),
    );
    let end = [
        json!({"type": "content-end", "index": 0}),
        json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}),
    ];
    start
        .into_iter()
        .chain(deltas)
        .chain(end)
        .map(|data| {
            format!(
                "event: {}\ndata: {data}\n\n",
                data["type"].as_str().unwrap_or_default()
            )
        })
        .collect()
}

/// The models, a page at a time. The token is the number of those before.
fn models(seen: &Seen) -> Result<Response<Body>> {
    const MODELS: [&str; 3] = ["sample-a", "sample-b", "sample-c"];
    let number = |name| seen.query(name)?.parse::<f64>().ok();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small numbers, which the client writes as 2.0"
    )]
    let (start, size) = (
        number("page_token").unwrap_or(0.0) as usize,
        number("page_size").unwrap_or(20.0) as usize,
    );
    let page: Vec<Value> = MODELS
        .iter()
        .skip(start)
        .take(size)
        .map(|name| json!({"name": name, "endpoints": ["chat"]}))
        .collect();
    let end = start + page.len();
    let next = (end < MODELS.len()).then(|| end.to_string());
    json(200, &json!({"models": page, "next_page_token": next}))
}

async fn dataset(state: &State, seen: &Seen) -> Result<Response<Body>> {
    if seen.query("name").is_none() || seen.query("type").is_none() {
        return refused(400, "name and type are required");
    }
    match files::parse_part(seen, "data").await {
        Ok(upload) => json(200, &json!({"id": files::keep(&state.files, upload)})),
        Err(error) => refused(400, &error.to_string()),
    }
}

fn refused(status: u16, message: &str) -> Result<Response<Body>> {
    json(status, &json!({"id": "sample", "message": message}))
}

fn failed(status: u16) -> Result<Response<Body>> {
    match status {
        400 => refused(400, "too many tokens: 9 > 8"),
        401 => refused(401, "invalid api token"),
        429 => with(
            refused(429, "You are past the per minute request limit")?,
            "retry-after",
            "1",
        ),
        _ => refused(status, "internal server error"),
    }
}
