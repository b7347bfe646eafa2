//! What the webhooks function has.

use lambda_http::Error as BoxError;
use postern::authority::scope::VerifiedWorker;
use postern::authority::token::{self, Verifier};
use postern::base::Base;
use postern::config::Env;
use postern::interactions::Interactions;
use postern::secret::OperatorSecret;
use postern::telemetry::Metrics;
use postern::wire::AllowedPrivate;
use postern::wire::client::GuardedClient;
use postern::wire::event::Incoming;
use postern::{Error, Store};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// A waiting reader costs a statement a second, and an environment has few connections.
const MAX_WAITING: usize = 32;

/// All that the webhooks function can do.
pub struct App {
    pub(crate) store: Arc<Store>,
    pub(crate) interactions: Interactions,
    pub(crate) ack_budget: Duration,
    /// Readers that may wait in this environment at once.
    pub(crate) waiting: Semaphore,
    pub(crate) metrics: Metrics,
    workers: Verifier,
}

impl App {
    /// Reads the environment. Connects to nothing: the first request does, if it needs to.
    ///
    /// # Errors
    /// Where a variable is missing or malformed, or the platform's certificate roots cannot be read.
    pub async fn from_env(env: &Env, metrics: Metrics) -> Result<Self, BoxError> {
        let base = Base::from_env(env).await?;
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

    /// The worker that the request's token proves. Whether it was revoked, the statement says that it is
    /// needed for.
    ///
    /// # Errors
    /// `invalid_worker_token`, `secret_unavailable`.
    pub(crate) async fn worker(&self, incoming: &Incoming) -> Result<VerifiedWorker, Error> {
        self.workers.verify(token::presented(incoming)?).await
    }
}
