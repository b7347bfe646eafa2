//! What CloudWatch counts: by function and provider, never by tenant unless the operator asks for it.

use crate::response::Proxied;
use metrics::{counter, histogram};
use postern::config::{ConfigError, Env};
use postern::telemetry::{self, ERRORS, OWN_LATENCY, REQUESTS, TIME_TO_FIRST_BYTE};
use postern::telemetry::{Metrics as Sink, UPSTREAM_LATENCY};
use postern::{Error, OrganizationId};
use std::time::Duration;

/// The label of a request that names no known provider.
const NO_PROVIDER: &str = "none";

/// The proxy's metrics.
#[derive(Clone, Copy)]
pub struct Metrics {
    sink: Sink,
    by_organization: bool,
}

impl Metrics {
    /// `METRICS_BY_ORGANIZATION` adds the metrics once more with the organization as a dimension.
    pub fn from_env(env: &Env, sink: telemetry::Metrics) -> Result<Self, ConfigError> {
        Ok(Self {
            sink,
            by_organization: env.parsed("METRICS_BY_ORGANIZATION", false)?,
        })
    }

    /// A request that ended in an error of Postern's own.
    pub fn refused(self, provider: Option<&str>, error: &Error) {
        let provider = provider.unwrap_or(NO_PROVIDER).to_owned();
        counter!(REQUESTS, "provider" => provider.clone()).increment(1);
        failed(&provider, error.code.as_str());
        self.sink.flush();
    }

    /// A request that Postern itself answered.
    pub fn answered(self) {
        counter!(REQUESTS, "provider" => NO_PROVIDER).increment(1);
        self.sink.flush();
    }

    /// A request that the upstream answered.
    pub fn proxied(self, line: &Proxied) {
        record(line, None);
        if let (true, Some(organization)) = (self.by_organization, &line.organization) {
            record(line, Some(organization));
        }
        if let Some(code) = line.broken() {
            failed(&line.provider, code);
        }
        self.sink.flush();
    }
}

/// An error, among all of its provider's and by its code.
fn failed(provider: &str, code: &'static str) {
    counter!(ERRORS, "provider" => provider.to_owned()).increment(1);
    counter!(ERRORS, "provider" => provider.to_owned(), "code" => code).increment(1);
}

fn record(line: &Proxied, organization: Option<&OrganizationId>) {
    let mut labels = vec![metrics::Label::new("provider", line.provider.clone())];
    labels.extend(organization.map(|id| metrics::Label::new("organization_id", id.to_string())));
    counter!(REQUESTS, labels.clone()).increment(1);
    histogram!(UPSTREAM_LATENCY, labels.clone()).record(millis(line.sent_at.elapsed()));
    histogram!(OWN_LATENCY, labels.clone()).record(millis(line.own));
    if let Some(first) = line.first_byte {
        histogram!(TIME_TO_FIRST_BYTE, labels).record(millis(first));
    }
}

/// Milliseconds to the microsecond.
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
