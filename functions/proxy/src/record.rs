//! The record of a request: one log line, and metrics by function and provider. Metrics name tenants only where
//! the operator asks for it.

use crate::call::Call;
use metrics::{counter, histogram};
use postern::authority::access::Access;
use postern::config::{ConfigError, Env};
use postern::telemetry::{
    ERRORS, Metrics, OWN_LATENCY, REQUESTS, TIME_TO_FIRST_BYTE, UPSTREAM_LATENCY,
};
use postern::{AgentId, Error, OrganizationId};
use std::time::{Duration, Instant};

/// The label of a request that names no known provider.
const NO_PROVIDER: &str = "none";
/// The label of a request to a provider that is a tenant's own, or to none.
pub(crate) const NOT_THE_OPERATORS: &str = "tenant";

/// The invocation that brought a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Invocation<'a> {
    /// Lambda's request id.
    pub request_id: &'a str,
    /// When its event arrived.
    pub started: Instant,
}

/// The proxy's metrics.
#[derive(Clone, Copy)]
pub(crate) struct ProxyMetrics {
    sink: Metrics,
    by_organization: bool,
}

impl ProxyMetrics {
    /// Reads `METRICS_BY_ORGANIZATION`, which adds every metric once more with the organization as a dimension.
    ///
    /// # Errors
    /// Where it is malformed.
    pub(crate) fn from_env(env: &Env, sink: Metrics) -> Result<Self, ConfigError> {
        Ok(Self {
            sink,
            by_organization: env.parsed("METRICS_BY_ORGANIZATION", false)?,
        })
    }

    /// Counts a request that ended in an error of Postern's own.
    pub(crate) fn refused(self, provider: Option<&str>, error: &Error) {
        let provider = provider.unwrap_or(NO_PROVIDER).to_owned();
        counter!(REQUESTS, "provider" => provider.clone()).increment(1);
        failed(&provider, error.code.as_str());
        self.sink.flush();
    }

    /// Counts a request that Postern itself answered.
    pub(crate) fn answered(self) {
        counter!(REQUESTS, "provider" => NO_PROVIDER).increment(1);
        self.sink.flush();
    }

    /// Counts a request that the upstream answered.
    fn proxied(self, line: &Proxied) {
        record(line, None);
        if let (true, Some(organization)) = (self.by_organization, &line.organization) {
            record(line, Some(organization));
        }
        if let Some(code) = line.broken() {
            failed(&line.label, code);
        }
        self.sink.flush();
    }
}

/// Counts an error, once for the provider and once for the provider and the code.
fn failed(provider: &str, code: &'static str) {
    counter!(ERRORS, "provider" => provider.to_owned()).increment(1);
    counter!(ERRORS, "provider" => provider.to_owned(), "code" => code).increment(1);
}

fn record(line: &Proxied, organization: Option<&OrganizationId>) {
    let mut labels = vec![metrics::Label::new("provider", line.label.clone())];
    labels.extend(organization.map(|id| metrics::Label::new("organization_id", id.to_string())));
    counter!(REQUESTS, labels.clone()).increment(1);
    histogram!(UPSTREAM_LATENCY, labels.clone()).record(millis(line.sent_at.elapsed()));
    histogram!(OWN_LATENCY, labels.clone()).record(millis(line.own));
    if let Some(first) = line.first_byte {
        histogram!(TIME_TO_FIRST_BYTE, labels).record(millis(first));
    }
}

/// The one `proxied` line of a request and its metrics. It is written when the body has ended, in whatever way.
pub(crate) struct Proxied {
    metrics: ProxyMetrics,
    request_id: String,
    organization: Option<OrganizationId>,
    agent: AgentId,
    /// The slug.
    provider: String,
    /// The slug of an operator's provider. Metrics name no tenant, and so none of a tenant's slugs.
    label: String,
    host: String,
    method: String,
    /// The upstream's status; 0 before it responds.
    pub status: u16,
    started: Instant,
    /// The time from `started` to sending.
    own: Duration,
    /// The part of `own` that waited for the database.
    database: Duration,
    sent_at: Instant,
    /// The time from `started` to the body's first piece.
    first_byte: Option<Duration>,
    bytes_in: usize,
    bytes_out: usize,
    /// How the response ended, so far.
    pub ended: Ended,
}

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The upstream has not answered.
    NoAnswer,
    /// The client went away before the end.
    ClientGone,
    /// The upstream broke off.
    UpstreamBroke,
    /// The upstream sent nothing for too long.
    UpstreamIdle,
    /// The whole answer took too long.
    OutOfTime,
    /// It was passed on to the end.
    Complete,
}

impl Ended {
    fn as_str(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::ClientGone => "client_gone",
            Self::UpstreamBroke => "upstream_broke",
            Self::UpstreamIdle => "upstream_idle",
            Self::OutOfTime => "out_of_time",
            Self::Complete => "complete",
        }
    }
}

impl Proxied {
    /// The record of a request that is about to be sent.
    pub(crate) fn begin(
        metrics: ProxyMetrics,
        invocation: Invocation<'_>,
        call: &Call<'_>,
        label: &str,
        access: &Access,
        database: Duration,
    ) -> Self {
        Self {
            metrics,
            request_id: invocation.request_id.to_owned(),
            organization: access.organization.clone(),
            agent: access.agent.clone(),
            provider: call.provider.slug.to_string(),
            label: label.to_owned(),
            host: call.provider.host().to_string(),
            method: call.incoming.method.to_string(),
            status: 0,
            started: invocation.started,
            own: invocation.started.elapsed(),
            database,
            sent_at: Instant::now(),
            first_byte: None,
            bytes_in: call.incoming.body.len(),
            bytes_out: 0,
            ended: Ended::NoAnswer,
        }
    }

    /// Counts a piece of the body that is on its way to the client.
    pub(crate) fn piece(&mut self, bytes: usize) {
        if self.first_byte.is_none() && bytes > 0 {
            self.first_byte = Some(self.started.elapsed());
        }
        self.bytes_out += bytes;
    }

    /// The code of a body that the upstream did not finish.
    fn broken(&self) -> Option<&'static str> {
        match self.ended {
            Ended::UpstreamBroke | Ended::UpstreamIdle | Ended::OutOfTime => {
                Some(self.ended.as_str())
            }
            Ended::NoAnswer | Ended::ClientGone | Ended::Complete => None,
        }
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        tracing::info!(
            event = "proxied",
            request_id = self.request_id,
            organization_id = self.organization.as_ref().map(OrganizationId::as_str),
            agent_id = self.agent.as_str(),
            provider = self.provider,
            host = self.host,
            method = self.method,
            status = self.status,
            upstream_ms = millis(self.sent_at.elapsed()),
            own_ms = millis(self.own),
            database_ms = millis(self.database),
            first_byte_ms = self.first_byte.map(millis),
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            ended = self.ended.as_str(),
        );
        // A request without a response is counted as the error that the client gets.
        if self.ended != Ended::NoAnswer {
            self.metrics.proxied(self);
        }
    }
}

/// Milliseconds, rounded to the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
