//! Files as OpenAI and Anthropic take them: uploaded as multipart, returned byte for byte.

use super::script::CREATED;
use super::{Seen, anthropic, lock, openai};
use crate::Result;
use crate::server::{Body, json, whole};
use bytes::Bytes;
use futures_util::stream;
use http::Response;
use multer::Multipart;
use serde_json::{Value, json};
use std::{convert::Infallible, sync::Mutex};

/// A request's wire format, for paths that two providers share.
#[derive(Debug, Clone, Copy)]
pub enum Dialect {
    OpenAi,
    Anthropic,
}

impl Dialect {
    pub fn error(self, status: u16, kind: &str, message: &str) -> Result<Response<Body>> {
        match self {
            Self::OpenAi => openai::error(status, kind, message),
            Self::Anthropic => anthropic::error(status, kind, message),
        }
    }
}

/// The uploaded files, in order.
pub type Files = Mutex<Vec<Upload>>;

/// A file, and what was said about it.
#[derive(Debug, Clone)]
pub struct Upload {
    pub name: String,
    pub content_type: String,
    pub bytes: Bytes,
    pub purpose: String,
}

/// Keeps a file, and returns its id.
pub fn keep(files: &Files, upload: Upload) -> String {
    let mut files = lock(files);
    files.push(upload);
    format!("file-{}", files.len())
}

/// A file by its id.
pub fn kept(files: &Files, id: &str) -> Option<Upload> {
    let number: usize = id.strip_prefix("file-")?.parse().ok()?;
    lock(files).get(number.checked_sub(1)?).cloned()
}

fn openai_file(id: &str, upload: &Upload) -> Value {
    json!({"id": id, "object": "file", "bytes": upload.bytes.len(), "created_at": CREATED,
        "filename": upload.name, "purpose": upload.purpose, "status": "processed"})
}

/// The files as OpenAI lists them, a page at a time.
pub fn listed(files: &Files, seen: &Seen) -> Result<Response<Body>> {
    let limit = seen
        .query("limit")
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(10_000);
    let after = seen.query("after");
    let start = after
        .and_then(|after| after.strip_prefix("file-")?.parse().ok())
        .unwrap_or(0);
    let files = lock(files);
    let page: Vec<Value> = (1..)
        .zip(files.iter())
        .skip(start)
        .take(limit)
        .map(|(number, upload)| openai_file(&format!("file-{number}"), upload))
        .collect();
    let has_more = start + page.len() < files.len();
    json(
        200,
        &json!({"object": "list", "data": page, "has_more": has_more}),
    )
}

pub async fn upload(files: &Files, seen: &Seen, dialect: Dialect) -> Result<Response<Body>> {
    let upload = match parse(seen).await {
        Ok(upload) => upload,
        Err(error) => return dialect.error(400, "invalid_request_error", &error.to_string()),
    };
    let id = keep(files, upload.clone());
    json(
        200,
        &match dialect {
            Dialect::OpenAi => openai_file(&id, &upload),
            Dialect::Anthropic => {
                json!({"id": id, "type": "file", "size_bytes": upload.bytes.len(), "created_at": "2026-01-01T00:00:00Z",
                    "filename": upload.name, "mime_type": upload.content_type, "downloadable": true})
            }
        },
    )
}

/// The file of a multipart body, in the part that most providers take it from.
pub async fn parse(seen: &Seen) -> Result<Upload> {
    parse_part(seen, "file").await
}

/// The file of a multipart body, in the part of this name.
pub async fn parse_part(seen: &Seen, name: &str) -> Result<Upload> {
    let content_type = seen
        .headers
        .get("content-type")
        .ok_or("the content type is missing")?;
    let boundary = multer::parse_boundary(content_type.to_str()?)?;
    let body = stream::iter([Ok::<_, Infallible>(seen.body.clone())]);
    let mut parts = Multipart::new(body, boundary);
    let (mut file, mut purpose) = (None, String::new());
    while let Some(part) = parts.next_field().await? {
        match part.name() {
            Some(found) if found == name => {
                let name = part.file_name().unwrap_or_default().to_owned();
                let content_type = part.content_type().map(ToString::to_string);
                file = Some((name, content_type, part.bytes().await?));
            }
            Some("purpose") => purpose = part.text().await?,
            _ => {}
        }
    }
    let (name, content_type, bytes) =
        file.ok_or_else(|| format!("the part \"{name}\" is missing"))?;
    Ok(Upload {
        name,
        content_type: content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
        bytes,
        purpose,
    })
}

/// The bytes of `files/{id}/content`.
pub fn content(files: &Files, path: &str, dialect: Dialect) -> Result<Response<Body>> {
    let id = path.rsplit('/').nth(1).unwrap_or_default();
    match kept(files, id) {
        Some(upload) => Ok(Response::builder()
            .header("content-type", "application/octet-stream")
            .body(whole(upload.bytes))?),
        None => dialect.error(404, "not_found_error", "no such file"),
    }
}
