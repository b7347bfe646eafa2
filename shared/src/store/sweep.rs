//! Deleting what is stale, oldest first, a bounded batch at a time.

use super::delivery::delivery_sql;
use super::ended::ended_sql;
use super::row::{Columns, one};
use super::{Store, StoreError, malformed};
use crate::id::{InteractionId, OrganizationId};
use crate::literal::literals;
use serde::Deserialize;
use std::time::Duration;
use tokio_postgres::types::{Json, Type};

/// A table that is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// Questions and approvals past their time.
    PendingInteractions,
    /// Placeholders that expired.
    Placeholders,
    /// Grants and denials that expired.
    Grants,
    /// Outcomes older than a day, delivered or not.
    Deliveries,
    /// Revoked worker tokens that would have expired by now.
    RevokedTokens,
    /// Until when a deployment's worker tokens are revoked.
    DeploymentRevocations,
    /// What interactions leave behind that ended without an answer.
    EndedInteractions,
    /// What the judge said of requests.
    EgressVerdicts,
}

// The tables' names, and the order in which they are swept.
literals! {
    Swept {
        PendingInteractions = "pending_interactions",
        Placeholders = "placeholders",
        Grants = "grants",
        Deliveries = "deliveries",
        RevokedTokens = "revoked_tokens",
        DeploymentRevocations = "deployment_revocations",
        EndedInteractions = "ended_interactions",
        EgressVerdicts = "egress_verdicts",
    }
}

/// What one batch took.
#[derive(Debug, Default)]
pub struct Batch {
    /// Rows deleted.
    pub deleted: u64,
    /// Deliveries among them that never arrived.
    pub given_up: Vec<GivenUp>,
}

/// A delivery that was tried for a day and never arrived.
#[derive(Debug, Deserialize)]
pub struct GivenUp {
    /// Whose it was.
    pub organization_id: OrganizationId,
    /// The interaction whose outcome it was.
    pub interaction_id: InteractionId,
    /// Attempts that were begun.
    pub attempts: u32,
}

impl Swept {
    /// Whether the report names the table also where nothing was deleted.
    pub const fn always_reported(self) -> bool {
        match self {
            Self::PendingInteractions
            | Self::Placeholders
            | Self::Grants
            | Self::Deliveries
            | Self::RevokedTokens => true,
            Self::DeploymentRevocations | Self::EndedInteractions | Self::EgressVerdicts => false,
        }
    }

    /// What of the table is stale, and the column that says what is oldest. $2 is the age in
    /// milliseconds past which an interaction is; the others end by their own expiry.
    const fn stale(self) -> (&'static str, &'static str) {
        match self {
            // An answer that was given at the last moment is still read.
            Self::PendingInteractions => (
                "created_at < now() - $2 * interval '1 millisecond'
            and (claimed_at is null or claimed_at < now() - interval '1 hour')",
                "created_at",
            ),
            Self::Placeholders | Self::Grants => ("expires_at < now()", "expires_at"),
            // An outcome is tried for a day and then given up.
            Self::Deliveries => ("created_at < now() - interval '24 hours'", "created_at"),
            // The time that a late click may still come.
            Self::EndedInteractions => ("ended_at < now() - interval '24 hours'", "ended_at"),
            // Whoever waits for a call has given up by then.
            Self::EgressVerdicts => ("expires_at < now() - interval '10 minutes'", "expires_at"),
            // Past its expiry and the verifiers' leeway a token is refused without its row.
            Self::RevokedTokens => ("expires_at < now() - interval '1 minute'", "expires_at"),
            // By then no token lives that was issued before it.
            Self::DeploymentRevocations => {
                ("revoked_at < now() - interval '25 hours'", "revoked_at")
            }
        }
    }

    /// What goes with the deleted rows, in the same statement, and what is told of them.
    const fn tail(self) -> &'static str {
        match self {
            // A question that nobody answered ends as expired, which a late click is told.
            Self::PendingInteractions => {
                concat!(
                    "
    returning organization_id, id, agent_id, connection_id, expected_user_id, callback_url, claimed_at, answer
), expired as (
    select *, 'expired' as status from deleted where claimed_at is null
), remembered as (",
                    ended_sql!("expired"),
                    "), delivery as (",
                    delivery_sql!("expired", "0", "now()"),
                    ")
select count(*) as deleted, '[]'::jsonb as given_up from deleted"
                )
            }
            Self::Deliveries => {
                "
    returning organization_id, interaction_id, attempts, delivered_at is null and given_up_at is null as given_up
)
select count(*) as deleted, coalesce(jsonb_agg(jsonb_build_object(
        'organization_id', organization_id, 'interaction_id', interaction_id, 'attempts', attempts
    )) filter (where given_up), '[]') as given_up
from deleted"
            }
            Self::Placeholders
            | Self::Grants
            | Self::RevokedTokens
            | Self::DeploymentRevocations
            | Self::EndedInteractions
            | Self::EgressVerdicts => {
                "
    returning 1
)
select count(*) as deleted, '[]'::jsonb as given_up from deleted"
            }
        }
    }

    /// Takes at most $1 rows. `= any (array(...))` takes the limit literally, where `in (select ...
    /// limit n)` may run as a join that takes more; a row that another run holds is that run's.
    fn statement(self) -> String {
        let (table, (stale, age), tail) = (self.as_str(), self.stale(), self.tail());
        format!(
            "
with deleted as (
    delete from {table}
    where ctid = any (array(
        select ctid from {table} where {stale} order by {age} limit $1 for update skip locked
    )){tail}"
        )
    }
}

const OLDEST_AGE: &str = "
select coalesce(floor(extract(epoch from now() - min(created_at)) * 1000), 0)::int8 as age_ms
from pending_interactions";

impl Store {
    /// One batch of one table, its own transaction: at most `limit` rows.
    pub async fn sweep(
        &self,
        table: Swept,
        limit: u32,
        max_age: Duration,
    ) -> Result<Batch, StoreError> {
        let rows = self
            .query(
                &table.statement(),
                &[
                    (&i64::from(limit), Type::INT8),
                    (&(super::millis(max_age) as f64), Type::FLOAT8),
                ],
            )
            .await?;
        let row = one(&rows)?;
        let deleted: i64 = row.column("deleted")?;
        let Json(given_up) = row.column("given_up")?;
        Ok(Batch {
            deleted: u64::try_from(deleted).map_err(malformed)?,
            given_up,
        })
    }

    /// The age in milliseconds of the oldest pending interaction there is; 0 where there is none.
    pub async fn oldest_age_ms(&self) -> Result<i64, StoreError> {
        let rows = self.query(OLDEST_AGE, &[]).await?;
        one(&rows)?.column("age_ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swept_table_is_read_back_from_its_name() {
        crate::literal::assert_read_back(&Swept::ALL, Swept::as_str);
    }
}
