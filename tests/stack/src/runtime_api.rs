//! The Lambda Runtime API, and the environments that poll it.
//!
//! cargo-lambda's emulator cannot serve here. It starts functions through cargo and a file watcher rather
//! than as binaries, its deadline is a fixed time in 1970, all instances share one address, and a stream's
//! error trailers reach the client as a clean end. As a crate, it pins a `matchit` that conflicts with the
//! current axum's.

mod serve;
mod work;

use crate::guard::{Guard, Guarded};
use crate::lines::Lines;
use crate::server::Server;
use crate::{Result, lock};
use bytes::Bytes;
use serde_json::Value;
use serve::serve;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use work::{Process, Shared, SharedLife, Waiting, at_once};

const MAX_INVOCATION: Duration = Duration::from_secs(900);
/// The longest wait for invocations to finish.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Variables that are passed on from our own environment, for the dynamic loader and for temporary files.
const INHERITED: [&str; 4] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"];

/// The outcome of a buffered invocation.
#[derive(Debug)]
pub enum Invocation {
    Ok(Value),
    Error { error_type: String, message: String },
}

/// The outcome of a streamed invocation.
pub enum StreamingInvocation {
    Response { prelude: Value, body: StreamBody },
    Error { error_type: String, message: String },
}

/// A streamed body. Dropping it closes the function's connection.
pub struct StreamBody(mpsc::Receiver<Result<Bytes>>);

impl StreamBody {
    /// The next piece; an `Err` if the stream did not end cleanly.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        self.0.recv().await
    }
}

enum Answer {
    Buffered(Value),
    Streamed { prelude: Value, body: StreamBody },
    Failed { error_type: String, message: String },
}

/// One execution environment: a process, and the Runtime API that it alone talks to.
struct Environment {
    /// The Runtime API of the running process. It does not read what the predecessor has sent.
    server: Option<Server>,
    guard: Option<Guard>,
    life: SharedLife,
}

/// A function and its environments.
pub struct Function {
    name: String,
    binary: PathBuf,
    env: Vec<(String, String)>,
    shared: Arc<Shared>,
    environments: Arc<Mutex<Vec<Environment>>>,
    lines: Lines,
    /// How many invocations a process serves at once.
    at_once: usize,
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
        Ok(Self {
            name: name.to_owned(),
            binary: binary.to_owned(),
            env: env.to_vec(),
            at_once: at_once(env),
            shared,
            environments,
            lines,
            watching,
        })
    }

    /// Every line that the environments have written. It waits until all invocations are finished, so that
    /// it includes their last lines, which come after their answers.
    ///
    /// # Panics
    /// If an invocation is not finished within 30 s, because it hangs or the test holds it up.
    pub async fn logs(&self) -> Vec<String> {
        if let Err(busy) = self.finished().await {
            panic!("the lines of {} are not complete: {busy}", self.name);
        }
        self.lines.all().await
    }

    /// Every line so far, while invocations may still run. It serves to explain why a test failed, and to
    /// wait for a line during an invocation.
    pub async fn lines_so_far(&self) -> Vec<String> {
        self.lines.all().await
    }

    /// Waits until all invocations are finished: none is queued or in flight, and every process that got
    /// one asks for another.
    ///
    /// # Errors
    /// After 30 s, with the reason why not all are finished.
    pub async fn finished(&self) -> Result<()> {
        let until = Instant::now() + MAX_WAIT;
        while let Some(busy) = self.busy() {
            if Instant::now() > until {
                return Err(format!("{busy} after {MAX_WAIT:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Why not all invocations are finished, if so. A process that is gone or has not got an invocation yet
    /// counts as finished.
    fn busy(&self) -> Option<&'static str> {
        let mut running = false;
        for environment in lock(&self.environments).iter_mut() {
            if environment.guard.as_mut().is_some_and(Guard::is_running) {
                running = true;
                if !lock(&environment.life).is_idle(self.at_once) {
                    return Some("a process has not asked for another invocation");
                }
            }
        }
        let work = lock(&self.shared.work);
        if !work.in_flight.is_empty() {
            return Some("an invocation is in flight");
        }
        // If no process runs, nobody takes a queued invocation: its caller has gone.
        (running && !work.queue.is_empty()).then_some("an invocation is queued")
    }

    /// The peak memory of the environments' processes so far, in KiB. Linux only.
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

    /// Kills the environments with SIGKILL, like a crash. The next invocation starts new ones.
    pub fn kill_all(&self) {
        for environment in lock(&self.environments).iter_mut() {
            if let Some(guard) = &mut environment.guard {
                guard.end();
                lock(&environment.life).end();
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
        match self.run(event, MAX_INVOCATION).await? {
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

/// Fails the invocations of environments that died.
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
        if init_failed && !lock(&shared.work).queue.is_empty() {
            let said = lines.all().await;
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
