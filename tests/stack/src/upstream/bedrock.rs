//! Amazon Bedrock's wire format: signed requests, conversations and their event streams, and raw invocations.

mod event_stream;
mod signature;

use super::pieces::binary_pieces;
use super::script::{Script, endless, words};
use super::{Seen, State, lock};
use crate::Result;
use crate::event::decode;
use crate::server::{Body, json, with};
use event_stream::event;
use http::Response;
use serde_json::json;
use signature::{Key, Refusal};
use std::sync::Arc;

/// The service that requests are signed for.
const SERVICE: &str = "bedrock";

/// A request of Bedrock's runtime API. The expected key is the JSON of an AWS key, or an API key of Bedrock's.
pub fn answer(state: &Arc<State>, seen: &Seen) -> Result<Response<Body>> {
    let expected = lock(&state.expected_key).clone().unwrap_or_default();
    if let Err(refusal) = signed(seen, &expected)? {
        return error(403, refusal.kind, &refusal.message);
    }
    let parts: Vec<&str> = seen.path().trim_start_matches('/').split('/').collect();
    let ("POST", ["model", model, call]) = (seen.method.as_str(), parts.as_slice()) else {
        return error(404, "UnknownOperationException", "");
    };
    let model = decode(model);
    match (Script::of(&model, None, None), *call) {
        (Script::Failed(status), _) => failed(status),
        (Script::Text(_), "invoke") => json(200, &json!({"model": model, "sent": seen.json()})),
        (Script::Text(text), "converse") => json(
            200,
            &json!({"output": {"message": {"role": "assistant", "content": [{"text": text}]}}, "stopReason": "end_turn",
                "usage": {"inputTokens": 1, "outputTokens": 6, "totalTokens": 7}, "metrics": {"latencyMs": 1}}),
        ),
        (Script::Text(text), "converse-stream") => stream(state, &words(&text)),
        (Script::Endless, "converse-stream") => stream(state, &endless()),
        _ => error(404, "UnknownOperationException", ""),
    }
}

/// Whether the request is signed with the expected key, or bears the expected API key.
fn signed(seen: &Seen, expected: &str) -> Result<std::result::Result<(), Refusal>> {
    let Some(bearer) = seen.header("authorization").strip_prefix("Bearer ") else {
        return Ok(signature::verify(seen, &Key::read(expected)?, SERVICE));
    };
    let message = "Authentication failed: Invalid API Key.";
    let refusal = || Refusal::new("AccessDeniedException", message);
    Ok((bearer == expected).then_some(()).ok_or_else(refusal))
}

fn stream(state: &Arc<State>, words: &[String]) -> Result<Response<Body>> {
    let mut events = vec![event("messageStart", &json!({"role": "assistant"}))];
    for word in words {
        let delta = json!({"contentBlockIndex": 0, "delta": {"text": word}});
        events.push(event("contentBlockDelta", &delta));
    }
    events.push(event("contentBlockStop", &json!({"contentBlockIndex": 0})));
    events.push(event("messageStop", &json!({"stopReason": "end_turn"})));
    let usage = json!({"usage": {"inputTokens": 1, "outputTokens": 6, "totalTokens": 7}, "metrics": {"latencyMs": 1}});
    events.push(event("metadata", &usage));
    binary_pieces(state, events, "application/vnd.amazon.eventstream")
}

fn error(status: u16, kind: &'static str, message: &str) -> Result<Response<Body>> {
    let response = json(status, &json!({"message": message}))?;
    with(response, "x-amzn-errortype", kind)
}

fn failed(status: u16) -> Result<Response<Body>> {
    match status {
        400 => error(
            400,
            "ValidationException",
            "Input is too long for requested model.",
        ),
        403 => error(
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
        ),
        429 => with(
            error(429, "ThrottlingException", "Too many requests")?,
            "retry-after",
            "1",
        ),
        _ => error(
            status,
            "InternalServerException",
            "The system encountered an unexpected error",
        ),
    }
}
