//! A sample provider, OpenAI- and Anthropic-like, that remembers what it was sent.

use crate::Result;
use crate::server::{Body, LOOPBACK, Server, json, whole};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const BETWEEN_PIECES: Duration = Duration::from_millis(60);
const FOREVER: Duration = Duration::from_secs(60);

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    expected_key: Mutex<Option<String>>,
    active: AtomicUsize,
}

/// The running sample.
pub struct Upstream {
    server: Server,
    state: Arc<State>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upstream {
    pub async fn start() -> Result<Self> {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let server = Server::start(LOOPBACK, move |request| {
            answer(Arc::clone(&shared), request)
        })
        .await?;
        Ok(Self { server, state })
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    pub fn clear(&self) {
        lock(&self.state.seen).clear();
    }

    /// From now on only this key is accepted.
    pub fn set_expected_key(&self, key: Option<String>) {
        *lock(&self.state.expected_key) = key;
    }

    /// Streams that are being sent.
    pub fn active_streams(&self) -> usize {
        self.state.active.load(Ordering::SeqCst)
    }
}

/// Counts a stream while it lives.
struct Active(Arc<State>);

impl Active {
    fn new(state: &Arc<State>) -> Self {
        state.active.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path_and_query = parts
        .uri
        .path_and_query()
        .map_or("/", |own| own.as_str())
        .to_owned();
    let seen = Seen {
        method: parts.method.to_string(),
        path_and_query,
        headers: parts.headers,
        body,
    };
    lock(&state.seen).push(seen.clone());
    let Some(key) = key(&seen) else {
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
    respond(&state, &seen, &key).await
}

/// The credential, in any of the providers' places.
fn key(seen: &Seen) -> Option<String> {
    let header = |name: &str| seen.headers.get(name)?.to_str().ok().map(str::to_owned);
    let query = seen
        .path_and_query
        .split_once('?')
        .and_then(|(_, query)| query.split('&').find_map(|pair| pair.strip_prefix("key=")));
    header("authorization")
        .or_else(|| header("x-api-key"))
        .or_else(|| header("x-goog-api-key"))
        .or(query.map(str::to_owned))
}

async fn respond(state: &Arc<State>, seen: &Seen, key: &str) -> Result<Response<Body>> {
    let path = seen.path_and_query.split('?').next().unwrap_or_default();
    let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let streamed = body["stream"] == true;
    let model = body["model"].as_str().unwrap_or("sample");
    let bare = key.strip_prefix("Bearer ").unwrap_or(key);
    let last = path.rsplit('/').next().unwrap_or_default();
    match last {
        "completions" if streamed => events(state, openai_events(model)),
        "completions" => json(
            200,
            &json!({"id": "chatcmpl-sample", "object": "chat.completion", "created": 1_767_225_600, "model": model,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello from the sample provider."}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 6, "total_tokens": 7}}),
        ),
        "messages" if streamed => events(state, anthropic_events(model)),
        "messages" => json(
            200,
            &json!({"id": "msg_sample", "type": "message", "role": "assistant", "model": model,
            "content": [{"type": "text", "text": "Hello from the sample provider."}], "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 1, "output_tokens": 6}}),
        ),
        "models" => json(
            200,
            &json!({"object": "list", "data": [{"id": "sample", "object": "model", "created": 1, "owned_by": "sample"}]}),
        ),
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
        "slow-headers" => {
            tokio::time::sleep(FOREVER).await;
            json(200, &json!({}))
        }
        "slow-body" => pieces(state, 200, vec!["first".into()], Some(End::Never)),
        "die" => pieces(state, 200, vec!["first".into()], Some(End::Breaks)),
        _ => json(
            404,
            &json!({"error": {"message": "no such sample", "type": "invalid_request_error"}}),
        ),
    }
}

/// Bytes that are no text and differ everywhere.
fn binary(length: usize) -> Vec<u8> {
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

enum End {
    Never,
    Breaks,
}

fn pieces(
    state: &Arc<State>,
    status: u16,
    pieces: Vec<String>,
    end: Option<End>,
) -> Result<Response<Body>> {
    let active = Active::new(state);
    let paced = stream::iter(pieces).then(|piece| async move {
        tokio::time::sleep(BETWEEN_PIECES).await;
        Ok(Bytes::from(piece))
    });
    let end = stream::once(async move {
        match end {
            Some(End::Never) => {
                tokio::time::sleep(FOREVER).await;
                Ok(Bytes::new())
            }
            Some(End::Breaks) => {
                tokio::time::sleep(BETWEEN_PIECES).await;
                Err("the provider died".into())
            }
            None => Ok(Bytes::new()),
        }
    });
    Ok(Response::builder()
        .status(status)
        .header("content-type", "text/plain")
        .body(body(paced.chain(end), active))?)
}

fn body(pieces: impl Stream<Item = Result<Bytes>> + Send + 'static, active: Active) -> Body {
    let frames = pieces.map(move |piece| {
        let _alive = &active;
        piece.map(Frame::data)
    });
    StreamBody::new(frames).boxed_unsync()
}

fn events(state: &Arc<State>, events: Vec<String>) -> Result<Response<Body>> {
    let mut response = pieces(state, 200, events, None)?;
    response
        .headers_mut()
        .insert("content-type", "text/event-stream; charset=utf-8".parse()?);
    Ok(response)
}

const WORDS: [&str; 6] = ["Hello", " from", " the", " sample", " provider", "."];

fn openai_events(model: &str) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        let event = json!({"id": "chatcmpl-sample", "object": "chat.completion.chunk", "created": 1_767_225_600, "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        format!("data: {event}\n\n")
    };
    let words = WORDS
        .iter()
        .map(|word| chunk(json!({"role": "assistant", "content": word}), Value::Null));
    words
        .chain([
            chunk(json!({}), json!("stop")),
            "data: [DONE]\n\n".to_owned(),
        ])
        .collect()
}

fn anthropic_events(model: &str) -> Vec<String> {
    let event = |kind: &str, data: Value| format!("event: {kind}\ndata: {data}\n\n");
    let message = json!({"id": "msg_sample", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}});
    let start = [
        event(
            "message_start",
            json!({"type": "message_start", "message": message}),
        ),
        event(
            "content_block_start",
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
    ];
    let words = WORDS.iter().map(|word| {
        event("content_block_delta", json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}))
    });
    let end = [
        event(
            "content_block_stop",
            json!({"type": "content_block_stop", "index": 0}),
        ),
        event(
            "message_delta",
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 6}}),
        ),
        event("message_stop", json!({"type": "message_stop"})),
    ];
    start.into_iter().chain(words).chain(end).collect()
}
