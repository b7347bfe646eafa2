//! GitHub's REST API. Its answers are full of absolute addresses, and some clients follow them.

use super::asked::{Asked, answer};
use crate::Result;
use crate::server::{Body, json};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::Response;
use serde_json::{Value, json};

const DOCUMENTATION: &str = "https://docs.github.com/rest";
const VERSIONS: [&str; 3] = ["", "2022-11-28", "2026-03-10"];
/// How many issues the sample repository has.
const ISSUES: u64 = 5;

pub fn respond(asked: &Asked<'_>) -> Result<Response<Body>> {
    if asked.header("user-agent").is_empty() {
        return error(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
            &[],
        );
    }
    let password = asked.basic().map(|(_, password)| password);
    let Some(key) = asked
        .authorized(&["bearer", "token"])
        .or(password.as_deref())
    else {
        return error(401, "Requires authentication", &[]);
    };
    if !asked.knows(key) {
        return error(401, "Bad credentials", &[]);
    }
    if !VERSIONS.contains(&asked.header("x-github-api-version")) {
        return error(400, "Unsupported API version", &[]);
    }
    let (method, segments) = asked.route();
    match (method, segments.as_slice()) {
        ("GET", ["user"]) => limited(200, &json!({"login": "octocat", "id": 1})),
        ("POST", ["graphql"]) => limited(200, &json!({"data": {"viewer": {"login": "octocat"}}})),
        ("GET", ["repos", "octo", "busy"]) => exhausted(),
        ("GET", ["repos", "octo", "abused"]) => error(
            429,
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
            &[("retry-after", "60")],
        ),
        ("GET", ["repos", "octo", "former"]) => answer(
            301,
            &json!({"message": "Moved Permanently", "url": format!("{}/repositories/7", asked.base), "documentation_url": DOCUMENTATION}),
            &[("location", &format!("{}/repositories/7", asked.base))],
        ),
        ("GET", ["repos", "octo", "sample"] | ["repositories", "7"]) => {
            limited(200, &repository(asked))
        }
        ("GET", ["repos", "octo", "sample", "issues"]) => {
            let (numbers, link) = asked.page(ISSUES);
            let issues: Vec<Value> = numbers
                .iter()
                .map(|at| issue(asked, *at, "An issue"))
                .collect();
            answer(200, &json!(issues), &[("link", &link)])
        }
        ("POST", ["repos", "octo", "sample", "issues"]) => match asked.json()["title"].as_str() {
            Some(title) if !title.is_empty() => limited(201, &issue(asked, ISSUES + 1, title)),
            _ => unprocessable(),
        },
        ("POST", ["repos", "octo", "sample", "issues", number, "comments"]) => limited(
            201,
            &json!({"id": 1, "body": asked.json()["body"], "url": format!("{}/repos/octo/sample/issues/comments/{number}", asked.base)}),
        ),
        ("PUT", ["repos", "octo", "sample", "contents", file @ ..]) => put(asked, &file.join("/")),
        ("GET", ["repos", "octo", "sample", "contents", file @ ..]) => got(asked, &file.join("/")),
        _ => error(404, "Not Found", &[]),
    }
}

/// An answer with the headers that say how many requests are left.
fn limited(status: u16, body: &Value) -> Result<Response<Body>> {
    let headers = [
        ("x-ratelimit-limit", "5000"),
        ("x-ratelimit-remaining", "4999"),
        ("x-ratelimit-reset", "4102444800"),
        ("x-github-request-id", "SAMP:1"),
    ];
    answer(status, body, &headers)
}

fn error(status: u16, message: &str, headers: &[(&str, &str)]) -> Result<Response<Body>> {
    let body = json!({"message": message, "documentation_url": DOCUMENTATION, "status": status.to_string()});
    answer(status, &body, headers)
}

fn exhausted() -> Result<Response<Body>> {
    let headers = [
        ("x-ratelimit-limit", "5000"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "4102444800"),
    ];
    error(403, "API rate limit exceeded for user ID 1.", &headers)
}

fn unprocessable() -> Result<Response<Body>> {
    json(
        422,
        &json!({"message": "Validation Failed", "documentation_url": DOCUMENTATION, "status": "422",
            "errors": [{"resource": "Issue", "code": "missing_field", "field": "title"}]}),
    )
}

fn repository(asked: &Asked<'_>) -> Value {
    json!({"id": 7, "name": "sample", "full_name": "octo/sample", "default_branch": "main",
        "url": format!("{}/repos/octo/sample", asked.base)})
}

fn issue(asked: &Asked<'_>, number: u64, title: &str) -> Value {
    json!({"id": 100 + number, "number": number, "title": title, "state": "open",
        "url": format!("{}/repos/octo/sample/issues/{number}", asked.base)})
}

fn put(asked: &Asked<'_>, file: &str) -> Result<Response<Body>> {
    let body = asked.json();
    let text = body["content"].as_str().unwrap_or_default();
    let Ok(bytes) = STANDARD.decode(text.replace('\n', "")) else {
        return error(422, "content is not valid Base64", &[]);
    };
    let size = bytes.len();
    asked.keep(file, bytes.into());
    let commit = json!({"sha": "c0ffee", "message": body["message"], "url": format!("{}/repos/octo/sample/git/commits/c0ffee", asked.base)});
    json(
        201,
        &json!({"content": content(asked, file, size), "commit": commit}),
    )
}

fn got(asked: &Asked<'_>, file: &str) -> Result<Response<Body>> {
    let Some(bytes) = asked.kept(file) else {
        return error(404, "Not Found", &[]);
    };
    let mut body = content(asked, file, bytes.len());
    body["encoding"] = "base64".into();
    body["content"] = STANDARD.encode(&bytes).into();
    json(200, &body)
}

fn content(asked: &Asked<'_>, file: &str, size: usize) -> Value {
    json!({"type": "file", "name": file.rsplit('/').next(), "path": file, "sha": "5a3e", "size": size,
        "url": format!("{}/repos/octo/sample/contents/{file}?ref=main", asked.base)})
}
