//! Slack's Web API. An error is a 200 that says `"ok": false`. Files go to an address that needs no token.

use super::asked::{Asked, answer};
use crate::Result;
use crate::server::{Body, json, whole};
use http::Response;
use serde_json::{Value, json};

const CHANNELS: [&str; 5] = ["C1", "C2", "C3", "C4", "C5"];

pub fn respond(asked: &Asked<'_>) -> Result<Response<Body>> {
    let argument = |name: &str| {
        let of_json = asked.json()[name].as_str().map(str::to_owned);
        of_json
            .or_else(|| asked.field(name))
            .or_else(|| asked.parameter(name))
            .unwrap_or_default()
    };
    let key = match asked.authorized(&["bearer"]) {
        Some(key) => key.to_owned(),
        None => asked.field("token").unwrap_or_default(),
    };
    if key.is_empty() {
        return refused("not_authed");
    }
    if !asked.knows(&key) {
        return refused("invalid_auth");
    }
    let Some(call) = asked.path.strip_prefix("api/") else {
        return Ok(Response::builder().status(404).body(whole("not found"))?);
    };
    match call {
        "auth.test" => ok(json!({"team": "Sample", "user_id": "U1", "bot_id": "B1"})),
        "chat.postMessage" if argument("channel") == "C-missing" => refused("channel_not_found"),
        "chat.postMessage" if argument("channel") == "C-busy" => answer(
            429,
            &json!({"ok": false, "error": "ratelimited"}),
            &[("retry-after", "60")],
        ),
        "chat.postMessage" => ok(
            json!({"channel": argument("channel"), "ts": "1700000000.000100", "message": {"text": argument("text")}}),
        ),
        "conversations.list" => {
            let (page, next) = Asked::from_cursor(&argument("cursor"), &CHANNELS);
            let channels: Vec<Value> = page.iter().map(|id| json!({"id": id})).collect();
            ok(
                json!({"channels": channels, "response_metadata": {"next_cursor": next.unwrap_or_default()}}),
            )
        }
        "files.getUploadURLExternal" => {
            ok(json!({"file_id": "F1", "upload_url": format!("{}/sample/upload", asked.base)}))
        }
        "files.completeUploadExternal" => {
            let size = asked.kept("upload").map(|file| file.len());
            ok(json!({"files": [{"id": "F1", "title": "file", "size": size}]}))
        }
        _ => refused("unknown_method"),
    }
}

/// Takes a file, raw or as multipart, as another host of Slack's does. Its secret address is all that proves
/// who sends it.
pub async fn uploaded(asked: &Asked<'_>) -> Result<Response<Body>> {
    let file = asked.file().await;
    let file = file.unwrap_or_else(|| asked.seen.body.clone());
    let said = format!("OK - {}", file.len());
    asked.keep("upload", file);
    Ok(Response::builder().body(whole(said))?)
}

fn ok(mut body: Value) -> Result<Response<Body>> {
    body["ok"] = true.into();
    json(200, &body)
}

fn refused(error: &str) -> Result<Response<Body>> {
    json(200, &json!({"ok": false, "error": error}))
}
