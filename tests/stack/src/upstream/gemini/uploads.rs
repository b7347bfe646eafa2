//! Google's resumable uploads: one request asks for an address, and the next ones send the bytes to it.

use super::{error, missing};
use crate::Result;
use crate::server::{Body, json, with};
use crate::upstream::files::{self, Upload};
use crate::upstream::{Seen, State, lock};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::BytesMut;
use http::Response;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Mutex};

/// The uploads that are not finished, by their id.
pub type Sessions = Mutex<HashMap<String, Session>>;

/// One upload.
pub struct Session {
    name: String,
    content_type: String,
    length: usize,
    bytes: BytesMut,
}

pub fn answer(state: &State, seen: &Seen) -> Result<Response<Body>> {
    match seen.header("x-goog-upload-command") {
        "start" => start(state, seen),
        "upload" => go_on(state, seen, false),
        "upload, finalize" => go_on(state, seen, true),
        _ => error(400, "INVALID_ARGUMENT", "Invalid upload command."),
    }
}

fn start(state: &State, seen: &Seen) -> Result<Response<Body>> {
    if seen.header("x-goog-upload-protocol") != "resumable" {
        return error(400, "INVALID_ARGUMENT", "Invalid upload protocol.");
    }
    let Ok(length) = seen.header("x-goog-upload-header-content-length").parse() else {
        return error(400, "INVALID_ARGUMENT", "The upload's length is missing.");
    };
    // Google's servers read both spellings of a field.
    let file = seen.json()["file"].take();
    let name = ["displayName", "display_name"].map(|name| file[name].as_str());
    let session = Session {
        name: name[0].or(name[1]).unwrap_or_default().to_owned(),
        content_type: seen.header("x-goog-upload-header-content-type").to_owned(),
        length,
        bytes: BytesMut::new(),
    };
    let id = uuid::Uuid::new_v4().simple().to_string();
    lock(&state.sessions).insert(id.clone(), session);
    let host = seen.header("host");
    let path = seen.path();
    let address = format!("http://{host}{path}?upload_id={id}&upload_protocol=resumable");
    let response = with(json(200, &json!({}))?, "x-goog-upload-url", &address)?;
    with(response, "x-goog-upload-status", "active")
}

fn go_on(state: &State, seen: &Seen, last: bool) -> Result<Response<Body>> {
    let mut sessions = lock(&state.sessions);
    let id = seen.query("upload_id").unwrap_or_default();
    let Some(session) = sessions.get_mut(&id) else {
        return missing();
    };
    if seen.header("x-goog-upload-offset") != session.bytes.len().to_string() {
        return error(
            400,
            "INVALID_ARGUMENT",
            "The offset is not where the upload ended.",
        );
    }
    session.bytes.extend_from_slice(&seen.body);
    if !last {
        return with(json(200, &json!({}))?, "x-goog-upload-status", "active");
    }
    if session.bytes.len() != session.length {
        return error(400, "INVALID_ARGUMENT", "The upload has another length.");
    }
    let Some(session) = sessions.remove(&id) else {
        return missing();
    };
    let upload = Upload {
        name: session.name,
        content_type: session.content_type,
        bytes: session.bytes.freeze(),
        purpose: String::new(),
    };
    let file = files::keep(&state.files, upload.clone());
    let answer = json!({"file": described(&file, &upload)});
    with(json(200, &answer)?, "x-goog-upload-status", "final")
}

/// A file as Gemini describes it.
pub fn described(id: &str, upload: &Upload) -> Value {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &upload.bytes);
    json!({"name": format!("files/{id}"), "displayName": upload.name, "mimeType": upload.content_type,
        "sizeBytes": upload.bytes.len().to_string(), "sha256Hash": STANDARD.encode(hash), "state": "ACTIVE", "source": "UPLOADED"})
}

/// All files, in order.
pub fn all(state: &State) -> Vec<Value> {
    let files = lock(&state.files);
    (1..)
        .zip(files.iter())
        .map(|(number, upload)| described(&format!("file-{number}"), upload))
        .collect()
}
