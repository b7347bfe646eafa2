//! Routes, and who may take them.

use crate::{click, grant, interaction, reply};
use http::Method;
use lambda_http::Error as BoxError;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use percent_encoding::percent_decode_str;
use postern::authority::scope::VerifiedWorker;
use postern::authority::token;
use postern::authority::token::Verifier;
use postern::chat::ApiHosts;
use postern::config::Env;
use postern::deadline::Deadline;
use postern::interactions::Interactions;
use postern::interactions::pending_ttl;
use postern::secret::SecretsConfig;
use postern::secret::{OperatorSecret, SecretNames};
use postern::store::DatabaseConfig;
use postern::telemetry::Metrics;
use postern::wire::AllowedPrivate;
use postern::wire::event::{HttpEvent, Incoming};
use postern::{Code, Error, Secrets, Store};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Most that a body may hold, in bytes.
const BODY_LIMIT: usize = 1 << 20;
/// A waiting reader costs a statement a second, and an environment has few connections.
const MAX_WAITING: usize = 32;

/// All that the webhooks function can do.
pub struct App {
    pub(crate) interactions: Interactions,
    pub(crate) ack_budget: Duration,
    /// Readers that may wait in this environment at once.
    pub(crate) waiting: Semaphore,
    pub(crate) workers: Verifier,
    metrics: Metrics,
}

impl App {
    /// Reads the environment. Connects to nothing: the first request does, if it needs to.
    pub async fn from_env(env: &Env, metrics: Metrics) -> Result<Self, BoxError> {
        let secrets_config = SecretsConfig::from_env(env)?;
        let database = DatabaseConfig::from_env(env)?;
        let worker_keys = OperatorSecret::from_env(env, "WORKER_TOKEN_JWKS_SECRET_ID")?;
        let ttl = pending_ttl(env)?;
        let ack_budget = env.bound("ACK_BUDGET_MS", 2_000)?;
        let allowed = AllowedPrivate::from_env(env)?;
        let chat_hosts = ApiHosts::from_env(env)?;
        let secrets = Arc::new(Secrets::new(&secrets_config).await);
        let store = Arc::new(Store::new(database, Arc::clone(&secrets))?);
        let names = SecretNames::new(secrets_config.prefix);
        Ok(Self {
            interactions: Interactions::new(
                store,
                Arc::clone(&secrets),
                names,
                Interactions::outbound_client(allowed)?,
                chat_hosts,
                ttl,
            ),
            ack_budget,
            waiting: Semaphore::new(MAX_WAITING),
            workers: Verifier::new(secrets, worker_keys),
            metrics,
        })
    }

    /// Answers one event. Never an `Err`: an error is an answer.
    pub async fn serve(
        &self,
        event: HttpEvent,
        request_id: &str,
        deadline: Deadline,
    ) -> ApiGatewayProxyResponse {
        let answered = match Incoming::try_from(event) {
            Ok(incoming) => Box::pin(self.handle(&incoming, deadline)).await,
            Err(error) => Err(error),
        };
        self.metrics
            .request(answered.as_ref().err().map(|error| error.code));
        answered.unwrap_or_else(|error| {
            postern::wire::answer::log_error(&error, request_id);
            reply::error(&error, request_id)
        })
    }

    async fn handle(
        &self,
        incoming: &Incoming,
        deadline: Deadline,
    ) -> Result<ApiGatewayProxyResponse, Error> {
        let segments: Vec<&str> = incoming.path.trim_start_matches('/').split('/').collect();
        if incoming.body.len() > BODY_LIMIT {
            return Err(Code::BodyTooLarge.into());
        }
        match (segments.as_slice(), &incoming.method) {
            (["v1", "interactions"], &Method::POST) => interaction::create(self, incoming).await,
            (["v1", "interactions", id], &Method::GET) => {
                interaction::read(self, incoming, &decoded(id)?, deadline).await
            }
            (["v1", "interactions", id], &Method::DELETE) => {
                interaction::withdraw(self, incoming, &decoded(id)?).await
            }
            (["v1", "grants"], &Method::GET) => grant::read(self, incoming).await,
            (["webhooks", connection], &Method::POST) => {
                click::receive(self, incoming, &decoded(connection)?).await
            }
            (
                ["v1", "interactions" | "grants"] | ["v1", "interactions", _] | ["webhooks", _],
                _,
            ) => Err(Code::MethodNotAllowed.into()),
            _ => Err(Code::NotFound.into()),
        }
    }

    /// The worker that the request's token proves. Whether it was revoked, the statement says that it is
    /// needed for.
    pub(crate) async fn worker(&self, incoming: &Incoming) -> Result<VerifiedWorker, Error> {
        self.workers.verify(token::presented(incoming)?).await
    }
}

fn decoded(segment: &str) -> Result<String, Error> {
    let text = percent_decode_str(segment).decode_utf8();
    text.map(|text| text.into_owned())
        .map_err(|_| Error::new(Code::InvalidRequest, "the path is not UTF-8"))
}
