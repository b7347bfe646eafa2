//! Azure OpenAI's wire format: OpenAI's below a deployment, with a key header and a version of its own.

use super::{Seen, State, openai};
use crate::Result;
use crate::server::{Body, json};
use http::Response;
use serde_json::json;
use std::sync::Arc;

/// A request of Azure OpenAI's API.
pub fn answer(state: &Arc<State>, seen: &Seen) -> Result<Response<Body>> {
    if !state.accepts(seen.header("api-key")) {
        return error(
            401,
            "Access denied due to invalid subscription key or wrong API endpoint.",
        );
    }
    // The real one says no more than this about a missing version.
    if seen
        .query("api-version")
        .is_none_or(|version| version.is_empty())
    {
        return error(404, "Resource not found");
    }
    let deployment = seen.path().strip_prefix("/openai/deployments/");
    match deployment.and_then(|rest| rest.split_once('/')) {
        Some((model, "chat/completions")) if seen.method == "POST" => {
            let mut body = seen.json();
            body["model"] = model.into();
            openai::chat(state, &body, openai::failed)
        }
        _ => error(404, "Resource not found"),
    }
}

fn error(status: u16, message: &str) -> Result<Response<Body>> {
    json(
        status,
        &json!({"error": {"code": status.to_string(), "message": message}}),
    )
}
