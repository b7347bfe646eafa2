//! Anthropic's wire format: messages, their streams and their errors.

use super::files::Dialect;
use super::pieces::events;
use super::script::{ARGUMENTS, Script, endless, words};
use super::{Seen, State, files};
use crate::Result;
use crate::server::{Body, json, with};
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
        ("GET", "/v1/models") => models(seen),
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
        (Script::Failed(status), _) => failed(status),
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
    let error =
        json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": id});
    with(json(status, &error)?, "request-id", id)
}

/// The errors that a model's name asks for.
fn failed(status: u16) -> Result<Response<Body>> {
    let id = format!("req_sample_{status}");
    let (kind, message) = match status {
        400 => (
            "invalid_request_error",
            "prompt is too long: 9 tokens > 8 maximum",
        ),
        401 => (
            "authentication_error",
            "This organization has been disabled.",
        ),
        429 => (
            "rate_limit_error",
            "This request would exceed your organization's rate limit.",
        ),
        529 => ("overloaded_error", "Overloaded"),
        _ => ("api_error", "Internal server error"),
    };
    let mut response = refused(status, &id, kind, message)?;
    if status == 429 {
        for (name, value) in [
            ("retry-after", "1"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("x-request-id", &id),
        ] {
            response = with(response, name, value)?;
        }
    }
    Ok(response)
}

/// The models, a page at a time.
fn models(seen: &Seen) -> Result<Response<Body>> {
    let models = ["sample-a", "sample-b", "sample-c"];
    let limit = seen
        .query("limit")
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(20);
    let after = seen.query("after_id");
    let start = after
        .and_then(|after| models.iter().position(|model| *model == after))
        .map_or(0, |at| at + 1);
    let page: Vec<&str> = models.into_iter().skip(start).take(limit).collect();
    let data: Vec<Value> = page
        .iter()
        .map(|id| json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z"}))
        .collect();
    let has_more = start + page.len() < models.len();
    json(
        200,
        &json!({"data": data, "has_more": has_more, "first_id": page.first(), "last_id": page.last()}),
    )
}
