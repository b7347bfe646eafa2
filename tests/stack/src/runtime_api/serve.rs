//! The Runtime API of one process.

use super::work::{InFlight, Poll, Process, Shared, SharedLife};
use super::{Answer, StreamBody, failed};
use crate::server::{Body, json, whole};
use crate::{Result, lock};
use bytes::BytesMut;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// What separates the prelude and the body of a streamed answer.
const SEPARATOR: [u8; 8] = [0; 8];

pub(super) async fn serve(
    shared: Arc<Shared>,
    life: SharedLife,
    process: Process,
    request: Request<Incoming>,
) -> Result<Response<Body>> {
    let path = request.uri().path().to_owned();
    let path = path
        .strip_prefix("/2018-06-01/runtime/")
        .unwrap_or_default();
    if request.method() == Method::GET && path == "invocation/next" {
        return next(&shared, &life, process).await;
    }
    let own = |end: &str| {
        path.strip_prefix("invocation/")
            .and_then(|rest| rest.strip_suffix(end))
            .map(str::to_owned)
    };
    let take = |id: &str| lock(&shared.work).in_flight.remove(id);
    if let Some(id) = own("/response") {
        let Some(own) = take(&id) else {
            return json(400, &json!({"errorMessage": "unknown invocation"}));
        };
        let streaming = request
            .headers()
            .get("lambda-runtime-function-response-mode")
            .is_some_and(|mode| mode == "streaming");
        if streaming {
            stream(request.into_body(), own.answer).await?;
        } else {
            let body = request.into_body().collect().await?.to_bytes();
            let _ = own
                .answer
                .send(Answer::Buffered(serde_json::from_slice(&body)?));
        }
        return accepted();
    }
    if let Some(id) = own("/error") {
        let body: Value = serde_json::from_slice(&request.into_body().collect().await?.to_bytes())?;
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        if let Some(own) = take(&id) {
            let _ = own
                .answer
                .send(failed(&text("errorType"), &text("errorMessage")));
        }
    }
    accepted()
}

fn accepted() -> Result<Response<Body>> {
    json(202, &json!({"status": "OK"}))
}

async fn next(shared: &Shared, life: &SharedLife, process: Process) -> Result<Response<Body>> {
    let _poll = Poll::begin(life, process)?;
    loop {
        let arrived = shared.arrived.notified();
        let taken = {
            let mut life = lock(life);
            if !life.is_of(process) {
                // Another process must take it.
                shared.arrived.notify_one();
                return Err("the process is gone".into());
            }
            let mut work = lock(&shared.work);
            let waiting = work.queue.pop_front();
            if !work.queue.is_empty() {
                shared.arrived.notify_one();
            }
            waiting.map(|waiting| {
                life.served = true;
                work.in_flight.insert(
                    waiting.id.clone(),
                    InFlight {
                        environment: process.environment,
                        answer: waiting.answer,
                    },
                );
                (waiting.id, waiting.event, waiting.deadline)
            })
        };
        let Some((id, event, deadline)) = taken else {
            arrived.await;
            continue;
        };
        return Ok(Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", id)
            .header(
                "lambda-runtime-deadline-ms",
                deadline.as_millis().to_string(),
            )
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:eu-central-1:000000000000:function:local",
            )
            .header(
                "lambda-runtime-trace-id",
                "Root=1-00000000-000000000000000000000000;Sampled=0",
            )
            .body(whole(event))?);
    }
}

/// Passes on a streamed answer as it arrives, and then how it ended.
async fn stream(mut incoming: Incoming, answer: oneshot::Sender<Answer>) -> Result<()> {
    let mut head = BytesMut::new();
    let rest = loop {
        let Some(frame) = incoming.frame().await else {
            let _ = answer.send(failed(
                "Runtime.TruncatedResponse",
                "the stream ended in its prelude",
            ));
            return Ok(());
        };
        head.extend_from_slice(&frame?.into_data().unwrap_or_default());
        if let Some(at) = head
            .windows(SEPARATOR.len())
            .position(|window| window == SEPARATOR)
        {
            break head.split_off(at).split_off(SEPARATOR.len()).freeze();
        }
    };
    let (pieces, body) = mpsc::channel(16);
    let _ = answer.send(Answer::Streamed {
        prelude: serde_json::from_slice(&head)?,
        body: StreamBody(body),
    });
    if !rest.is_empty() {
        pieces.send(Ok(rest)).await?;
    }
    loop {
        let frame = tokio::select! {
            frame = incoming.frame() => frame,
            // The reader has gone. The connection breaks, and the function notices.
            () = pieces.closed() => return Err("the client hung up".into()),
        };
        match frame {
            None => return Ok(()),
            Some(Err(error)) => {
                let _ = pieces.send(Err(error.into())).await;
                return Ok(());
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if !data.is_empty() => pieces.send(Ok(data)).await?,
                Ok(_) => {}
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    if let Some(kind) = trailers.get("lambda-runtime-function-error-type") {
                        let _ = pieces
                            .send(Err(format!("the stream failed: {kind:?}").into()))
                            .await;
                    }
                }
            },
        }
    }
}
