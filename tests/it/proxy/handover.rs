//! The Runtime API: its address, and what happens when it does not take a response.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use postern_stack::{HttpRequest, binaries};
use std::{
    process::{Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    task::AbortHandle,
};

const SOON: Duration = Duration::from_secs(20);

/// What a Runtime API does with a response.
#[derive(Clone, Copy)]
enum OnResponse {
    Taken,
    Refused,
    /// The connection breaks after the response has begun.
    BrokenOff,
    /// Nobody listens at the address any more.
    Unreachable,
}

/// A Runtime API of one function, below a path of its own, that hands out invocations of `/health`.
struct RuntimeApi {
    address: String,
    state: Arc<State>,
}

struct State {
    base: String,
    address: String,
    response: OnResponse,
    accepting: Mutex<Option<AbortHandle>>,
    given: Mutex<usize>,
    taken: Mutex<Vec<Bytes>>,
}

impl RuntimeApi {
    async fn start(base: &str, response: OnResponse) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            base: format!("{base}/2018-06-01/runtime/invocation/"),
            address: address.clone(),
            response,
            accepting: Mutex::default(),
            given: Mutex::default(),
            taken: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                tokio::spawn(async move {
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        *state.accepting.lock().unwrap() = Some(accepting.abort_handle());
        Self { address, state }
    }

    fn given(&self) -> usize {
        *self.state.given.lock().unwrap()
    }

    fn taken(&self) -> Vec<Bytes> {
        self.state.taken.lock().unwrap().clone()
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let path = request.uri().path().to_owned();
    let call = path.strip_prefix(&state.base).ok_or("another address")?;
    match (request.method(), call) {
        (&Method::GET, "next") => next(&state).await,
        (&Method::POST, call) if call.ends_with("/response") => {
            let mut body = request.into_body();
            match state.response {
                OnResponse::Taken | OnResponse::Unreachable => {
                    let body = body.collect().await.map_err(|_| "broken")?.to_bytes();
                    state.taken.lock().unwrap().push(body);
                    Ok(status(202))
                }
                OnResponse::Refused => Ok(status(413)),
                OnResponse::BrokenOff => {
                    let _ = body.frame().await;
                    Err("the client hung up")
                }
            }
        }
        _ => Ok(status(404)),
    }
}

fn status(status: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status.try_into().unwrap();
    response
}

/// Hands out two invocations, and then none.
async fn next(state: &State) -> Result<Response<Full<Bytes>>, &'static str> {
    let number = {
        let mut given = state.given.lock().unwrap();
        *given += 1;
        *given
    };
    if number > 2 {
        std::future::pending::<()>().await;
    }
    if matches!(state.response, OnResponse::Unreachable) {
        state.accepting.lock().unwrap().take().unwrap().abort();
        while TcpStream::connect(&state.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let event = HttpRequest::get("/health").v2().to_string();
    let mut response = Response::new(Full::from(event));
    for (name, value) in [
        (
            "lambda-runtime-aws-request-id",
            format!("i-{number}").as_str(),
        ),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:000000000000:function:local",
        ),
    ] {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    Ok(response)
}

fn proxy(api: &str) -> Child {
    Command::new(binaries::build().unwrap().of("proxy"))
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", api),
            ("AWS_LAMBDA_FUNCTION_NAME", "proxy"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("DATABASE_SECRET_ID", "postern/database"),
            ("WORKER_TOKEN_JWKS_SECRET_ID", "postern/jwks"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Waits until the process ends by itself: whether it succeeded, and all that it wrote.
async fn ended(proxy: Child) -> (bool, String) {
    let output = tokio::time::timeout(SOON, proxy.wait_with_output());
    let Output {
        status,
        stdout,
        stderr,
    } = output.await.expect("the process does not end").unwrap();
    let said = [stdout, stderr].concat();
    (status.success(), String::from_utf8(said).unwrap())
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_runtime_api_may_be_a_host_or_a_url_with_a_path() {
    for (scheme, base) in [("", ""), ("http://", ""), ("http://", "/.rt/proxy")] {
        let api = RuntimeApi::start(base, OnResponse::Taken).await;
        let variable = format!("{scheme}{}{base}", api.address);
        let proxy = proxy(&variable);
        until(&variable, || api.taken().len() == 2).await;
        drop(proxy);
        let taken = api.taken();
        let (prelude, body) = taken[0].split_at(taken[0].iter().position(|b| *b == 0).unwrap());
        assert_eq!(
            prelude,
            br#"{"statusCode":200,"headers":{"content-type":"application/json"},"cookies":[]}"#
        );
        assert_eq!(
            body,
            b"\0\0\0\0\0\0\0\0{\"service\":\"proxy\",\"status\":\"ok\"}"
        );
    }
}

#[tokio::test]
async fn a_malformed_address_stops_the_cold_start_and_its_variable_is_named() {
    for malformed in [
        "http://",
        "/only/a/path",
        "127.0.0.1:9000/.rt/proxy",
        "ftp://127.0.0.1:9000",
    ] {
        let (success, said) = ended(proxy(malformed)).await;
        assert!(
            !success && said.contains("AWS_LAMBDA_RUNTIME_API") && !said.contains("panicked"),
            "{malformed}: {said}"
        );
    }
}

#[tokio::test]
async fn a_response_that_is_not_taken_is_an_error_and_ends_the_process() {
    for (response, cause) in [
        (OnResponse::Refused, "413"),
        (OnResponse::Unreachable, "refused"),
    ] {
        let api = RuntimeApi::start("", response).await;
        let (success, said) = ended(proxy(&api.address)).await;
        let line = said
            .lines()
            .find(|line| line.contains("response_not_taken"));
        let line = line.unwrap_or_else(|| panic!("{cause}: {said}"));
        assert!(!success, "{said}");
        assert!(
            line.contains(r#""level":"ERROR""#) && line.contains(cause) && line.contains("i-1"),
            "{said}"
        );
        assert_eq!(api.given(), 1, "no other invocation is taken");
        assert!(!said.contains("cold_start_failed"), "{said}");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_end_the_process() {
    let api = RuntimeApi::start("", OnResponse::BrokenOff).await;
    let mut proxy = proxy(&api.address);
    until("the next is taken", || api.given() == 3).await;
    assert!(proxy.try_wait().unwrap().is_none());
    proxy.kill().await.unwrap();
    let (_, said) = ended(proxy).await;
    let lines: Vec<&str> = said
        .lines()
        .filter(|l| l.contains("response_not_taken"))
        .collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(
        lines.iter().all(|line| line.contains(r#""level":"INFO""#)),
        "{said}"
    );
}
