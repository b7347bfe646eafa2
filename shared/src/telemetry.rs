//! Logs and CloudWatch metrics, one JSON object a line on standard output.

use crate::config::{ConfigError, Env};
use crate::error::Code;
use metrics::{Unit, counter, describe_counter, describe_histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};
use std::{io::Write, process::ExitCode};
use tracing_subscriber::{
    filter::LevelFilter, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt,
};

/// Runs a function's `main`: starts logging, then `run`. A failed cold start is logged with its reason.
pub async fn start<F>(run: impl FnOnce(Env) -> F) -> ExitCode
where
    F: Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>>,
{
    let env = Env::read();
    let level = log_level(&env);
    init(*level.as_ref().unwrap_or(&LevelFilter::INFO));
    let ended = match level {
        // Boxed: a function's whole future is too deep to lay out in one piece.
        Ok(_) => Box::pin(run(env)).await,
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(event = "cold_start_failed", "{error}");
            ExitCode::FAILURE
        }
    }
}

/// One of Lambda's log levels, in any case; `INFO` where none is set.
fn log_level(env: &Env) -> Result<LevelFilter, ConfigError> {
    let level = env.read_as(
        "AWS_LAMBDA_LOG_LEVEL",
        level,
        "must be TRACE, DEBUG, INFO, WARN, ERROR or FATAL",
    )?;
    Ok(level.unwrap_or(LevelFilter::INFO))
}

fn level(text: &str) -> Option<LevelFilter> {
    match text.to_ascii_uppercase().as_str() {
        "TRACE" => Some(LevelFilter::TRACE),
        "DEBUG" => Some(LevelFilter::DEBUG),
        "INFO" => Some(LevelFilter::INFO),
        "WARN" => Some(LevelFilter::WARN),
        "ERROR" | "FATAL" => Some(LevelFilter::ERROR),
        _ => None,
    }
}

/// Starts logging at `level`. Dependencies stay at WARN, since their DEBUG lines may hold headers.
fn init(level: LevelFilter) {
    let ours = Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        .with_target("postern", level);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false);
    // A second call, from tests in one process, keeps the first subscriber.
    let _ = tracing_subscriber::registry()
        .with(ours)
        .with(lines)
        .try_init();
}

/// The process's metrics in the embedded metric format, which CloudWatch turns into metrics without a call:
/// docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html.
/// Recorded with the macros of the crate `metrics`; labels are dimensions. Only a method of this type, or of a
/// type that holds one, records: a function that installs no recorder has none, so it cannot count into the void.
#[derive(Clone, Copy, Default)]
pub struct Metrics(Option<&'static Collector>);

/// Requests, refused ones included.
pub const REQUESTS: &str = "requests";
/// Requests that ended in an error of Postern's own.
pub const ERRORS: &str = "errors";
/// Milliseconds from sending to the end of the upstream's response.
pub const UPSTREAM_LATENCY: &str = "upstream_latency";
/// Milliseconds from the start of the invocation to sending, the database included.
pub const OWN_LATENCY: &str = "own_latency";
/// Milliseconds from the start of the invocation to the first piece of the response body.
pub const TIME_TO_FIRST_BYTE: &str = "time_to_first_byte";

/// Decisions under egress policies, by verdict and source. The event `egress_observed` is a dry run.
pub const EGRESS: &str = "egress";

impl Metrics {
    /// Starts recording. `function` is a dimension of every metric.
    ///
    /// # Errors
    /// Where another recorder is installed already.
    pub fn install(
        function: &'static str,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let collector = Builder::new()
            .cloudwatch_namespace("Postern")
            .with_dimension("function", function)
            .init()
            .map_err(|error| format!("metrics: {error}"))?;
        describe_counter!(REQUESTS, Unit::Count, "");
        describe_counter!(ERRORS, Unit::Count, "");
        describe_counter!(EGRESS, Unit::Count, "");
        for latency in [UPSTREAM_LATENCY, OWN_LATENCY, TIME_TO_FIRST_BYTE] {
            describe_histogram!(latency, Unit::Milliseconds, "");
        }
        Ok(Self(Some(collector)))
    }

    /// Counts an answered request of a function that calls no provider, and writes.
    pub fn request(self, error: Option<Code>) {
        counter!(REQUESTS).increment(1);
        if let Some(code) = error {
            counter!(ERRORS).increment(1);
            counter!(ERRORS, "code" => code.as_str()).increment(1);
        }
        self.flush();
    }

    /// Counts a decision under egress policies.
    pub fn egress(self, event: &'static str, verdict: &'static str, source: &'static str) {
        counter!(EGRESS, "event" => event, "verdict" => verdict, "source" => source).increment(1);
    }

    /// Writes what was recorded since the last call.
    pub fn flush(self) {
        let Some(collector) = self.0 else { return };
        // One write of whole lines, so that no log line lands between their parts.
        let mut lines = Vec::new();
        let written = collector
            .flush(&mut lines)
            .and_then(|()| std::io::stdout().write_all(&lines));
        if let Err(error) = written {
            tracing::warn!(event = "metrics_not_written", cause = %error);
        }
    }
}
