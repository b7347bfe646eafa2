//! The parts of the webhooks function, built from the environment.

use lambda_http::Error as BoxError;
use postern::authority::scope::VerifiedWorker;
use postern::authority::token::{self, Verifier};
use postern::base::Base;
use postern::config::Env;
use postern::interactions::Interactions;
use postern::secret::OperatorSecret;
use postern::store::Schema;
use postern::telemetry::Metrics;
use postern::wire::AllowedPrivate;
use postern::wire::client::GuardedClient;
use postern::wire::event::Incoming;
use postern::{Error, Store};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Maximum number of readers that wait at once in one Lambda environment. Each sends a statement a second, and an
/// environment has few database connections.
const MAX_WAITING: usize = 32;

/// Timeout of connecting to the database at cold start.
const OPEN: Duration = Duration::from_secs(1);

/// The webhooks function.
pub struct App {
    pub(crate) store: Arc<Store>,
    pub(crate) interactions: Interactions,
    pub(crate) ack_budget: Duration,
    /// Limits the readers that wait at once in this environment.
    pub(crate) waiting: Semaphore,
    pub(crate) metrics: Metrics,
    workers: Verifier,
}

impl App {
    /// Reads the environment. It calls nothing.
    ///
    /// # Errors
    /// A variable is missing or malformed, or the platform's certificate roots cannot be read.
    pub async fn from_env(env: &Env, metrics: Metrics) -> Result<Self, BoxError> {
        let base = Base::from_env(env, Schema::Webhooks).await?;
        let worker_keys = OperatorSecret::from_env(env, "WORKER_TOKEN_JWKS_SECRET_ID")?;
        let client = Arc::new(GuardedClient::for_chat(AllowedPrivate::from_env(env)?)?);
        Ok(Self {
            interactions: Interactions::from_env(env, &base, client)?,
            ack_budget: env.bound("ACK_BUDGET_MS", 2_000)?,
            waiting: Semaphore::new(MAX_WAITING),
            metrics,
            workers: Verifier::new(base.secrets, worker_keys),
            store: base.store,
        })
    }

    /// Connects to the database before the first request, which needs it and may be a click whose platform waits for
    /// few seconds. Environments that Lambda starts ahead of requests have then connected already. A failure shows in
    /// the first request, which tries again. What takes longer goes on, and the first request waits for the rest.
    pub async fn open(&self) {
        let _ = self.store.until(Instant::now() + OPEN).open().await;
    }

    /// The worker that the request's token proves. Whether the token was revoked is not checked here, but by the
    /// statement that uses the worker.
    ///
    /// # Errors
    /// `invalid_worker_token`, `secret_unavailable`.
    pub(crate) async fn worker(&self, incoming: &Incoming) -> Result<VerifiedWorker, Error> {
        self.workers.verify(token::presented(incoming)?).await
    }
}
