//! Lambda's response streaming. A stream that fails ends in the error trailers of the Runtime API, so that no
//! client takes half a response for a whole one. (lambda_runtime 1.5 polls for invocations here. Its own
//! streaming writes those trailers into the body and ends it cleanly.)
//! Protocol: docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming

use crate::app::App;
use crate::response::{self, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use lambda_http::lambda_runtime::{LambdaInvocation, MetadataPrelude, Runtime};
use lambda_http::{Error as BoxError, service_fn, tower};
use postern::config::{ConfigError, Env, malformed};
use postern::wire::event::HttpEvent;
use postern::{Code, Error};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tokio::sync::Notify;

const VARIABLE: &str = "AWS_LAMBDA_RUNTIME_API";
const SEPARATOR: &[u8] = &[0; 8];
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");
const ERROR_BODY: HeaderName = HeaderName::from_static("lambda-runtime-function-error-body");
const INVOCATION_ID: HeaderName = HeaderName::from_static("lambda-runtime-invocation-id");

type Frames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// Serves invocations until the process ends. It ends with a failure when a response could not be handed over.
pub async fn run(app: App, env: &Env) -> Result<ExitCode, BoxError> {
    let api = runtime_api(env)?;
    let not_taken = Arc::new(Notify::new());
    let streaming = Streaming {
        app: Arc::new(app),
        api: api.into(),
        client: Client::builder(TokioExecutor::new()).build_http(),
        not_taken: Arc::clone(&not_taken),
    };
    // The layer answers; the handler inside it is never reached.
    let unused =
        service_fn(async |_: lambda_http::lambda_runtime::LambdaEvent<()>| Ok::<(), BoxError>(()));
    let layer = tower::layer::layer_fn(move |_| streaming.clone());
    tokio::select! {
        served = Runtime::new(unused).layer(layer).run_concurrent() => {
            served.map(|()| ExitCode::SUCCESS)
        }
        () = not_taken.notified() => Ok(ExitCode::FAILURE),
    }
}

/// The address of the Runtime API: `host:port`, or a URL, as emulators give it. lambda_runtime polls there and
/// reads the variable the same way, but panics where it is malformed.
fn runtime_api(env: &Env) -> Result<String, ConfigError> {
    let api = env.required(VARIABLE)?.parse::<Uri>();
    let api = api.map_err(|error| malformed(VARIABLE, error))?;
    match (api.scheme_str(), api.authority(), api.query()) {
        (None | Some("http"), Some(host), None) => {
            Ok(format!("http://{host}{}", api.path().trim_end_matches('/')))
        }
        _ => Err(malformed(VARIABLE, "must be host:port or an http:// URL")),
    }
}

/// Answers an invocation by streaming to the Runtime API itself.
#[derive(Clone)]
struct Streaming {
    app: Arc<App>,
    /// A URL without a slash at its end.
    api: Arc<str>,
    client: Client<HttpConnector, StreamBody<Frames>>,
    not_taken: Arc<Notify>,
}

/// What became of a response.
enum Handover {
    Taken,
    /// It broke off after it had begun.
    BrokenOff(BoxError),
    NotTaken(BoxError),
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
            let invocation = invocation.parts.headers.get(INVOCATION_ID);
            match own.hand_over(&id, invocation, answer).await {
                Handover::Taken => {}
                // The client may have left. The process goes on to the next invocation.
                Handover::BrokenOff(cause) => {
                    let cause = with_causes(&*cause);
                    tracing::info!(event = "response_not_taken", request_id = id, cause);
                }
                Handover::NotTaken(cause) => {
                    let cause = with_causes(&*cause);
                    tracing::error!(event = "response_not_taken", request_id = id, cause);
                    // The invocation still waits, so the process must not ask for another one. It ends.
                    own.not_taken.notify_one();
                    std::future::pending::<()>().await;
                }
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
            return response::error(&error, &[], request_id);
        };
        let served = AssertUnwindSafe(self.app.serve(event, request_id)).catch_unwind();
        served.await.unwrap_or_else(|_| {
            tracing::error!(event = "panic", request_id);
            response::error(&Code::Internal.into(), &[], request_id)
        })
    }

    async fn hand_over(
        &self,
        id: &str,
        invocation: Option<&HeaderValue>,
        answer: Response,
    ) -> Handover {
        let begun = Arc::new(AtomicBool::new(false));
        let request = match self.request(id, invocation, answer, Arc::clone(&begun)) {
            Ok(request) => request,
            Err(error) => return Handover::NotTaken(error),
        };
        match self.client.request(request).await {
            Ok(answered) if !answered.status().is_success() => {
                let status = answered.status();
                Handover::NotTaken(format!("the Runtime API answered {status}").into())
            }
            Ok(answered) => match answered.into_body().collect().await {
                Ok(_) => Handover::Taken,
                Err(error) => Handover::BrokenOff(error.into()),
            },
            Err(error) if begun.load(Ordering::Relaxed) => Handover::BrokenOff(error.into()),
            Err(error) => Handover::NotTaken(error.into()),
        }
    }

    fn request(
        &self,
        id: &str,
        invocation: Option<&HeaderValue>,
        answer: Response,
        begun: Arc<AtomicBool>,
    ) -> Result<Request<StreamBody<Frames>>, BoxError> {
        let mut request = Request::post(format!(
            "{}/2018-06-01/runtime/invocation/{id}/response",
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
        let frames = frames(answer)?.inspect(move |_| begun.store(true, Ordering::Relaxed));
        let frames: Frames = Box::pin(frames);
        Ok(request.body(StreamBody::new(frames))?)
    }
}

/// An error with its causes, in one line.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}

/// The prelude, the separator, the pieces as they arrive, and the error trailers where the body fails.
fn frames(answer: Response) -> Result<Frames, BoxError> {
    let prelude = prelude(&answer.metadata_prelude)?;
    // Separate pieces: cargo-lambda's emulator reads the first as the prelude and skips the second.
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

/// The head of a streamed response. (lambda_runtime serializes a repeated header as a list, which API Gateway
/// and Function URLs do not specify.)
fn prelude(head: &MetadataPrelude) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Prelude<'a> {
        status_code: u16,
        headers: BTreeMap<&'a str, String>,
        cookies: &'a [String],
    }
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &head.headers {
        // JSON holds only text, and HTTP gives text other than ASCII no meaning.
        let Ok(value) = value.to_str() else { continue };
        headers
            .entry(name.as_str())
            .and_modify(|joined| *joined = format!("{joined}, {value}"))
            .or_insert_with(|| value.to_owned());
    }
    serde_json::to_vec(&Prelude {
        status_code: head.status_code.as_u16(),
        headers,
        cookies: &head.cookies,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_api_is_a_host_and_port_or_a_url() {
        for (variable, url) in [
            ("127.0.0.1:9001", "http://127.0.0.1:9001"),
            ("localhost", "http://localhost"),
            ("[::1]:9001", "http://[::1]:9001"),
            (
                "http://127.0.0.1:9000/.rt/proxy",
                "http://127.0.0.1:9000/.rt/proxy",
            ),
            ("http://127.0.0.1:9000/", "http://127.0.0.1:9000"),
        ] {
            assert_eq!(
                runtime_api(&Env::from_pairs([(VARIABLE, variable)])).unwrap(),
                url
            );
        }
        for malformed in [
            "127.0.0.1:9000/x",
            "/x",
            "https://h",
            "http://h/?q",
            "a b",
            "",
        ] {
            let error = runtime_api(&Env::from_pairs([(VARIABLE, malformed)])).unwrap_err();
            assert_eq!(error.variable, VARIABLE, "{malformed}");
        }
    }

    #[test]
    fn a_prelude_has_one_string_for_each_header_and_none_that_is_not_visible_ascii() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("vary", b"Origin".as_slice()),
            ("content-type", b"text/plain"),
            ("vary", b"X-Origin"),
            ("x-latin", b"caf\xe9"),
            ("x-mixed", b"caf\xe9"),
            ("x-mixed", b"a\t\"b\""),
        ] {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let head = MetadataPrelude {
            status_code: http::StatusCode::CREATED,
            headers,
            cookies: Vec::new(),
        };
        assert_eq!(
            String::from_utf8(prelude(&head).unwrap()).unwrap(),
            r#"{"statusCode":201,"headers":{"content-type":"text/plain","vary":"Origin, X-Origin","x-mixed":"a\t\"b\""},"cookies":[]}"#
        );
    }

    #[test]
    fn a_cause_is_told_down_to_its_root() {
        let root = std::io::Error::other("refused");
        let error = std::io::Error::other(std::io::Error::other(root));
        assert!(with_causes(&error).ends_with("refused"));
    }
}
