//! The judge's verdicts, shared by all Lambda environments. Concurrent requests with the same question share one
//! call. Each organization reads and writes only its own rows.

use super::row::Columns;
use super::{Parameter, Store, StoreError, malformed, millis};
use crate::authority::scope::AgentScope;
use crate::literal::literals;
use std::time::Duration;
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

/// The key of a verdict: SHA-256 of the question to the judge.
pub type VerdictHash = [u8; 32];

/// Who calls the judge for a question.
#[derive(Debug)]
pub enum VerdictClaim {
    /// The caller must ask the judge, and then settle the call with this id.
    Ours(Uuid),
    /// The judge was asked before, with this verdict.
    Known(StoredVerdict),
    /// Another caller is asking the judge, in the call with this id.
    Theirs(Uuid),
}

/// The state of another caller's call.
#[derive(Debug)]
pub enum FlightStatus {
    /// The call ended with this verdict.
    Landed(StoredVerdict),
    /// The call has not ended.
    UnderWay,
    /// The caller died: the call's lease is over, or its row is gone.
    Lost,
}

/// How a call to the judge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgeOutcome {
    /// The judge allowed the request.
    Allow,
    /// The judge denied the request.
    Deny,
    /// The judge did not answer in time.
    Timeout,
    /// The judge could not be called, or returned no verdict.
    Unavailable,
}

literals! {
    JudgeOutcome {
        Allow = "allow",
        Deny = "deny",
        Timeout = "timeout",
        Unavailable = "unavailable",
    }
}

/// A verdict as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredVerdict {
    /// How the call ended.
    pub outcome: JudgeOutcome,
    /// How long the verdict may still be reused. Zero for a failure, which is never reused.
    pub life: Duration,
}

impl Store {
    /// Claims the call to the judge, unless its verdict is known or another call is under way. A call that is
    /// never settled ends after `lease`.
    pub async fn verdict_claim(
        &self,
        agent: &AgentScope,
        key: &VerdictHash,
        lease: Duration,
    ) -> Result<VerdictClaim, StoreError> {
        let flight = Uuid::new_v4();
        let parameters: [Parameter<'_>; 4] = [
            (&agent.organization().as_str(), Type::TEXT),
            (&key.as_slice(), Type::BYTEA),
            (&flight, Type::UUID),
            (&(millis(lease) as f64), Type::FLOAT8),
        ];
        // If a row appears between the statement's snapshot and its insert, the statement returns no row.
        for _ in 0..3 {
            let rows = self.call("verdict_claim_1", &parameters).await?;
            let Some(row) = rows.first() else { continue };
            return Ok(match (row.column("ours")?, stored(row)?) {
                (true, _) => VerdictClaim::Ours(flight),
                (false, Some(known)) => VerdictClaim::Known(known),
                (false, None) => VerdictClaim::Theirs(row.column("flight")?),
            });
        }
        Err(malformed("the verdict came and went three times"))
    }

    /// Stores the verdict of the caller's own call. It changes nothing if another caller has taken over.
    pub async fn verdict_settle(
        &self,
        agent: &AgentScope,
        key: &VerdictHash,
        flight: Uuid,
        verdict: StoredVerdict,
    ) -> Result<(), StoreError> {
        let parameters: [Parameter<'_>; 5] = [
            (&agent.organization().as_str(), Type::TEXT),
            (&key.as_slice(), Type::BYTEA),
            (&flight, Type::UUID),
            (&verdict.outcome.as_str(), Type::TEXT),
            (&(millis(verdict.life) as f64), Type::FLOAT8),
        ];
        self.call("verdict_settle_1", &parameters).await.map(drop)
    }

    /// Reads the state of another caller's call.
    pub async fn verdict_of_flight(
        &self,
        agent: &AgentScope,
        key: &VerdictHash,
        flight: Uuid,
    ) -> Result<FlightStatus, StoreError> {
        let parameters: [Parameter<'_>; 3] = [
            (&agent.organization().as_str(), Type::TEXT),
            (&key.as_slice(), Type::BYTEA),
            (&flight, Type::UUID),
        ];
        let rows = self.call("verdict_of_flight_1", &parameters).await?;
        let Some(row) = rows.first() else {
            return Ok(FlightStatus::Lost);
        };
        Ok(match (stored(row)?, row.column("over")?) {
            (Some(verdict), _) => FlightStatus::Landed(verdict),
            (None, false) => FlightStatus::UnderWay,
            (None, true) => FlightStatus::Lost,
        })
    }
}

/// Reads the columns `outcome` and `seconds_left`; `None` if there is no outcome yet.
fn stored(row: &Row) -> Result<Option<StoredVerdict>, StoreError> {
    let Some(outcome) = row.parsed_or_null("outcome", str::parse)? else {
        return Ok(None);
    };
    // A failure expires as soon as it is stored.
    let left = row.column::<f64>("seconds_left")?.max(0.0);
    Ok(Some(StoredVerdict {
        outcome,
        life: Duration::try_from_secs_f64(left).map_err(malformed)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_read_back_from_its_name() {
        crate::literal::assert_read_back(&JudgeOutcome::ALL, JudgeOutcome::as_str);
    }
}
