//! Notion's API. Each request must name the version that it was written for.

use super::asked::{Asked, answer};
use crate::Result;
use crate::server::{Body, json};
use http::Response;
use serde_json::{Value, json};

const USERS: [&str; 5] = ["ann", "ben", "cat", "dan", "eve"];

pub async fn respond(asked: &Asked<'_>) -> Result<Response<Body>> {
    let key = asked.authorized(&["bearer"]).unwrap_or_default();
    if !asked.knows(key) {
        return error(401, "unauthorized", "API token is invalid.");
    }
    if asked.header("notion-version").is_empty() {
        return error(
            400,
            "missing_version",
            "Notion-Version header failed validation: Notion-Version header should be defined, instead was `undefined`.",
        );
    }
    let (method, segments) = asked.route();
    match (method, segments.as_slice()) {
        ("GET", ["v1", "users", "me"]) => json(200, &user("bot")),
        ("GET", ["v1", "users"]) => {
            list(&asked.parameter("start_cursor").unwrap_or_default(), user)
        }
        ("POST", ["v1", "data_sources", _, "query"]) => list(
            asked.json()["start_cursor"].as_str().unwrap_or_default(),
            |name| json!({"object": "page", "id": name, "properties": {}}),
        ),
        ("POST", ["v1", "pages"]) if asked.json()["parent"].is_object() => {
            json(200, &json!({"object": "page", "id": "new"}))
        }
        ("POST", ["v1", "pages"]) => error(
            400,
            "validation_error",
            "body failed validation: body.parent should be defined, instead was `undefined`.",
        ),
        ("POST", ["v1", "file_uploads"]) => json(
            200,
            &json!({"object": "file_upload", "id": "up-1", "status": "pending",
                "upload_url": format!("{}/v1/file_uploads/up-1/send", asked.base)}),
        ),
        ("POST", ["v1", "file_uploads", id, "send"]) => match asked.file().await {
            Some(bytes) => json(
                200,
                &json!({"object": "file_upload", "id": id, "status": "uploaded", "content_length": bytes.len()}),
            ),
            None => error(400, "validation_error", "the request has no file"),
        },
        ("GET", ["v1", "pages", "busy"]) => {
            let body = body(429, "rate_limited", "You have been rate limited.");
            answer(429, &body, &[("retry-after", "60")])
        }
        _ => error(
            404,
            "object_not_found",
            "Could not find page with ID: missing. Make sure the relevant pages and databases are shared with your integration.",
        ),
    }
}

fn user(name: &str) -> Value {
    json!({"object": "user", "id": name, "type": "person", "name": name})
}

fn list(cursor: &str, item: impl Fn(&str) -> Value) -> Result<Response<Body>> {
    let (page, next) = Asked::from_cursor(cursor, &USERS);
    let results: Vec<Value> = page.into_iter().map(item).collect();
    json(
        200,
        &json!({"object": "list", "results": results, "has_more": next.is_some(), "next_cursor": next}),
    )
}

fn body(status: u16, code: &str, message: &str) -> Value {
    json!({"object": "error", "status": status, "code": code, "message": message, "request_id": "sample"})
}

fn error(status: u16, code: &str, message: &str) -> Result<Response<Body>> {
    json(status, &body(status, code, message))
}
