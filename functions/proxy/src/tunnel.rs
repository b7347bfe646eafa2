//! `POST /v1/egress/decide`: a decision for a CONNECT proxy that runs beside the agents, which Lambda
//! cannot be.

use crate::app::App;
use crate::known::{Asker, hashes};
use crate::response::{self, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use postern::authority::token;
use postern::gate::{Body, Decision, EgressRequest, Verdict};
use postern::host::HostName;
use postern::policy::{MAX_METHOD, Policies, Scheme, Target};
use postern::question::GrantPattern;
use postern::wire::event::Incoming;
use postern::{Code, Error};
use serde::Deserialize;
use serde_json::{Value, json};

pub const PATH: &str = "/v1/egress/decide";
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

pub async fn decide(app: &App, incoming: &Incoming) -> Result<Response, Error> {
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
    let asker = Asker {
        organization: Some(worker.agent().organization().clone()),
        agent: Some(worker.agent().agent().clone()),
        placeholders: Vec::new(),
    };
    let known = app.known.of(&asker);
    let pattern = GrantPattern::Host(target.host.clone());
    let facts = app
        .store
        .policy_facts(&worker, Some(&pattern), &hashes(&known))
        .await?;
    facts.token.check()?;
    let policies = Policies::resolve(facts.policies, &known);
    app.known.remember(asker, policies.known());
    let of_provider = app.providers.all().any(|provider| provider.is_at(&target));
    let matter = EgressRequest {
        agent: worker.agent(),
        policies: &policies,
        grant: facts.grant,
        target: &target,
        body: Body::Hidden,
        of_provider,
    };
    let decision = Box::pin(app.gate.decide(matter)).await;
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
        && (method.len() > MAX_METHOD || method.parse::<Method>().is_err())
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
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response::whole(StatusCode::OK, headers, body.to_string())
}
