//! No provider in particular: the sample takes a key in any place, and also answers in odd ways.

use super::files::Dialect;
use super::pieces::{End, FOREVER, large, pieces};
use super::{Seen, State, anthropic, files, gemini, lock, openai, reflect};
use crate::Result;
use crate::server::{Body, json, whole};
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// A request of any of the three.
pub async fn answer(state: &Arc<State>, seen: &Seen) -> Result<Response<Body>> {
    let Some(key) = key(seen) else {
        return json(
            401,
            &json!({"error": {"message": "You didn't provide an API key.", "type": "invalid_request_error"}}),
        );
    };
    if lock(&state.expected_key)
        .as_ref()
        .is_some_and(|expected| !key.contains(expected))
    {
        return json(
            401,
            &json!({"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}),
        );
    }
    respond(state, seen, &key).await
}

/// The credential, in any of the providers' places.
fn key(seen: &Seen) -> Option<String> {
    let header = |name: &str| seen.headers.get(name)?.to_str().ok().map(str::to_owned);
    let query = seen
        .path_and_query
        .split_once('?')
        .and_then(|(_, query)| query.split('&').find_map(|pair| pair.strip_prefix("key=")));
    let bot = seen
        .path_and_query
        .split('/')
        .find_map(|segment| segment.strip_prefix("bot"));
    header("authorization")
        .or_else(|| header("x-api-key"))
        .or_else(|| header("x-goog-api-key"))
        .or_else(|| header("private-token"))
        .or_else(|| header("api-key"))
        .or_else(|| header("dd-api-key"))
        .or_else(|| bot.map(str::to_owned))
        .or(query.map(str::to_owned))
}

async fn respond(state: &Arc<State>, seen: &Seen, key: &str) -> Result<Response<Body>> {
    let path = seen.path();
    let body = seen.json();
    let bare = key.strip_prefix("Bearer ").unwrap_or(key);
    let last = path.rsplit('/').next().unwrap_or_default();
    let dialect = if seen.headers.contains_key("anthropic-version") {
        Dialect::Anthropic
    } else {
        Dialect::OpenAi
    };
    if let Some(reflected) = reflect::answer(state, seen, bare, last) {
        return reflected;
    }
    match last {
        "completions" => openai::chat(state, &body, openai::failed),
        "messages" => anthropic::messages(state, &body),
        call if call.ends_with(":generateContent") => gemini::generate(call),
        "files" if seen.method == "POST" => files::upload(&state.files, seen, dialect).await,
        "content" if path.contains("/files/") => files::content(&state.files, path, dialect),
        "models" => openai::models(),
        "echo" => {
            let headers: Vec<Value> = seen
                .headers
                .iter()
                .map(|(name, value)| {
                    json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])
                })
                .collect();
            let mut response = json(
                200,
                &json!({"method": seen.method, "path": seen.path_and_query, "headers": headers}),
            )?;
            response
                .headers_mut()
                .insert("x-echo", format!("key {bare}").parse()?);
            Ok(response)
        }
        "answer-with" => {
            let mut response = json(200, &json!({}))?;
            for (name, value) in body.as_object().into_iter().flatten() {
                let name: http::HeaderName = name.parse()?;
                let value = value.as_str().unwrap_or_default().parse()?;
                response.headers_mut().insert(name, value);
            }
            Ok(response)
        }
        "split-echo" => {
            let (first, second) = bare.split_at(bare.len() / 2);
            pieces(
                state,
                200,
                vec![format!("before {first}"), format!("{second} after")],
                None,
            )
        }
        "429" | "500" | "404" if path.contains("/status/") => {
            let mut response = json(
                last.parse()?,
                &json!({"error": {"message": "sample", "type": "sample"}}),
            )?;
            response.headers_mut().insert("retry-after", "1".parse()?);
            response
                .headers_mut()
                .insert("x-request-id", "up-1".parse()?);
            Ok(response)
        }
        "redirect" => Ok(Response::builder()
            .status(302)
            .header("location", "https://elsewhere.example/")
            .body(whole(""))?),
        "compressed" => Ok(Response::builder()
            .header("content-encoding", "gzip")
            .body(whole(binary(4096)))?),
        "cookie" => Ok(Response::builder()
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .body(whole("ok"))?),
        "x-postern" => Ok(Response::builder()
            .header("x-postern-error", "fake")
            .header("keep-alive", "timeout=5")
            .body(whole("ok"))?),
        "no-content" => Ok(Response::builder().status(204).body(whole(""))?),
        "binary" => Ok(Response::builder()
            .header("content-type", "application/octet-stream")
            .body(whole(binary(1 << 20)))?),
        length if path.contains("/large/") => large(state, length.parse()?),
        "slow-headers" => {
            tokio::time::sleep(FOREVER).await;
            json(200, &json!({}))
        }
        "slow-body" => pieces(state, 200, vec!["first"], Some(End::Never)),
        "die" => pieces(state, 200, vec!["first"], Some(End::Breaks)),
        _ => dialect.error(404, "invalid_request_error", "no such sample"),
    }
}

/// Bytes that are not text and do not repeat.
pub fn binary(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0]
        })
        .collect()
}
