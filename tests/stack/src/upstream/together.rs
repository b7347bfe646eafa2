//! Together's wire format: OpenAI's, with a file that is already there. Uploads go to a store elsewhere.

use super::script::CREATED;
use super::{Seen, State, binary, openai};
use crate::Result;
use crate::server::{Body, json, whole};
use http::Response;
use serde_json::json;
use std::sync::Arc;

/// A request of Together's API.
pub fn answer(state: &Arc<State>, seen: &Seen) -> Result<Response<Body>> {
    match seen.header("authorization").strip_prefix("Bearer ") {
        Some(key) if state.accepts(key) => {}
        _ => {
            return json(
                401,
                &json!({"id": "sample", "error": {"message": "Invalid API key provided.", "type": "invalid_request_error",
                    "param": null, "code": "invalid_api_key"}}),
            );
        }
    }
    match (seen.method.as_str(), seen.path()) {
        ("POST", "/v1/chat/completions") => openai::chat(state, &seen.json(), openai::failed),
        ("GET", "/v1/files") => json(
            200,
            &json!({"data": [{"id": "file-sample", "object": "file", "bytes": 4096, "created_at": CREATED,
                "filename": "sample.jsonl", "purpose": "fine-tune", "FileType": "jsonl", "Processed": true}]}),
        ),
        ("GET", "/v1/files/file-sample/content") => Ok(Response::new(whole(binary(4096)))),
        _ => openai::error(404, "invalid_request_error", "Not found"),
    }
}
