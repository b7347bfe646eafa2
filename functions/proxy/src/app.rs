//! authenticate -> scope -> decide -> permit -> credential -> send -> answer

use crate::credential::Credentials;
use crate::known::{Asker, Known, hashes};
use crate::limiter::Limiter;
use crate::metric::Metrics;
use crate::outgoing::{self, Sent};
use crate::response::{self, Ended, Proxied, Response};
use crate::route::{ProxyPath, Route};
use crate::tunnel;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::Full;
use lambda_http::Error as BoxError;
use postern::authority::access::{
    self, Access, Admitted, Caller, EgressAllowed, LegacyPlaceholders, Rules,
};
use postern::authority::token::Verifier;
use postern::config::Env;
use postern::gate::{Body, EgressRequest, Gate};
use postern::interactions::Interactions;
use postern::judge::{Judge, JudgeConfig};
use postern::policy::{Grant, Policies, Target};
use postern::provider::{Provider, Providers};
use postern::secret::{AFTER_A_REFUSAL, Freshness, OperatorSecret};
use postern::store::Base;
use postern::wire::AllowedPrivate;
use postern::wire::client::GuardedClient;
use postern::wire::event::{HttpEvent, Incoming};
use postern::{Code, Error, Secrets, Store, telemetry};
use secrecy::{ExposeSecret, SecretString};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// All that the proxy can do.
pub struct App {
    pub(crate) store: Arc<Store>,
    pub(crate) providers: Providers,
    pub(crate) known: Known,
    pub(crate) gate: Gate,
    pub(crate) metrics: Metrics,
    pub(crate) workers: Verifier,
    secrets: Arc<Secrets>,
    rules: Rules,
    limiter: Limiter,
    egress: Arc<GuardedClient<Full<Bytes>>>,
    header_timeout: Duration,
    idle_timeout: Duration,
}

/// A request whose asker is known, and what decides whether it may be sent.
struct Asking {
    admitted: Admitted,
    target: Target,
    policies: Policies,
    grant: Grant,
}

impl App {
    /// Reads the environment. Connects to nothing: the first request does, if it needs to.
    pub async fn from_env(env: &Env, metrics: telemetry::Metrics) -> Result<Self, BoxError> {
        let metrics = Metrics::from_env(env, metrics)?;
        let base = Base::from_env(env).await?;
        let worker_keys = OperatorSecret::from_env(env, "WORKER_TOKEN_JWKS_SECRET_ID")?;
        let providers = Providers::from_env(env)?;
        let judge = JudgeConfig::from_env(env, &providers)?;
        let rules = Rules {
            legacy: env.parsed("LEGACY_PLACEHOLDERS", LegacyPlaceholders::Warn)?,
            require_worker_token: env.parsed("REQUIRE_WORKER_TOKEN", false)?,
            names: base.names.clone(),
        };
        let allowed = AllowedPrivate::from_env(env)?;
        let connect_timeout = env.bound("UPSTREAM_CONNECT_TIMEOUT_MS", 5_000)?;
        let header_timeout = env.bound("UPSTREAM_HEADER_TIMEOUT_MS", 840_000)?;
        let idle_timeout = env.bound("UPSTREAM_IDLE_TIMEOUT_MS", 300_000)?;
        let egress = Arc::new(GuardedClient::new(allowed, connect_timeout)?);
        let interactions = Interactions::from_env(env, &base, Arc::clone(&egress))?;
        let judge = Judge::new(
            judge,
            Arc::clone(&base.store),
            Arc::clone(&base.secrets),
            &rules.names,
            Arc::clone(&egress),
        );
        Ok(Self {
            store: base.store,
            providers,
            known: Known::new(),
            gate: Gate::new(judge, interactions),
            metrics,
            workers: Verifier::new(Arc::clone(&base.secrets), worker_keys),
            secrets: base.secrets,
            rules,
            limiter: Limiter::new(),
            egress,
            header_timeout,
            idle_timeout,
        })
    }

    /// Answers one event. Never an `Err`: an error is an answer.
    pub async fn serve(&self, event: HttpEvent, request_id: &str) -> Response {
        let started = Instant::now();
        let mut provider = None;
        let answered = match Incoming::try_from(event) {
            Ok(incoming) => {
                Box::pin(self.handle(&incoming, request_id, started, &mut provider)).await
            }
            Err(error) => Err(error),
        };
        answered.unwrap_or_else(|error| {
            postern::wire::answer::log_error(&error, request_id);
            self.metrics.refused(provider, &error);
            response::error(&error, request_id)
        })
    }

