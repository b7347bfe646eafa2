//! What the judge said, for all environments, and the call that is under way: one for all that ask the
//! same at once. An organization reads and writes its own alone.

use super::row::Columns;
use super::{Parameter, Store, StoreError, malformed, millis};
use crate::authority::scope::AgentScope;
use crate::literal::literals;
use std::time::Duration;
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

/// A question to the judge as the database knows it: a SHA-256.
pub type VerdictHash = [u8; 32];

/// Who asks the judge.
#[derive(Debug)]
pub enum VerdictClaim {
    /// The asker, and it says what became of it.
    Ours(Uuid),
    /// Somebody did: what the judge said.
    Known(StoredVerdict),
    /// Somebody does.
    Theirs(Uuid),
}

/// How somebody's call stands.
#[derive(Debug)]
pub enum FlightStatus {
    /// It has ended.
    Landed(StoredVerdict),
    /// It is still waited for.
    UnderWay,
    /// Its caller died.
    Lost,
}

/// How a call of the judge's ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgeOutcome {
    /// The judge allowed the request.
    Allow,
    /// The judge denied it.
    Deny,
    /// The judge did not answer in time.
    Timeout,
    /// The judge could not be asked, or gave no verdict.
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

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredVerdict {
    /// How the call ended.
    pub outcome: JudgeOutcome,
    /// For how long it may be reused. A failure is not reused, so zero.
    pub life: Duration,
}

// A row whose time is over counts as absent: an outcome that is old or that failed, or a call whose caller
// died. Where the row is ours now, the version that the snapshot still shows no longer counts.
const VERDICT_CLAIM: &str = "
with ours as (
    insert into egress_verdicts as v (organization_id, key, flight, expires_at)
    values ($1, $2, $3, now() + $4 * interval '1 millisecond')
    on conflict (organization_id, key) do update
    set flight = excluded.flight, outcome = null, expires_at = excluded.expires_at
    where v.expires_at <= now()
    returning flight
)
select true as ours, flight, null::text as outcome, null::float8 as seconds_left from ours
union all
select false, flight, outcome, extract(epoch from expires_at - now())::float8
from egress_verdicts
where organization_id = $1 and key = $2 and expires_at > now() and not exists (select from ours)";

const VERDICT_SETTLE: &str = "
update egress_verdicts
set outcome = $4, expires_at = now() + $5 * interval '1 millisecond'
where organization_id = $1 and key = $2 and flight = $3";

const VERDICT_OF_FLIGHT: &str = "
select outcome, extract(epoch from expires_at - now())::float8 as seconds_left, expires_at <= now() as over
from egress_verdicts
where organization_id = $1 and key = $2 and flight = $3";

impl Store {
    /// Begins a call of the judge's, unless its verdict is known or somebody's call is under way. A call
    /// that is never settled is over after `lease`.
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
        // A row that appears between the statement's snapshot and its insert is seen by neither half.
        for _ in 0..3 {
            let rows = self.query(VERDICT_CLAIM, &parameters).await?;
            let Some(row) = rows.first() else { continue };
            return Ok(match (row.column("ours")?, stored(row)?) {
                (true, _) => VerdictClaim::Ours(flight),
                (false, Some(known)) => VerdictClaim::Known(known),
                (false, None) => VerdictClaim::Theirs(row.column("flight")?),
            });
        }
        Err(malformed("the verdict came and went three times"))
    }

    /// Says what became of our call.
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
        self.query(VERDICT_SETTLE, &parameters).await.map(drop)
    }

    /// What became of somebody's call.
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
        let rows = self.query(VERDICT_OF_FLIGHT, &parameters).await?;
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

/// The columns `outcome` and `seconds_left`, if there is an outcome.
fn stored(row: &Row) -> Result<Option<StoredVerdict>, StoreError> {
    let Some(outcome) = row.parsed_or_null("outcome", str::parse)? else {
        return Ok(None);
    };
    // A failure's time is over as soon as it is stored.
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
