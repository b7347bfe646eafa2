//! The sweep function: one bounded pass that deletes stale rows, posts due cards, delivers due outcomes and updates
//! chat.

use postern::Store;
use postern::base::Base;
use postern::config::{ConfigError, Env};
use postern::deadline::Deadline;
use postern::interactions::{Interactions, pending_ttl};
use postern::store::{GivenUp, Schema, StoreError, Swept};
use postern::wire::AllowedPrivate;
use postern::wire::client::GuardedClient;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// A run stops early when less than this is left of the invocation's time.
const RESERVED: Duration = Duration::from_secs(5);

/// Maximum of `max_age_ms`: a hundred years. Postgres has no dates for much longer ages.
const MAX_AGE_MS: u64 = 100 * 366 * 24 * 60 * 60 * 1000;

/// The sweep function.
pub struct App {
    store: Arc<Store>,
    interactions: Interactions,
    pass: Pass,
}

/// The bounds of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pass {
    /// Maximum number of rows in one batch.
    limit: u32,
    /// Maximum number of batches for each table.
    max_batches: u32,
    /// The age at which an interaction is stale.
    max_age: Duration,
}

/// The report of a run, which is returned as JSON.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Number of rows deleted, by table.
    deleted: BTreeMap<&'static str, u64>,
    /// Number of outcomes that were accepted by their receivers.
    delivered: u64,
    /// Whether stale rows may remain, because the last batch of some table was full, failed or did not run.
    remaining: bool,
    /// The age of the oldest pending interaction.
    oldest_age_ms: i64,
    /// How long the run took.
    elapsed_ms: u64,
    /// The failures, by table.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    failed: BTreeMap<&'static str, String>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Part of the run failed. The text is the whole report in JSON, so that it appears in Lambda's error.
    #[error("{0}")]
    Failed(String),
    /// The input is invalid. The text says what its fields must be.
    #[error("invalid_request: {0}")]
    Invalid(String),
}

/// The input of a run by hand, which overrides the configuration. A scheduled event has none of these fields.
#[derive(Deserialize, Default)]
struct ByHand {
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    max_batches: Option<u32>,
    #[serde(default)]
    max_age_ms: Option<u64>,
}

impl App {
    /// Reads the environment. The first run connects to the database.
    ///
    /// # Errors
    /// A variable is missing or malformed, or the platform's certificate roots cannot be read.
    pub async fn from_env(env: &Env) -> Result<Self, lambda_runtime::Error> {
        let pass = Pass::from_env(env)?;
        let base = Base::from_env(env, Schema::Sweep).await?;
        let client = Arc::new(GuardedClient::for_chat(AllowedPrivate::from_env(env)?)?);
        Ok(Self {
            interactions: Interactions::from_env(env, &base, client)?,
            store: base.store,
            pass,
        })
    }

    /// Makes one pass. A failure in one part does not stop the others.
    ///
    /// # Errors
    /// `Failed` with the whole report if a part failed; `Invalid` if the input is invalid.
    pub async fn run(&self, input: &Value, deadline: Deadline) -> Result<Report, SweepError> {
        let started = Instant::now();
        let pass = self.pass.with(input)?;
        let mut report = Report::default();
        for table in Swept::ALL {
            self.table(table, pass, deadline, &mut report).await;
        }
        // Due work gets the time that the deletes have left. All kinds run concurrently, so that receivers that
        // hang do not delay chat.
        let within = deadline.sooner_by(RESERVED);
        let (posted, delivered, settled) = tokio::join!(
            self.interactions.post_all_due(within),
            self.interactions.deliver_due(within),
            self.interactions.settle_due(within)
        );
        if let Err(error) = posted {
            report.fail(Swept::PendingInteractions, "posting", &error);
        }
        match delivered {
            Ok(delivered) => report.delivered = delivered,
            Err(error) => report.fail(Swept::Deliveries, "delivering", &error),
        }
        if let Err(error) = settled {
            report.fail(Swept::PendingInteractions, "settling", &error);
        }
        match self.store.oldest_age_ms().await {
            Ok(age) => report.oldest_age_ms = age,
            Err(error) => report.fail(Swept::PendingInteractions, "finding the oldest", &error),
        }
        report.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let text = serde_json::to_string(&report).unwrap_or_default();
        if report.failed.is_empty() {
            tracing::info!(event = "swept", report = text);
            Ok(report)
        } else {
            Err(SweepError::Failed(text))
        }
    }

