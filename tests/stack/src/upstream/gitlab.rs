//! GitLab's REST API, version 4.

use super::asked::{Asked, answer};
use crate::Result;
use crate::event::decode;
use crate::server::{Body, json};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::Response;
use serde_json::{Value, json};

/// How many issues the sample project has.
const ISSUES: u64 = 5;

pub async fn respond(asked: &Asked<'_>) -> Result<Response<Body>> {
    let places = [
        asked.header("private-token"),
        asked.header("job-token"),
        asked.authorized(&["bearer"]).unwrap_or_default(),
    ];
    if !places.iter().any(|key| !key.is_empty() && asked.knows(key)) {
        return json(401, &json!({"message": "401 Unauthorized"}));
    }
    let (method, segments) = asked.route();
    let Some(("api/v4", route)) = segments
        .split_at_checked(2)
        .map(|(version, route)| (version.join("/"), route))
        .as_ref()
        .map(|(version, route)| (version.as_str(), *route))
    else {
        return json(404, &json!({"error": "404 Not Found"}));
    };
    match (method, route) {
        ("GET", ["user"]) => json(
            200,
            &json!({"id": 1, "username": "sample", "web_url": format!("{}/sample", asked.base)}),
        ),
        ("GET", ["projects", "7" | "octo%2Fsample"]) => json(200, &project(asked)),
        ("GET", ["projects", "octo%2Fformer"]) => answer(
            302,
            &json!({"message": "Moved"}),
            &[("location", &format!("{}/api/v4/projects/7", asked.base))],
        ),
        ("GET", ["projects", "octo%2Fbusy"]) => answer(
            429,
            &json!({"message": {"error": "Too many requests. Please try again later."}}),
            &[("retry-after", "60"), ("ratelimit-remaining", "0")],
        ),
        ("GET", ["projects", "7", "issues"]) => {
            let (numbers, link) = asked.page(ISSUES);
            let issues: Vec<Value> = numbers.iter().map(|at| issue(*at, "An issue")).collect();
            let headers = [("link", link.as_str()), ("x-total", "5")];
            answer(200, &json!(issues), &headers)
        }
        ("POST", ["projects", "7", "issues"]) => match asked.json()["title"].as_str() {
            Some(title) if !title.is_empty() => json(201, &issue(ISSUES + 1, title)),
            _ => json(400, &json!({"message": {"title": ["can't be blank"]}})),
        },
        ("POST", ["projects", "7", "uploads"]) => uploaded(asked).await,
        ("POST", ["projects", "7", "repository", "files", file]) => put(asked, &decode(file)),
        ("GET", ["projects", "7", "repository", "files", file]) => got(asked, &decode(file)),
        ("GET", ["projects", _]) => json(404, &json!({"message": "404 Project Not Found"})),
        _ => json(404, &json!({"error": "404 Not Found"})),
    }
}

fn project(asked: &Asked<'_>) -> Value {
    json!({"id": 7, "path_with_namespace": "octo/sample", "default_branch": "main",
        "web_url": format!("{}/octo/sample", asked.base)})
}

fn issue(number: u64, title: &str) -> Value {
    json!({"id": 100 + number, "iid": number, "project_id": 7, "title": title, "state": "opened"})
}

async fn uploaded(asked: &Asked<'_>) -> Result<Response<Body>> {
    let Some(bytes) = asked.file().await else {
        return json(400, &json!({"error": "file is invalid"}));
    };
    json(
        201,
        &json!({"alt": bytes.len().to_string(), "url": "/uploads/1/file", "full_path": "/-/project/7/uploads/1/file",
            "markdown": "![file](/uploads/1/file)"}),
    )
}

fn put(asked: &Asked<'_>, file: &str) -> Result<Response<Body>> {
    let body = asked.json();
    let content = body["content"].as_str().unwrap_or_default();
    let bytes = if body["encoding"] == "base64" {
        STANDARD.decode(content)?
    } else {
        content.as_bytes().to_vec()
    };
    asked.keep(file, bytes.into());
    json(201, &json!({"file_path": file, "branch": body["branch"]}))
}

fn got(asked: &Asked<'_>, file: &str) -> Result<Response<Body>> {
    let Some(bytes) = asked.kept(file) else {
        return json(404, &json!({"message": "404 File Not Found"}));
    };
    json(
        200,
        &json!({"file_path": file, "file_name": file, "size": bytes.len(), "encoding": "base64",
            "content": STANDARD.encode(&bytes), "ref": "main"}),
    )
}
