//! Files as OpenAI and Anthropic take them: uploaded as multipart, returned byte for byte.

use super::script::CREATED;
use super::{Dialect, Seen, lock};
use crate::Result;
use crate::server::{Body, json, whole};
use bytes::Bytes;
use futures_util::stream;
use http::Response;
use multer::Multipart;
use serde_json::json;
use std::{convert::Infallible, sync::Mutex};

/// The uploaded files, in order.
pub type Files = Mutex<Vec<Bytes>>;

struct Upload {
    name: String,
    content_type: String,
    bytes: Bytes,
    purpose: String,
}

pub async fn upload(files: &Files, seen: &Seen, dialect: Dialect) -> Result<Response<Body>> {
    let upload = match parse(seen).await {
        Ok(upload) => upload,
        Err(error) => return dialect.error(400, "invalid_request_error", &error.to_string()),
    };
    let size = upload.bytes.len();
    let id = {
        let mut files = lock(files);
        files.push(upload.bytes);
        format!("file-{}", files.len())
    };
    json(
        200,
        &match dialect {
            Dialect::OpenAi => {
                json!({"id": id, "object": "file", "bytes": size, "created_at": CREATED,
                    "filename": upload.name, "purpose": upload.purpose, "status": "processed"})
            }
            Dialect::Anthropic => {
                json!({"id": id, "type": "file", "size_bytes": size, "created_at": "2026-01-01T00:00:00Z",
                    "filename": upload.name, "mime_type": upload.content_type, "downloadable": true})
            }
        },
    )
}

async fn parse(seen: &Seen) -> Result<Upload> {
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
            Some("file") => {
                let name = part.file_name().unwrap_or_default().to_owned();
                let content_type = part.content_type().map(ToString::to_string);
                file = Some((name, content_type, part.bytes().await?));
            }
            Some("purpose") => purpose = part.text().await?,
            _ => {}
        }
    }
    let (name, content_type, bytes) = file.ok_or("the part \"file\" is missing")?;
    Ok(Upload {
        name,
        content_type: content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
        bytes,
        purpose,
    })
}

/// The bytes of `files/{id}/content`.
pub fn content(files: &Files, path: &str, dialect: Dialect) -> Result<Response<Body>> {
    let number = path
        .rsplit('/')
        .nth(1)
        .and_then(|id| id.strip_prefix("file-")?.parse::<usize>().ok());
    let bytes = number.and_then(|number| lock(files).get(number.checked_sub(1)?).cloned());
    match bytes {
        Some(bytes) => Ok(Response::builder()
            .header("content-type", "application/octet-stream")
            .body(whole(bytes))?),
        None => dialect.error(404, "not_found_error", "no such file"),
    }
}