    /// Sweeps one table in batches, until one is not full.
    async fn table(&self, table: Swept, pass: Pass, deadline: Deadline, report: &mut Report) {
        let mut deleted = 0;
        let mut may_be_more = true;
        for _ in 0..pass.max_batches {
            if deadline.left() < RESERVED {
                break;
            }
            match self.store.sweep(table, pass.limit, pass.max_age).await {
                Ok(batch) => {
                    deleted += batch.deleted;
                    may_be_more = batch.deleted >= u64::from(pass.limit);
                    batch.given_up.iter().for_each(warn);
                }
                Err(error) => {
                    report.fail(table, "deleting", &error);
                    break;
                }
            }
            if !may_be_more {
                break;
            }
        }
        report.remaining |= may_be_more;
        if table.always_reported() || deleted > 0 {
            report.deleted.insert(table.as_str(), deleted);
        }
    }
}

impl Report {
    /// Adds a failure to those of its table.
    fn fail(&mut self, table: Swept, doing: &str, error: &StoreError) {
        let texts = self.failed.entry(table.as_str()).or_default();
        if !texts.is_empty() {
            texts.push_str("; ");
        }
        texts.push_str(&format!("{doing}: {error}"));
    }
}

/// Logs an outcome that never reached its agent.
fn warn(lost: &GivenUp) {
    tracing::warn!(
        event = "delivery_given_up",
        organization_id = lost.organization_id.as_str(),
        interaction_id = lost.interaction_id.as_str(),
        attempts = lost.attempts,
        cause = "it was tried for 24 hours"
    );
}

impl Pass {
    fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            limit: env.count("SWEEP_LIMIT", 1000)?,
            max_batches: env.count("SWEEP_MAX_BATCHES", 50)?,
            max_age: pending_ttl(env)?,
        })
    }

    /// The pass with the fields of the input in place of the configuration. Inputs that are not objects change
    /// nothing.
    fn with(self, input: &Value) -> Result<Self, SweepError> {
        let by_hand: ByHand = match input {
            Value::Object(_) => serde_json::from_value(input.clone()).map_err(|_| {
                SweepError::Invalid(
                    "`limit`, `max_batches` and `max_age_ms` must be whole numbers of at least 0"
                        .into(),
                )
            })?,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => ByHand::default(),
        };
        if by_hand.max_age_ms.is_some_and(|age| age > MAX_AGE_MS) {
            return Err(SweepError::Invalid(format!(
                "`max_age_ms` must be at most {MAX_AGE_MS}"
            )));
        }
        if by_hand.limit == Some(0) || by_hand.max_batches == Some(0) {
            return Err(SweepError::Invalid(
                "`limit` and `max_batches` must be at least 1".into(),
            ));
        }
        Ok(Self {
            limit: by_hand.limit.unwrap_or(self.limit),
            max_batches: by_hand.max_batches.unwrap_or(self.max_batches),
            max_age: by_hand
                .max_age_ms
                .map_or(self.max_age, Duration::from_millis),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PASS: Pass = Pass {
        limit: 1000,
        max_batches: 50,
        max_age: Duration::from_secs(86400),
    };

    #[test]
    fn a_scheduled_event_changes_nothing_and_a_run_by_hand_what_it_says() {
        let scheduled = json!({"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
        assert_eq!(PASS.with(&scheduled).unwrap(), PASS);
        let by_hand = PASS.with(&json!({"limit": 2, "max_age_ms": 5})).unwrap();
        assert_eq!(
            by_hand,
            Pass {
                limit: 2,
                max_batches: 50,
                max_age: Duration::from_millis(5)
            }
        );
        assert_eq!(PASS.with(&Value::Null).unwrap(), PASS);
    }

    #[test]
    fn failures_about_one_table_are_all_reported() {
        let mut report = Report::default();
        report.fail(Swept::Grants, "deleting", &StoreError::Timeout);
        report.fail(Swept::PendingInteractions, "deleting", &StoreError::Timeout);
        let broken = StoreError::Connect("refused".into());
        report.fail(Swept::PendingInteractions, "settling", &broken);
        let failed = serde_json::to_value(&report).unwrap()["failed"].take();
        let timeout = format!("deleting: {}", StoreError::Timeout);
        assert_eq!(
            failed,
            json!({
                "grants": timeout,
                "pending_interactions": format!("{timeout}; settling: no database connection: refused"),
            })
        );
    }

    #[test]
    fn an_invalid_bound_is_refused() {
        for input in [
            json!({"limit": 0}),
            json!({"max_batches": 0}),
            json!({"limit": -1}),
            json!({"max_age_ms": "x"}),
            json!({"max_age_ms": u64::MAX}),
        ] {
            assert!(PASS.with(&input).is_err(), "{input}");
        }
    }
}
