//! What happens to a request: authenticate, scope, decide, permit, read the credential, send, answer.

use crate::app::App;
use crate::call::Call;
use crate::credential::Credentials;
use crate::outgoing::{self, Sent};
use crate::record::{Invocation, Proxied};
use crate::response::{self, Response};
use crate::route::{ProxyPath, Route};
use crate::rule_cache::Key;
use crate::tunnel;
use http::{Method, StatusCode, header};
use postern::authority::access::{self, Access, Admitted, Caller, EgressAllowed};
use postern::gate::{Body, EgressRequest};
use postern::policy::{Grant, Policies};
use postern::provider::Provider;
use postern::question::GrantPattern;
use postern::secret::{AFTER_A_REFUSAL, Freshness};
use postern::wire::answer;
use postern::wire::client::SendError;
use postern::wire::event::{HttpEvent, Incoming};
use postern::{Code, Error};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::time::{Duration, Instant};

/// A request whose caller is known, with what decides whether it may be sent.
struct Authorized {
    admitted: Admitted,
    policies: Policies,
    grant: Grant,
    /// How long the database took.
    database: Duration,
}

/// An error of Postern's own, and the provider's slug where the path named one.
struct Refused<'a> {
    provider: Option<&'a str>,
    error: Error,
}

impl<E: Into<Error>> From<E> for Refused<'_> {
    fn from(error: E) -> Self {
        Self {
            provider: None,
            error: error.into(),
        }
    }
}

impl App {
    /// Answers one event. An error is an answer too.
    pub async fn serve(&self, event: HttpEvent, request_id: &str) -> Response {
        let invocation = Invocation {
            request_id,
            started: Instant::now(),
        };
        let answered = match Incoming::try_from(event) {
            Ok(incoming) => Box::pin(self.handle(&incoming, invocation)).await,
            Err(error) => Err(error.into()),
        };
        answered.unwrap_or_else(|Refused { provider, error }| {
            answer::log_error(&error, request_id);
            self.metrics.refused(provider, &error);
            response::error(&error, request_id)
        })
    }

    async fn handle(
        &self,
        incoming: &Incoming,
        invocation: Invocation<'_>,
    ) -> Result<Response, Refused<'_>> {
        if matches!(incoming.method, Method::TRACE | Method::CONNECT) {
            return Err(Code::MethodNotAllowed.into());
        }
        let path = match Route::parse(&incoming.path)? {
            Route::Health => return Ok(health(incoming)?),
            Route::Decide => return Ok(tunnel::decide(self, incoming).await?),
            Route::Proxy(path) => path,
        };
        let provider = self.providers.get(path.slug).ok_or(Code::UnknownProvider)?;
        let answered = self.proxy(incoming, &path, provider, invocation).await;
        answered.map_err(|error| Refused {
            provider: Some(&provider.slug),
            error,
        })
    }

    async fn proxy(
        &self,
        incoming: &Incoming,
        path: &ProxyPath<'_>,
        provider: &Provider,
        invocation: Invocation<'_>,
    ) -> Result<Response, Error> {
        if incoming.headers.contains_key(header::UPGRADE) && wants_websocket(incoming) {
            return Err(Code::UpgradeUnsupported.into());
        }
        let call = Call::new(incoming, path.rest, provider)?;
        let authorized = self.authorize(&call, path).await?;
        let decided = self.decide(&call, &authorized).await?;
        let access = authorized.admitted.spend(decided)?;
        if access.legacy {
            tracing::warn!(
                event = "legacy_placeholder",
                request_id = invocation.request_id,
                agent_id = access.agent.as_str(),
                provider = provider.slug,
                "a placeholder without organization or allowed hosts was used; mint a new one"
            );
        }
        let secret = self.secrets.read(&access.permit, Freshness::Cached).await?;
        let database = authorized.database;
        let line = Proxied::begin(self.metrics, invocation, &call, &access, database);
        self.forward(&call, &access, secret, line).await
    }

    /// Proves the organization, or refuses.
    async fn authorize(&self, call: &Call<'_>, path: &ProxyPath<'_>) -> Result<Authorized, Error> {
        let (incoming, provider) = (call.incoming, call.provider);
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
        let recalled = self.rule_cache.recall(Key::from_request(&request));
        let asked = Instant::now();
        let pattern = GrantPattern::Host(call.target.host.clone());
        let facts = self
            .store
            .access_facts(&request, &pattern, &recalled.hashes())
            .await;
        let mut facts = facts.map_err(|error| {
            // Unless the token names the organization, that is the first thing that could not be found out.
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
        Ok(Authorized {
            admitted,
            policies: recalled.resolve(std::mem::take(&mut facts.policies)),
            grant: facts.grant,
            database,
        })
    }

    /// Asks the gate whether the request may be sent.
    async fn decide(
        &self,
        call: &Call<'_>,
        authorized: &Authorized,
    ) -> Result<EgressAllowed, Error> {
        let agent = match authorized.admitted.caller() {
            Caller::Agent(agent) => agent,
            Caller::NoOrganization(allowed) => return Ok(allowed),
        };
        let request = EgressRequest {
            agent: &agent,
            policies: &authorized.policies,
            grant: authorized.grant,
            target: &call.target,
            body: Body::Known(&call.incoming.body),
            of_provider: true,
        };
        Box::pin(self.gate.decide(request)).await.pass()
    }

    /// Sends the request. If the provider refuses the key and the secret was rotated, sends it once more.
    async fn forward(
        &self,
        call: &Call<'_>,
        access: &Access,
        secret: SecretString,
        mut line: Proxied,
    ) -> Result<Response, Error> {
        let (mut upstream, mut sent) = self.send(call, access, &secret).await?;
        if upstream.status() == StatusCode::UNAUTHORIZED
            && let Ok(fresh) = self.secrets.read(&access.permit, AFTER_A_REFUSAL).await
            && fresh.expose_secret() != secret.expose_secret()
        {
            let first = sent.injected;
            (upstream, sent) = self.send(call, access, &fresh).await?;
            sent.injected.extend(first);
        }
        line.status = upstream.status().as_u16();
        response::forward(upstream, sent, self.idle_timeout, line)
    }

    async fn send(
        &self,
        call: &Call<'_>,
        access: &Access,
        secret: &SecretString,
    ) -> Result<(http::Response<hyper::body::Incoming>, Sent), Error> {
        let (request, sent) = outgoing::build(call, secret, access.auth_type)?;
        let upstream = tokio::time::timeout(self.header_timeout, self.client.send(request))
            .await
            .map_err(|_| Error::from(Code::UpstreamTimeout))?
            .map_err(SendError::into_error)?;
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
    let body = json!({"service": "proxy", "status": "ok"});
    Ok(response::whole(answer::json(StatusCode::OK, &body)))
}
