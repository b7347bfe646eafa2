//! The Lambda Runtime API, and the environments that poll it. (cargo-lambda's emulator was read first:
//! it starts functions through cargo and a file watcher rather than as binaries, its deadline is a
//! fixed time of 1970, all instances share one address, and a stream's error trailers reach the client
//! as a clean end. As a crate, its pinned `matchit` cannot stand beside the current axum's.)

use crate::guard::{Guard, Guarded, Lines};
use crate::server::{Body, Server, json, whole};
use crate::{Result, lock};
use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
};

const LONGEST_INVOCATION: Duration = Duration::from_secs(900);
/// Between the prelude and the body of a streamed answer.
const SEPARATOR: [u8; 8] = [0; 8];
/// Passed on from our own environment, for the dynamic loader and for temporary files.
const INHERITED: [&str; 4] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"];

/// What a buffered invocation came to.
#[derive(Debug)]
pub enum Invocation {
    Ok(Value),
    Error { error_type: String, message: String },
}

/// What a streamed invocation came to.
pub enum StreamingInvocation {
    Response { prelude: Value, body: StreamBody },
    Error { error_type: String, message: String },
}

/// A streamed body. Dropping it closes the connection on which the function sends it.
pub struct StreamBody(mpsc::Receiver<Result<Bytes>>);

impl StreamBody {
    /// The next piece; an `Err` where the stream did not end cleanly.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        self.0.recv().await
    }
}

enum Answer {
    Buffered(Value),
    Streamed { prelude: Value, body: StreamBody },
    Failed { error_type: String, message: String },
}

struct Waiting {
    id: String,
    event: Bytes,
    deadline: Duration,
    answer: oneshot::Sender<Answer>,
}

struct InFlight {
    environment: usize,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Work {
    queue: VecDeque<Waiting>,
    in_flight: HashMap<String, InFlight>,
}

#[derive(Default)]
struct Shared {
    work: Mutex<Work>,
    arrived: Notify,
}

/// One execution environment: a process, and the Runtime API that it alone talks to.
struct Environment {
    /// Of the process that runs: what its predecessor has sent is not read by it.
    server: Option<Server>,
    guard: Option<Guard>,
    life: Arc<Mutex<Life>>,
}

/// Of an environment's process.
#[derive(Default)]
struct Life {
    polled: bool,
    /// How many there have been. A poll of one that is gone gets nothing: it may not even have been read
    /// when the process ended.
    generation: u64,
}

impl Life {
    fn begin_another(&mut self) -> u64 {
        self.polled = false;
        self.generation += 1;
        self.generation
    }
}

/// A process of an environment, as its own Runtime API knows it.
#[derive(Clone, Copy)]
struct Process {
    environment: usize,
    generation: u64,
}

impl Work {
    /// Answers for what an environment that died was at.
    fn fail_in_flight(&mut self, environment: usize) {
        let lost = self
            .in_flight
            .extract_if(|_, own| own.environment == environment);
        for (_, own) in lost {
            let _ = own
                .answer
                .send(failed("Runtime.ExitError", "the environment exited"));
        }
    }
}

/// A function and its environments.
pub struct Function {
    name: String,
    binary: PathBuf,
    env: Vec<(String, String)>,
    shared: Arc<Shared>,
    environments: Arc<Mutex<Vec<Environment>>>,
    lines: Lines,
    watching: JoinHandle<()>,
}

impl Drop for Function {
    fn drop(&mut self) {
        self.watching.abort();
        lock(&self.environments).clear();
    }
}

impl Function {
    /// Makes the environments; each process starts at the first invocation.
    pub async fn start(
        name: &str,
        binary: &Path,
        env: &[(String, String)],
        environments: usize,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut all = Vec::new();
        for _ in 0..environments {
            all.push(Environment {
                server: None,
                guard: None,
                life: Arc::default(),
            });
        }
        let environments = Arc::new(Mutex::new(all));
        let lines = Lines::default();
        let watching = tokio::spawn(watch(
            Arc::clone(&shared),
            Arc::clone(&environments),
            lines.clone(),
        ));
        let (name, binary, env) = (name.to_owned(), binary.to_owned(), env.to_vec());
        Ok(Self {
            name,
            binary,
            env,
            shared,
            environments,
            lines,
            watching,
        })
    }

    /// Every line of output of every environment so far.
    pub fn logs(&self) -> Vec<String> {
        self.lines.all()
    }

    /// Most memory that an environment's process has held so far, in KiB. Linux only.
    pub fn peak_memory_kib(&self) -> Option<u64> {
        let peak = |child: u32| {
            let status = std::fs::read_to_string(format!("/proc/{child}/status")).ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        };
        let environments = lock(&self.environments);
        let guards = environments
            .iter()
            .filter_map(|environment| environment.guard.as_ref());
        guards.filter_map(|guard| peak(guard.child()?)).max()
    }

    /// Kills the environments (SIGKILL), as a crash would. The next invocation starts new ones.
    pub fn kill_all(&self) {
        for environment in lock(&self.environments).iter_mut() {
            if let Some(guard) = &mut environment.guard {
                guard.end();
                lock(&environment.life).generation += 1;
            }
        }
    }

