//! `POST /v1/egress/decide`: a decision for a CONNECT proxy that runs beside the agents, which Lambda
//! cannot be.

use crate::app::App;
use crate::response::{self, Response};
use crate::rule_cache::Key;
use http::{Method, StatusCode};
use postern::authority::token;
use postern::gate::{Body, Decision, EgressRequest, Verdict};
use postern::host::HostName;
use postern::policy::{MAX_METHOD_LENGTH, Scheme, Target};
use postern::question::GrantPattern;
use postern::wire::answer;
use postern::wire::event::Incoming;
use postern::{Code, Error};
use serde::Deserialize;
use serde_json::{Value, json};

/// Most that the body may hold, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

#[derive(Deserialize)]
struct TunnelRequest {
    scheme: String,
    host: String,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    path: Option<String>,
}

/// Decides whether a tunnel may be opened, or a request in it sent.
///
/// # Errors
/// `method_not_allowed`, `invalid_worker_token`, `agent_mismatch`, `body_too_large`, `invalid_json`,
/// `invalid_request`, `secret_unavailable`, `database_unavailable`.
pub(crate) async fn decide(app: &App, incoming: &Incoming) -> Result<Response, Error> {
    if incoming.method != Method::POST {
        return Err(Code::MethodNotAllowed.into());
    }
    let worker = app.workers.verify(token::presented(incoming)?).await?;
    if incoming.body.len() > BODY_LIMIT {
        return Err(Error::new(
            Code::BodyTooLarge,
            "the body is over the limit of 64 KiB",
        ));
    }
    let target = target(&incoming.body)?;
    let recalled = app.rule_cache.recall(Key::from_agent(worker.agent()));
    let pattern = GrantPattern::Host(target.host.clone());
    let facts = app
        .store
        .policy_facts(&worker, Some(&pattern), &recalled.hashes())
        .await?;
    facts.token.check()?;
    let of_provider = app.providers.are_at(&target) || facts.has_own_provider_at(&target);
    let request = EgressRequest {
        agent: worker.agent(),
        policies: &recalled.resolve(facts.policies),
        grant: facts.grant,
        target: &target,
        body: Body::Hidden,
        of_provider,
    };
    let decision = Box::pin(app.gate.decide(request)).await;
    app.metrics.answered();
    Ok(shown(&decision))
}

fn target(body: &[u8]) -> Result<Target, Error> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Code::InvalidJson)?;
    let request: TunnelRequest = serde_json::from_value(value).map_err(|error| {
        Error::new(
            Code::InvalidRequest,
            format!("the body must be {{scheme, host, port, method?, path?}}: {error}"),
        )
    })?;
    let scheme: Scheme = request
        .scheme
        .parse()
        .map_err(|rule| Error::field("scheme", rule))?;
    let host = HostName::parse(&request.host).map_err(|rule| Error::field("host", rule))?;
    let port = request.port.unwrap_or(scheme.default_port());
    if port == 0 {
        return Err(Error::field("port", "must be 1 to 65535"));
    }
    if let Some(method) = &request.method
        && (method.len() > MAX_METHOD_LENGTH || method.parse::<Method>().is_err())
    {
        return Err(Error::field("method", "must be a method of HTTP"));
    }
    // No rule looks at a query; a judge does.
    let whole = request
        .path
        .as_deref()
        .map(|path| path.split('#').next().unwrap_or_default());
    let (path, query) = match whole {
        Some(whole) => {
            let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
            (Some(path), query)
        }
        None => (None, ""),
    };
    if path.is_some_and(|path| !path.starts_with('/') && !path.is_empty()) {
        return Err(Error::field("path", "must begin with /"));
    }
    Ok(Target::new(scheme, host, port, request.method.as_deref(), path).with_query(query))
}

fn shown(decision: &Decision) -> Response {
    let mut body = json!({
        "verdict": decision.verdict.as_str(),
        "source": decision.source.as_str(),
        "reason": decision.reason,
    });
    if let Verdict::Ask(id) = &decision.verdict {
        body["interaction_id"] = id.as_str().into();
    }
    response::whole(answer::json(StatusCode::OK, &body))
}
