//! OpenAI's wire format: chat completions, their streams and their errors.

use super::pieces::events;
use super::script::{ARGUMENTS, CREATED, Script, endless, words};
use super::{Dialect, Seen, State, files};
use crate::Result;
use crate::server::{Body, json};
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
        ("POST", "/v1/chat/completions") => chat(state, &seen.json()),
        ("GET", "/v1/models") => models(),
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

pub fn chat(state: &Arc<State>, body: &Value) -> Result<Response<Body>> {
    let model = body["model"].as_str().unwrap_or("sample");
    let tool = body["tools"][0]["function"]["name"].as_str();
    match (
        Script::of(model, tool, result(body)),
        body["stream"] == true,
    ) {
        (Script::TooMany, _) => too_many(),
        (Script::BadRequest, _) => bad_request(),
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

fn too_many() -> Result<Response<Body>> {
    let mut response = json(
        429,
        &json!({"error": {"message": "Rate limit reached for requests", "type": "requests", "param": null, "code": "rate_limit_exceeded"}}),
    )?;
    let headers = response.headers_mut();
    headers.insert("retry-after", "1".parse()?);
    headers.insert("retry-after-ms", "1000".parse()?);
    headers.insert("x-ratelimit-remaining-requests", "0".parse()?);
    headers.insert("x-request-id", "req_sample_429".parse()?);
    Ok(response)
}

fn bad_request() -> Result<Response<Body>> {
    let mut response = json(
        400,
        &json!({"error": {"message": "This model's maximum context length is 8 tokens.", "type": "invalid_request_error",
            "param": "messages", "code": "context_length_exceeded"}}),
    )?;
    response
        .headers_mut()
        .insert("x-request-id", "req_sample_400".parse()?);
    Ok(response)
}