    /// Invokes and waits for the whole answer.
    pub async fn invoke(&self, event: Value, timeout: Duration) -> Result<Invocation> {
        match tokio::time::timeout(timeout, self.run(event, timeout)).await?? {
            Answer::Buffered(value) => Ok(Invocation::Ok(value)),
            Answer::Failed {
                error_type,
                message,
            } => Ok(Invocation::Error {
                error_type,
                message,
            }),
            Answer::Streamed { .. } => Err(format!("{} streams its answers", self.name).into()),
        }
    }

    /// Invokes and gives the answer as it is streamed.
    pub async fn invoke_streaming(&self, event: Value) -> Result<StreamingInvocation> {
        match self.run(event, LONGEST_INVOCATION).await? {
            Answer::Streamed { prelude, body } => {
                Ok(StreamingInvocation::Response { prelude, body })
            }
            Answer::Failed {
                error_type,
                message,
            } => Ok(StreamingInvocation::Error {
                error_type,
                message,
            }),
            Answer::Buffered(_) => Err(format!("{} does not stream its answers", self.name).into()),
        }
    }

    async fn run(&self, event: Value, timeout: Duration) -> Result<Answer> {
        self.start_what_is_not_running()?;
        let (answer, answered) = oneshot::channel();
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH)? + timeout;
        let id = uuid::Uuid::new_v4().to_string();
        lock(&self.shared.work).queue.push_back(Waiting {
            id,
            event: event.to_string().into(),
            deadline,
            answer,
        });
        self.shared.arrived.notify_one();
        Ok(answered.await?)
    }

    fn start_what_is_not_running(&self) -> Result<()> {
        for (index, environment) in lock(&self.environments).iter_mut().enumerate() {
            if environment.guard.as_mut().is_some_and(Guard::is_running) {
                continue;
            }
            let generation = lock(&environment.life).begin_another();
            lock(&self.shared.work).fail_in_flight(index);
            let (shared, life) = (Arc::clone(&self.shared), Arc::clone(&environment.life));
            let process = Process {
                environment: index,
                generation,
            };
            let server = Server::start_now(move |request| {
                serve(Arc::clone(&shared), Arc::clone(&life), process, request)
            })?;
            let address = server.address().to_string();
            environment.server = Some(server);
            let mut env: Vec<(String, String)> = [
                ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
                ("AWS_LAMBDA_FUNCTION_NAME", &self.name),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
                ("AWS_REGION", "eu-central-1"),
                ("AWS_ACCESS_KEY_ID", "local"),
                ("AWS_SECRET_ACCESS_KEY", "local"),
                ("AWS_EC2_METADATA_DISABLED", "true"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
            let inherited = INHERITED.iter().filter_map(|name| {
                Some((
                    (*name).to_owned(),
                    std::env::var_os(name)?.into_string().ok()?,
                ))
            });
            env.extend(inherited);
            env.extend(self.env.iter().cloned());
            let guarded = Guarded {
                program: &self.binary,
                arguments: &[],
                env: &env,
                signal: "KILL",
                removes: None,
                user: None,
                lines: self.lines.clone(),
            };
            environment.guard = Some(guarded.spawn()?);
        }
        Ok(())
    }
}

/// Answers for environments that died.
async fn watch(shared: Arc<Shared>, environments: Arc<Mutex<Vec<Environment>>>, lines: Lines) {
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut init_failed = true;
        for (index, environment) in lock(&environments).iter_mut().enumerate() {
            let died = environment
                .guard
                .as_mut()
                .is_some_and(|guard| !guard.is_running());
            init_failed &= died && !lock(&environment.life).polled;
            if died {
                lock(&shared.work).fail_in_flight(index);
            }
        }
        if init_failed {
            // Its last words may still be on their way.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let said = lines.all();
            let tail = said[said.len().saturating_sub(20)..].join("\n");
            for waiting in lock(&shared.work).queue.drain(..) {
                let _ = waiting.answer.send(failed("Runtime.InitError", &tail));
            }
        }
    }
}

fn failed(error_type: &str, message: &str) -> Answer {
    Answer::Failed {
        error_type: error_type.to_owned(),
        message: message.to_owned(),
    }
}

async fn serve(
    shared: Arc<Shared>,
    life: Arc<Mutex<Life>>,
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

async fn next(shared: &Shared, life: &Mutex<Life>, process: Process) -> Result<Response<Body>> {
    loop {
        let arrived = shared.arrived.notified();
        let taken = {
            let mut life = lock(life);
            if life.generation != process.generation {
                // It is another's to take.
                shared.arrived.notify_one();
                return Err("the process is gone".into());
            }
            life.polled = true;
            let mut work = lock(&shared.work);
            let waiting = work.queue.pop_front();
            if !work.queue.is_empty() {
                shared.arrived.notify_one();
            }
            waiting.map(|waiting| {
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

/// Passes a streamed answer on as it arrives, and how it ends.
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
            // Whoever reads has gone: the connection breaks, and the function notices.
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
