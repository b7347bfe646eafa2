//! Gemini's wire format, for plain answers only.

use super::script::GREETING;
use crate::Result;
use crate::server::{Body, json};
use http::Response;
use serde_json::json;

/// `call` is the path's last segment, `{model}:generateContent`.
pub fn generate(call: &str) -> Result<Response<Body>> {
    let model = call.split(':').next().unwrap_or_default();
    json(
        200,
        &json!({"candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": GREETING}]}}],
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 6, "totalTokenCount": 7}, "modelVersion": model}),
    )
}
