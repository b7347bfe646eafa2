//! A stand-in for Secrets Manager that speaks AWS's JSON 1.1 protocol, so that the real SDK runs.

use crate::server::{Body, LOOPBACK, Server, json};
use crate::{Result, lock};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:";
const SUFFIX: &str = "-AbCdEf";
/// AWS's refusal to read a secret that is scheduled for deletion.
const DELETED: &str =
    "You can't perform this operation on the secret because it was marked for deletion.";
/// Longer than anybody waits.
const FOREVER: Duration = Duration::from_secs(3600);

/// How the stand-in behaves.
#[derive(Debug, Clone, Copy)]
pub enum SecretsMode {
    Up,
    Down,
    AccessDenied,
    /// The role may read values, and may not describe secrets.
    WithoutDescribe,
    Slow(Duration),
}

struct Secret {
    value: String,
    version: String,
    created: f64,
    /// When the deletion was scheduled.
    deleted: Option<f64>,
}

struct State {
    secrets: HashMap<String, Secret>,
    calls: HashMap<String, usize>,
    /// How long each of these secrets' answers takes.
    slow: HashMap<String, Duration>,
    mode: SecretsMode,
}

/// The running stand-in.
pub struct SecretsManager {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl SecretsManager {
    pub async fn start() -> Result<Self> {
        let state = Arc::new(Mutex::new(State {
            secrets: HashMap::new(),
            calls: HashMap::new(),
            slow: HashMap::new(),
            mode: SecretsMode::Up,
        }));
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

    /// Writes a secret's new version.
    pub fn put(&self, id: &str, value: impl Into<String>) {
        let version = uuid::Uuid::new_v4().to_string();
        lock(&self.state).secrets.insert(
            id.to_owned(),
            Secret {
                value: value.into(),
                version,
                created: now(),
                deleted: None,
            },
        );
    }

    pub fn remove(&self, id: &str) {
        lock(&self.state).secrets.remove(id);
    }

    /// Schedules a secret for deletion, as `DeleteSecret` does: it can be described, but not read. Writing
    /// it cancels that.
    pub fn schedule_deletion(&self, id: &str) {
        if let Some(secret) = lock(&self.state).secrets.get_mut(id) {
            secret.deleted = Some(now());
        }
    }

    /// From now on, this secret's answers take this long, and no other's do.
    pub fn set_slow(&self, id: &str, pause: Duration) {
        lock(&self.state).slow.insert(id.to_owned(), pause);
    }

    /// From now on, requests for this secret get no answer.
    pub fn hang(&self, id: &str) {
        self.set_slow(id, FOREVER);
    }

    pub fn set_mode(&self, mode: SecretsMode) {
        lock(&self.state).mode = mode;
    }

    /// How often a secret's value was requested.
    pub fn calls(&self, id: &str) -> usize {
        lock(&self.state).calls.get(id).copied().unwrap_or_default()
    }
}

/// In Unix seconds.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Body>> {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let (action, signature) = (header("x-amz-target"), header("authorization"));
    let body: Value = serde_json::from_slice(&request.into_body().collect().await?.to_bytes())?;
    let named = body["SecretId"].as_str().unwrap_or_default();
    let id = named
        .strip_prefix(ARN)
        .map_or(named, |arn| arn.strip_suffix(SUFFIX).unwrap_or(arn))
        .to_owned();
    let mode = lock(&state).mode;
    let told = |status: u16, kind: &str, message: &str| {
        json(status, &json!({"__type": kind, "message": message}))
    };
    let refuse = |status: u16, kind: &str| told(status, kind, kind);
    if !signature.starts_with("AWS4-HMAC-SHA256") {
        return refuse(400, "MissingAuthenticationTokenException");
    }
    if action == "secretsmanager.GetSecretValue" {
        *lock(&state).calls.entry(id.clone()).or_default() += 1;
    }
    let pause = lock(&state).slow.get(&id).copied();
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
    match mode {
        SecretsMode::WithoutDescribe if action.ends_with("DescribeSecret") => {
            return refuse(400, "AccessDeniedException");
        }
        SecretsMode::Up | SecretsMode::WithoutDescribe => {}
        SecretsMode::Down => return refuse(500, "InternalServiceError"),
        SecretsMode::AccessDenied => return refuse(400, "AccessDeniedException"),
        SecretsMode::Slow(pause) => tokio::time::sleep(pause).await,
    }
    let state = lock(&state);
    let Some(secret) = state.secrets.get(&id) else {
        return refuse(400, "ResourceNotFoundException");
    };
    let mut shown =
        json!({"ARN": format!("{ARN}{id}{SUFFIX}"), "Name": id, "CreatedDate": secret.created});
    if let Some(deleted) = secret.deleted {
        shown["DeletedDate"] = deleted.into();
    }
    match action.as_str() {
        "secretsmanager.GetSecretValue" if secret.deleted.is_some() => {
            return told(400, "InvalidRequestException", DELETED);
        }
        "secretsmanager.GetSecretValue" => {
            shown["VersionId"] = secret.version.as_str().into();
            shown["VersionStages"] = json!(["AWSCURRENT"]);
            shown["SecretString"] = secret.value.as_str().into();
        }
        "secretsmanager.DescribeSecret" => {
            shown["VersionIdsToStages"] = json!({&secret.version: ["AWSCURRENT"]})
        }
        _ => return refuse(400, "UnknownOperationException"),
    }
    json(200, &shown)
}
