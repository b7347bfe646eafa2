//! What happens to a request: authenticate, scope, decide, permit, read the credential, send, answer.

use crate::app::App;
use crate::call::Call;
use crate::credential::Credentials;
use crate::outgoing::{self, Sent};
use crate::record::{Invocation, NOT_THE_OPERATORS, Proxied};
use crate::response::{self, Limits, Response};
use crate::rewrite::{ClientAddress, Rewriter};
use crate::route::{ProxyPath, Route};
use crate::rule_cache::Key;
use crate::tunnel;
use http::{HeaderValue, Method, StatusCode};
use postern::authority::access::{self, Access, Admitted, Caller, EgressAllowed, ProviderOf};
use postern::authority::scope::VerifiedWorker;
use postern::gate::{Body, EgressRequest};
use postern::policy::{Grant, Policies};
use postern::provider::{OfClient, Provider, ProviderRow};
use postern::secret::{AFTER_A_REFUSAL, Freshness};
use postern::wire::answer;
use postern::wire::client::SendError;
use postern::wire::event::{HttpEvent, Incoming};
use postern::{Code, Error, Placeholder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::time::{Duration, Instant};

/// A request whose caller is known, with what decides whether it may be sent.
struct Authorized {
    admitted: Admitted,
    /// The organization's own provider, if the path names one.
    own: Option<Provider>,
    policies: Policies,
    grant: Grant,
    /// How long the database took.
    database: Duration,
}

/// An error of Postern's own, and what the answer and the metrics need to know of the provider.
struct Refused<'a> {
    /// The slug, where it is an operator's.
    provider: Option<&'a str>,
    challenges: Vec<HeaderValue>,
    error: Error,
}

