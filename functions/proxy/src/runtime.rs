//! Lambda's response streaming, with an honest end: a stream that fails ends in the error trailers of
//! the Runtime API. (lambda_runtime 1.5 polls for invocations here, but would write those trailers into
//! the body and end it cleanly, so that a client takes half an answer for a whole one.)
//! Protocol: docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming

use crate::app::App;
use crate::response::{self, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use lambda_http::lambda_runtime::{LambdaInvocation, Runtime};
use lambda_http::{Error as BoxError, service_fn, tower};
use postern::event::HttpEvent;
use postern::{Code, Error};
use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

const SEPARATOR: &[u8] = &[0; 8];
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");
const ERROR_BODY: HeaderName = HeaderName::from_static("lambda-runtime-function-error-body");
const INVOCATION_ID: HeaderName = HeaderName::from_static("lambda-runtime-invocation-id");

type Frames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// Serves invocations until the process ends; `api` is the Runtime API's `host:port`.
pub async fn run(app: App, api: &str) -> Result<(), BoxError> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let streaming = Streaming {
        app: Arc::new(app),
        api: api.into(),
        client,
    };
    // What answers stands in the layer; the handler inside it is never reached.
    let unused =
        service_fn(async |_: lambda_http::lambda_runtime::LambdaEvent<()>| Ok::<(), BoxError>(()));
    let layer = tower::layer::layer_fn(move |_| streaming.clone());
    Runtime::new(unused).layer(layer).run_concurrent().await
}

/// Answers an invocation by streaming to the Runtime API itself.
#[derive(Clone)]
struct Streaming {
    app: Arc<App>,
    api: Arc<str>,
    client: Client<HttpConnector, StreamBody<Frames>>,
}

impl tower::Service<LambdaInvocation> for Streaming {
    type Response = ();
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let own = self.clone();
        Box::pin(async move {
            let id = invocation.context.request_id.clone();
            let answer = own.answer(&invocation.body, &id).await;
            let sent = own
                .send(&id, invocation.parts.headers.get(INVOCATION_ID), answer)
                .await;
            if let Err(error) = sent {
                // Lambda closes the connection when the client hangs up; the next invocation is next.
                tracing::info!(event = "response_not_taken", request_id = id, cause = %error);
            }
            Ok(())
        })
    }
}

impl Streaming {
    async fn answer(&self, event: &[u8], request_id: &str) -> Response {
        let Ok(event) = serde_json::from_slice::<HttpEvent>(event) else {
            let error = Error::new(
                Code::InvalidRequest,
                "the event is not an API Gateway or Function URL event",
            );
            return response::error(&error, request_id);
        };
        let served = AssertUnwindSafe(self.app.serve(event, request_id)).catch_unwind();
        served.await.unwrap_or_else(|_| {
            tracing::error!(event = "panic", request_id);
            response::error(&Code::Internal.into(), request_id)
        })
    }

    async fn send(
        &self,
        id: &str,
        invocation: Option<&HeaderValue>,
        answer: Response,
    ) -> Result<(), BoxError> {
        let mut request = Request::post(format!(
            "http://{}/2018-06-01/runtime/invocation/{id}/response",
            self.api
        ))
        .header("lambda-runtime-function-response-mode", "streaming")
        .header(
            header::CONTENT_TYPE,
            "application/vnd.awslambda.http-integration-response",
        )
        .header(header::TRANSFER_ENCODING, "chunked")
        .header(
            header::TRAILER,
            "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
        );
        if let Some(invocation) = invocation {
            request = request.header(INVOCATION_ID, invocation);
        }
        let response = self
            .client
            .request(request.body(StreamBody::new(frames(answer)?))?)
            .await?;
        response.into_body().collect().await?;
        Ok(())
    }
}

/// Prelude, separator, the pieces as they come, and the error trailers where they fail.
fn frames(answer: Response) -> Result<Frames, BoxError> {
    let prelude = serde_json::to_vec(&answer.metadata_prelude)?;
    // A piece each: cargo-lambda's emulator reads the first as the prelude and skips the second.
    let head = [Bytes::from(prelude), Bytes::from_static(SEPARATOR)];
    let head = stream::iter(head.map(|piece| Ok(Frame::data(piece))));
    let body = stream::unfold(Some(answer.stream), |open| async move {
        let mut body = open?;
        match body.next().await? {
            Ok(piece) => Some((Ok(Frame::data(piece)), Some(body))),
            Err(error) => Some((Ok(Frame::trailers(trailers(&*error))), None)),
        }
    });
    Ok(Box::pin(head.chain(body)))
}

fn trailers(error: &(dyn std::error::Error + Send + Sync)) -> HeaderMap {
    let body =
        serde_json::json!({"errorType": "Runtime.StreamError", "errorMessage": error.to_string()});
    let mut trailers = HeaderMap::new();
    trailers.insert(ERROR_TYPE, HeaderValue::from_static("Runtime.StreamError"));
    if let Ok(body) = HeaderValue::from_str(&STANDARD.encode(body.to_string())) {
        trailers.insert(ERROR_BODY, body);
    }
    trailers
}