    /// Answers; `known` becomes the provider's slug as soon as the path has named one.
    async fn handle<'a>(
        &'a self,
        incoming: &Incoming,
        request_id: &str,
        started: Instant,
        known: &mut Option<&'a str>,
    ) -> Result<Response, Error> {
        if matches!(incoming.method, Method::TRACE | Method::CONNECT) {
            return Err(Code::MethodNotAllowed.into());
        }
        let path = match Route::parse(&incoming.path)? {
            Route::Health => return health(incoming),
            Route::Decide => return tunnel::decide(self, incoming).await,
            Route::Proxy(path) => path,
        };
        let provider = self.providers.get(path.slug).ok_or(Code::UnknownProvider)?;
        *known = Some(&provider.slug);
        if incoming.headers.contains_key(header::UPGRADE) && wants_websocket(incoming) {
            return Err(Code::UpgradeUnsupported.into());
        }
        let (asking, database) = self.authorize(incoming, &path, provider).await?;
        let decided = self.decide(&asking, &incoming.body).await?;
        let access = asking.admitted.spend(decided)?;
        if access.legacy {
            tracing::warn!(
                event = "legacy_placeholder",
                request_id,
                agent_id = access.agent.as_str(),
                provider = provider.slug,
                "a placeholder without organization or allowed hosts was used; mint a new one"
            );
        }
        let secret = self.secrets.read(&access.permit, Freshness::Cached).await?;
        let line = Proxied {
            metrics: self.metrics,
            request_id: request_id.to_owned(),
            organization: access.organization.clone(),
            agent: access.agent.clone(),
            provider: provider.slug.clone(),
            host: provider.host().to_owned(),
            method: incoming.method.to_string(),
            status: 0,
            started,
            own: started.elapsed(),
            database,
            sent_at: Instant::now(),
            first_byte: None,
            bytes_in: incoming.body.len(),
            bytes_out: 0,
            ended: Ended::NoAnswer,
        };
        self.forward(incoming, path.rest, provider, &access, secret, line)
            .await
    }

    /// Proves the organization, or refuses; and how long the database took.
    async fn authorize(
        &self,
        incoming: &Incoming,
        path: &ProxyPath<'_>,
        provider: &Provider,
    ) -> Result<(Asking, Duration), Error> {
        let target = outgoing::target(incoming, path.rest, provider)?;
        let credentials = Credentials::collect(incoming, provider)?;
        let worker = match &credentials.worker_token {
            Some(token) => Some(self.workers.verify(token.expose_secret()).await?),
            None => None,
        };
        let request = access::Request {
            worker,
            agent: path.agent.clone(),
            user: path.user.clone(),
            placeholders: credentials.placeholders,
            provider: provider.provider_id.clone(),
        };
        let asker = Asker {
            organization: request
                .worker
                .as_ref()
                .map(|worker| worker.agent().organization().clone()),
            agent: request
                .agent
                .clone()
                .or_else(|| Some(request.worker.as_ref()?.agent().agent().clone())),
            placeholders: request.placeholders.clone(),
        };
        let known = self.known.of(&asker);
        let asked = Instant::now();
        let pattern = target.host.pattern();
        let facts = self
            .store
            .access_facts(&request, &pattern, &hashes(&known))
            .await;
        let mut facts = facts.map_err(|error| {
            // What could not be answered first is the organization, unless the token named it.
            let unresolved = request.worker.is_none() && request.agent.is_some();
            let code = if unresolved {
                Code::AgentOrgUnresolved
            } else {
                Code::DatabaseUnavailable
            };
            Error::from(code).because(error)
        })?;
        let database = asked.elapsed();
        let admitted = access::admit(&self.rules, &request, &facts, provider.host());
        let admitted = admitted.map_err(|error| {
            if error.code == Code::Unauthorized {
                let address = incoming.source.as_deref();
                self.limiter.answer(error, address, Instant::now())
            } else {
                error
            }
        })?;
        let policies = Policies::resolve(std::mem::take(&mut facts.policies), &known);
        self.known.remember(asker, policies.known());
        let asking = Asking {
            admitted,
            target,
            policies,
            grant: facts.grant,
        };
        Ok((asking, database))
    }

    /// Whether the policies let it be sent.
    async fn decide(&self, asking: &Asking, body: &[u8]) -> Result<EgressAllowed, Error> {
        let agent = match asking.admitted.caller() {
            Caller::Agent(agent) => agent,
            Caller::NoOrganization(passed) => return Ok(passed),
        };
        let matter = EgressRequest {
            agent: &agent,
            policies: &asking.policies,
            grant: asking.grant,
            target: &asking.target,
            body: Body::Known(body),
            of_provider: true,
        };
        Box::pin(self.gate.decide(matter)).await.pass()
    }

    /// Sends, and once more when the secret turns out to have been rotated.
    async fn forward(
        &self,
        incoming: &Incoming,
        rest: &str,
        provider: &Provider,
        access: &Access,
        secret: SecretString,
        mut line: Proxied,
    ) -> Result<Response, Error> {
        let (mut upstream, mut sent) = self.send(incoming, rest, provider, access, &secret).await?;
        if upstream.status() == StatusCode::UNAUTHORIZED
            && let Ok(fresh) = self.secrets.read(&access.permit, AFTER_A_REFUSAL).await
            && fresh.expose_secret() != secret.expose_secret()
        {
            let first = sent.injected;
            (upstream, sent) = self.send(incoming, rest, provider, access, &fresh).await?;
            sent.injected.extend(first);
        }
        line.status = upstream.status().as_u16();
        response::forward(upstream, sent, self.idle_timeout, line)
    }

    async fn send(
        &self,
        incoming: &Incoming,
        rest: &str,
        provider: &Provider,
        access: &Access,
        secret: &SecretString,
    ) -> Result<(http::Response<hyper::body::Incoming>, Sent), Error> {
        let (request, sent) = outgoing::build(incoming, rest, provider, secret, access.auth_type)?;
        let upstream = tokio::time::timeout(self.header_timeout, self.egress.send(request))
            .await
            .map_err(|_| Error::from(Code::UpstreamTimeout))?
            .map_err(postern::wire::client::SendError::into_error)?;
        Ok((upstream, sent))
    }
}

fn wants_websocket(incoming: &Incoming) -> bool {
    incoming
        .header("upgrade")
        .is_some_and(|upgrade| upgrade.to_ascii_lowercase().contains("websocket"))
}

fn health(incoming: &Incoming) -> Result<Response, Error> {
    if !matches!(incoming.method, Method::GET | Method::HEAD) {
        return Err(Code::MethodNotAllowed.into());
    }
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    Ok(response::whole(
        StatusCode::OK,
        headers,
        r#"{"service":"proxy","status":"ok"}"#,
    ))
}