impl<E: Into<Error>> From<E> for Refused<'_> {
    fn from(error: E) -> Self {
        Self {
            provider: None,
            challenges: Vec::new(),
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
        answered.unwrap_or_else(|refused| {
            let Refused {
                provider,
                challenges,
                error,
            } = refused;
            answer::log_error(&error, request_id);
            self.metrics.refused(provider, &error);
            response::error(&error, &challenges, request_id)
        })
    }

    async fn handle(
        &self,
        incoming: &Incoming,
        invocation: Invocation<'_>,
    ) -> Result<Response, Refused<'_>> {
        let path = match Route::parse(&incoming.path)? {
            Route::Health => return Ok(health(incoming)?),
            Route::Decide => return Ok(tunnel::decide(self, incoming).await?),
            Route::Proxy(path) => path,
        };
        let operators = self.providers.get(path.slug.as_str());
        let answered = self.proxy(incoming, &path, operators, invocation).await;
        answered.map_err(|error| Refused {
            provider: (error.code != Code::UnknownProvider).then(|| label(operators)),
            challenges: challenges(operators),
            error,
        })
    }

    async fn proxy(
        &self,
        incoming: &Incoming,
        path: &ProxyPath<'_>,
        operators: Option<&Provider>,
        invocation: Invocation<'_>,
    ) -> Result<Response, Error> {
        let mut credentials = Credentials::collect(incoming, path.rest, operators)?;
        let worker = match &credentials.worker_token {
            Some(token) => Some(self.workers.verify(token.expose_secret()).await?),
            None => None,
        };
        if matches!(incoming.method, Method::TRACE | Method::CONNECT) {
            return Err(Code::MethodNotAllowed.into());
        }
        if wants_websocket(incoming) {
            return Err(Code::UpgradeUnsupported.into());
        }
        if credentials.are_missing() {
            return Err(Code::MissingCredentials.into());
        }
        // An address that cannot be made is refused before anything is asked, if the provider is known.
        let call = operators.map(|known| Call::new(incoming, path.rest, known));
        let call = call.transpose()?;
        let authorized = self
            .authorize(incoming, path, operators, worker, &mut credentials)
            .await?;
        let provider = operators.or(authorized.own.as_ref());
        let provider = provider.ok_or(Code::UnknownProvider)?;
        let call = match call {
            Some(call) => call,
            None => Call::new(incoming, path.rest, provider)?,
        };
        let decided = self.decide(&call, &authorized).await?;
        let access = authorized.admitted.spend(decided)?;
        if access.legacy {
            tracing::warn!(
                event = "legacy_placeholder",
                request_id = invocation.request_id,
                agent_id = access.agent.as_str(),
                provider = provider.slug.as_str(),
                "a placeholder without organization or allowed hosts was used; mint a new one"
            );
        }
        let secret = self.secrets.read(&access.permit, Freshness::Cached).await?;
        let database = authorized.database;
        let label = label(operators);
        let line = Proxied::begin(self.metrics, invocation, &call, label, &access, database);
        let mount = incoming.path.strip_suffix(path.rest).unwrap_or_default();
        let front = incoming.front.as_deref();
        let client = ClientAddress {
            rest: path.rest,
            query: &incoming.query,
            header: incoming
                .header("x-goog-api-key")
                .and_then(Placeholder::within),
        };
        let rewriter = front.map(|front| Rewriter::new(provider, front, mount, client));
        let sending = Sending {
            call: &call,
            client: credentials.of_client(),
            access: &access,
            deadline: self.total_timeout.map(|total| invocation.started + total),
        };
        self.forward(&sending, secret, rewriter.as_ref(), line)
            .await
    }

    /// Proves the organization, or refuses. The slug, where it is no operator's, names a provider of that organization.
    async fn authorize(
        &self,
        incoming: &Incoming,
        path: &ProxyPath<'_>,
        operators: Option<&Provider>,
        worker: Option<VerifiedWorker>,
        credentials: &mut Credentials,
    ) -> Result<Authorized, Error> {
        let request = access::Request {
            worker,
            agent: path.agent.clone(),
            user: path.user.clone(),
            placeholders: std::mem::take(&mut credentials.placeholders),
            provider: match operators {
                Some(provider) => ProviderOf::Operator(provider.provider_id.clone()),
                None => ProviderOf::Organization(path.slug.clone()),
            },
        };
        let recalled = self.rule_cache.recall(Key::from_request(&request));
        let asked = Instant::now();
        let host = operators.map(Provider::host);
        let facts = self
            .store
            .access_facts(&request, host, &recalled.hashes())
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
        let own = facts.own_provider.take().map(ProviderRow::read);
        let own = own.transpose().map_err(faulty);
        let provider = match (operators, &own) {
            (Some(provider), _) | (None, Ok(Some(provider))) => Ok(provider),
            (None, Ok(None)) => Err(Code::UnknownProvider.into()),
            (None, Err(error)) => Err(Error::new(error.code, error.message().to_owned())),
        };
        let host = provider.map(Provider::host);
        let admitted = access::admit(&self.rules, &request, &facts, host);
        let admitted = admitted.map_err(|error| {
            if error.code == Code::Unauthorized {
                let address = incoming.source.as_deref();
                self.limiter.answer(error, address, Instant::now())
            } else {
                error
            }
        })?;
        let own = own?;
        if let Some(own) = &own {
            credentials.check_places(own)?;
        }
        Ok(Authorized {
            admitted,
            own,
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
            body: Body::Known(&call.body),
            of_provider: true,
        };
        Box::pin(self.gate.decide(request)).await.pass()
    }

    /// Sends the request. If the provider refuses the key and the secret was rotated, sends it once more.
    async fn forward(
        &self,
        sending: &Sending<'_>,
        secret: SecretString,
        rewriter: Option<&Rewriter<'_>>,
        mut line: Proxied,
    ) -> Result<Response, Error> {
        let permit = &sending.access.permit;
        let (mut upstream, mut sent) = self.send(sending, &secret).await?;
        if sending.call.provider.says_bad_key(upstream.status())
            && let Ok(fresh) = self.secrets.read(permit, AFTER_A_REFUSAL).await
            && fresh.expose_secret() != secret.expose_secret()
        {
            let first = sent.injected;
            (upstream, sent) = self.send(sending, &fresh).await?;
            sent.injected.extend(first);
        }
        line.status = upstream.status().as_u16();
        let limits = Limits {
            idle: self.idle_timeout,
            deadline: sending.deadline,
        };
        response::forward(upstream, sent, rewriter, limits, line)
    }

    async fn send(
        &self,
        sending: &Sending<'_>,
        secret: &SecretString,
    ) -> Result<(http::Response<hyper::body::Incoming>, Sent), Error> {
        let Sending {
            call,
            client,
            access,
            deadline,
        } = sending;
        let (request, sent) = outgoing::build(call, client, secret, access.auth_type)?;
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let within = self.header_timeout.min(left.unwrap_or(Duration::MAX));
        let upstream = tokio::time::timeout(within, self.client.send(request))
            .await
            .map_err(|_| Error::from(Code::UpstreamTimeout))?
            .map_err(SendError::into_error)?;
        Ok((upstream, sent))
    }
}

/// A request that may be sent.
struct Sending<'a> {
    call: &'a Call<'a>,
    client: OfClient<'a>,
    access: &'a Access,
    deadline: Option<Instant>,
}

/// The provider's name in metrics.
fn label(operators: Option<&Provider>) -> &str {
    operators.map_or(NOT_THE_OPERATORS, |provider| provider.slug.as_str())
}

/// How a client may send its credential. A provider that is not known yet may take either.
fn challenges(operators: Option<&Provider>) -> Vec<HeaderValue> {
    const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"postern\"");
    const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"postern\"");
    match operators {
        Some(provider) if provider.takes_basic() => vec![BASIC],
        Some(_) => vec![BEARER],
        None => vec![BASIC, BEARER],
    }
}

/// `put_provider` writes no such row.
fn faulty(rule: String) -> Error {
    let message = format!(
        "the organization's provider of this slug is not valid, so nothing is sent; write it again with put_provider: {rule}"
    );
    Error::new(Code::UpstreamForbidden, message)
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
