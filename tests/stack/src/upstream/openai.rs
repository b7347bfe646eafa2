//! OpenAI's wire format: chat completions, their streams and their errors.

use super::files::Dialect;
use super::pieces::events;
use super::script::{ARGUMENTS, CREATED, Script, endless, words};
use super::{Seen, State, files};
use crate::Result;
use crate::server::{Body, json, with};
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// A request of OpenAI's API.
pub async fn answer(state: &Arc<State>, seen: &Seen) -> Result<Response<Body>> {
    match seen.header("authorization").strip_prefix("Bearer ") {
        Some(key) if state.accepts(key) => {}
        Some(_) => return unauthorized("Incorrect API key provided.", Some("invalid_api_key")),
        None => return unauthorized("You didn't provide an API key.", None),
    }
    let path = seen.path();
    match (seen.method.as_str(), path) {
        ("POST", "/v1/chat/completions") => chat(state, &seen.json(), failed),
        ("GET", "/v1/models") => models(),
        ("GET", "/v1/files") => files::listed(&state.files, seen),
        ("POST", "/v1/files") => files::upload(&state.files, seen, Dialect::OpenAi).await,
        ("GET", _) if path.starts_with("/v1/files/") && path.ends_with("/content") => {
            files::content(&state.files, path, Dialect::OpenAi)
        }
        _ => error(404, "invalid_request_error", "Invalid URL"),
    }
}

fn unauthorized(message: &str, code: Option<&str>) -> Result<Response<Body>> {
    json(
        401,
        &json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": code}}),
    )
}

pub fn models() -> Result<Response<Body>> {
    json(
        200,
        &json!({"object": "list", "data": [{"id": "sample", "object": "model", "created": 1, "owned_by": "sample"}]}),
    )
}

/// A chat completion, as OpenAI and many others write it. Each has its own errors.
pub fn chat(
    state: &Arc<State>,
    body: &Value,
    failed: fn(u16) -> Result<Response<Body>>,
) -> Result<Response<Body>> {
    let model = body["model"].as_str().unwrap_or("sample");
    let tool = body["tools"][0]["function"]["name"].as_str();
    match (
        Script::of(model, tool, result(body)),
        body["stream"] == true,
    ) {
        (Script::Failed(status), _) => failed(status),
        (Script::Endless, _) => events(state, text_chunks(model, &endless())),
        (Script::Text(text), true) => events(state, text_chunks(model, &words(&text))),
        (Script::Text(text), false) => completion(
            model,
            &json!({"role": "assistant", "content": text}),
            "stop",
        ),
        (Script::ToolCall(tool), true) => events(state, tool_chunks(model, &tool)),
        (Script::ToolCall(tool), false) => {
            let call = json!({"id": "call_sample", "type": "function", "function": {"name": tool, "arguments": ARGUMENTS.concat()}});
            completion(
                model,
                &json!({"role": "assistant", "content": null, "tool_calls": [call]}),
                "tool_calls",
            )
        }
    }
}

/// A tool's answer, if the conversation ends with one.
fn result(body: &Value) -> Option<String> {
    let last = body["messages"].as_array()?.last()?;
    let text = last["content"].as_str().unwrap_or_default();
    (last["role"] == "tool" && last["tool_call_id"] == "call_sample").then(|| text.to_owned())
}

fn completion(model: &str, message: &Value, finish: &str) -> Result<Response<Body>> {
    json(
        200,
        &json!({"id": "chatcmpl-sample", "object": "chat.completion", "created": CREATED, "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 6, "total_tokens": 7}}),
    )
}

fn chunk(model: &str, delta: &Value, finish: Option<&str>) -> String {
    let event = json!({"id": "chatcmpl-sample", "object": "chat.completion.chunk", "created": CREATED, "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    format!("data: {event}\n\n")
}

fn ended(model: &str, finish: &str) -> [String; 2] {
    [
        chunk(model, &json!({}), Some(finish)),
        "data: [DONE]\n\n".to_owned(),
    ]
}

fn text_chunks(model: &str, words: &[String]) -> Vec<String> {
    let words = words
        .iter()
        .map(|word| chunk(model, &json!({"role": "assistant", "content": word}), None));
    words.chain(ended(model, "stop")).collect()
}

fn tool_chunks(model: &str, tool: &str) -> Vec<String> {
    let call = json!({"index": 0, "id": "call_sample", "type": "function", "function": {"name": tool, "arguments": ""}});
    let first = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let arguments = ARGUMENTS
        .map(|part| json!({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}));
    std::iter::once(first)
        .chain(arguments)
        .map(|delta| chunk(model, &delta, None))
        .chain(ended(model, "tool_calls"))
        .collect()
}

pub fn error(status: u16, kind: &str, message: &str) -> Result<Response<Body>> {
    json(
        status,
        &json!({"error": {"message": message, "type": kind}}),
    )
}

/// The errors that a model's name asks for.
pub fn failed(status: u16) -> Result<Response<Body>> {
    let error = match status {
        400 => {
            json!({"message": "This model's maximum context length is 8 tokens.", "type": "invalid_request_error",
                "param": "messages", "code": "context_length_exceeded"})
        }
        401 => {
            json!({"message": "Your organization must be verified.", "type": "invalid_request_error",
                "param": null, "code": "organization_unverified"})
        }
        429 => {
            json!({"message": "Rate limit reached for requests", "type": "requests", "param": null, "code": "rate_limit_exceeded"})
        }
        _ => {
            json!({"message": "The server had an error.", "type": "server_error", "param": null, "code": null})
        }
    };
    let id = format!("req_sample_{status}");
    let mut response = with(json(status, &json!({"error": error}))?, "x-request-id", &id)?;
    if status == 429 {
        for (name, value) in [
            ("retry-after", "1"),
            ("retry-after-ms", "1000"),
            ("x-ratelimit-remaining-requests", "0"),
        ] {
            response = with(response, name, value)?;
        }
    }
    Ok(response)
}
