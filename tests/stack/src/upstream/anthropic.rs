//! Anthropic's wire format: messages, their streams and their errors.

use super::pieces::events;
use super::script::{ARGUMENTS, Script, endless, words};
use super::{Dialect, Seen, State, files};
use crate::Result;
use crate::server::{Body, json};
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// A request of Anthropic's API.
pub async fn answer(state: &Arc<State>, seen: &Seen) -> Result<Response<Body>> {
    let bearer = seen.header("authorization").strip_prefix("Bearer ");
    match (seen.header("x-api-key"), bearer) {
        ("", None) => return error(401, "authentication_error", "x-api-key header is required"),
        ("", Some(key)) | (key, None) if state.accepts(key) => {}
        (_, None) => return error(401, "authentication_error", "invalid x-api-key"),
        (_, Some(_)) => return error(401, "authentication_error", "Invalid bearer token"),
    }
    if seen.header("anthropic-version").is_empty() {
        return error(
            400,
            "invalid_request_error",
            "anthropic-version: header is required",
        );
    }
    let path = seen.path();
    match (seen.method.as_str(), path) {
        ("POST", "/v1/messages") => messages(state, &seen.json()),
        ("POST", "/v1/files") => files::upload(&state.files, seen, Dialect::Anthropic).await,
        ("GET", _) if path.starts_with("/v1/files/") && path.ends_with("/content") => {
            files::content(&state.files, path, Dialect::Anthropic)
        }
        _ => error(404, "not_found_error", "Not found"),
    }
}

pub fn messages(state: &Arc<State>, body: &Value) -> Result<Response<Body>> {
    let model = body["model"].as_str().unwrap_or("sample");
    let tool = body["tools"][0]["name"].as_str();
    match (
        Script::of(model, tool, result(body)),
        body["stream"] == true,
    ) {
        (Script::TooMany, _) => too_many(),
        (Script::BadRequest, _) => refused(
            400,
            "req_sample_400",
            "invalid_request_error",
            "prompt is too long: 9 tokens > 8 maximum",
        ),
        (Script::Endless, _) => events(state, text_events(model, &endless())),
        (Script::Text(text), true) => events(state, text_events(model, &words(&text))),
        (Script::Text(text), false) => {
            message(model, &json!({"type": "text", "text": text}), "end_turn")
        }
        (Script::ToolCall(tool), true) => events(state, tool_events(model, &tool)),
        (Script::ToolCall(tool), false) => {
            let input: Value = serde_json::from_str(&ARGUMENTS.concat())?;
            message(
                model,
                &json!({"type": "tool_use", "id": "toolu_sample", "name": tool, "input": input}),
                "tool_use",
            )
        }
    }
}

/// A tool's answer, if the conversation ends with one.
fn result(body: &Value) -> Option<String> {
    let last = body["messages"].as_array()?.last()?;
    let block = last["content"]
        .as_array()?
        .iter()
        .find(|block| block["type"] == "tool_result" && block["tool_use_id"] == "toolu_sample")?;
    let content = &block["content"];
    let text = content.as_str().or_else(|| content[0]["text"].as_str());
    Some(text.unwrap_or_default().to_owned())
}

fn message(model: &str, block: &Value, stop: &str) -> Result<Response<Body>> {
    json(
        200,
        &json!({"id": "msg_sample", "type": "message", "role": "assistant", "model": model,
            "content": [block], "stop_reason": stop, "stop_sequence": null,
            "usage": {"input_tokens": 1, "output_tokens": 6}}),
    )
}

fn event(data: &Value) -> String {
    let kind = data["type"].as_str().unwrap_or_default();
    format!("event: {kind}\ndata: {data}\n\n")
}

/// The events of a message with one block, which is sent in these deltas.
fn block_events(
    model: &str,
    block: &Value,
    deltas: impl Iterator<Item = Value>,
    stop: &str,
) -> Vec<String> {
    let message = json!({"id": "msg_sample", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}});
    let start = [
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
    ];
    let deltas =
        deltas.map(|delta| json!({"type": "content_block_delta", "index": 0, "delta": delta}));
    let end = [
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": null}, "usage": {"output_tokens": 6}}),
        json!({"type": "message_stop"}),
    ];
    start
        .into_iter()
        .chain(deltas)
        .chain(end)
        .map(|data| event(&data))
        .collect()
}

fn text_events(model: &str, words: &[String]) -> Vec<String> {
    let deltas = words
        .iter()
        .map(|word| json!({"type": "text_delta", "text": word}));
    block_events(
        model,
        &json!({"type": "text", "text": ""}),
        deltas,
        "end_turn",
    )
}

fn tool_events(model: &str, tool: &str) -> Vec<String> {
    let deltas = ARGUMENTS
        .iter()
        .map(|part| json!({"type": "input_json_delta", "partial_json": part}));
    block_events(
        model,
        &json!({"type": "tool_use", "id": "toolu_sample", "name": tool, "input": {}}),
        deltas,
        "tool_use",
    )
}

pub fn error(status: u16, kind: &str, message: &str) -> Result<Response<Body>> {
    refused(status, "req_sample", kind, message)
}

fn refused(status: u16, id: &str, kind: &str, message: &str) -> Result<Response<Body>> {
    let mut response = json(
        status,
        &json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": id}),
    )?;
    response.headers_mut().insert("request-id", id.parse()?);
    Ok(response)
}

fn too_many() -> Result<Response<Body>> {
    let mut response = refused(
        429,
        "req_sample_429",
        "rate_limit_error",
        "This request would exceed your organization's rate limit.",
    )?;
    let headers = response.headers_mut();
    headers.insert("retry-after", "1".parse()?);
    headers.insert("anthropic-ratelimit-requests-remaining", "0".parse()?);
    headers.insert("x-request-id", "req_sample_429".parse()?);
    Ok(response)
}
