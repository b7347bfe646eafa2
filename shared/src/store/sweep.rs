//! Deletes stale rows in bounded batches, oldest first.

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
    /// Questions and approvals older than the TTL.
    PendingInteractions,
    /// Expired placeholders.
    Placeholders,
    /// Expired grants and denials.
    Grants,
    /// Deliveries of outcomes, older than a day, whether or not they arrived.
    Deliveries,
    /// Revocations of worker tokens that have expired.
    RevokedTokens,
    /// Revocations of deployments' worker tokens, all of which have expired.
    DeploymentRevocations,
    /// Records of interactions that ended without an answer.
    EndedInteractions,
    /// Verdicts of the judge that have expired.
    EgressVerdicts,
}

// The names of the tables, in the order in which they are swept.
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

/// The result of one batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// Number of rows deleted.
    pub deleted: u64,
    /// Those of the deleted deliveries that never arrived.
    pub given_up: Vec<GivenUp>,
}

/// A delivery that was tried for a day and never arrived.
#[derive(Debug, Deserialize)]
pub struct GivenUp {
    /// The organization that it belonged to.
    pub organization_id: OrganizationId,
    /// The interaction whose outcome it carried.
    pub interaction_id: InteractionId,
    /// Number of attempts begun.
    pub attempts: u32,
}

impl Swept {
    /// Whether the report names the table even if nothing was deleted.
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

    /// The condition for a stale row, and the column that orders rows by age. $2 is the age in milliseconds at
    /// which an interaction is stale; other tables do not use it.
    const fn stale(self) -> (&'static str, &'static str) {
        match self {
            // An answer given at the last moment stays readable for an hour.
            Self::PendingInteractions => (
                "created_at < now() - $2 * interval '1 millisecond'
            and (claimed_at is null or claimed_at < now() - interval '1 hour')",
                "created_at",
            ),
            Self::Placeholders | Self::Grants => ("expires_at < now()", "expires_at"),
            // A delivery is attempted for a day.
            Self::Deliveries => ("created_at < now() - interval '24 hours'", "created_at"),
            // Late clicks are explained for a day.
            Self::EndedInteractions => ("ended_at < now() - interval '24 hours'", "ended_at"),
            // By then, no request still waits for the call.
            Self::EgressVerdicts => ("expires_at < now() - interval '10 minutes'", "expires_at"),
            // After its expiry and the leeway of verification, the token is refused without this row.
            Self::RevokedTokens => ("expires_at < now() - interval '1 minute'", "expires_at"),
            // By then, every token issued before the revocation has expired.
            Self::DeploymentRevocations => {
                ("revoked_at < now() - interval '25 hours'", "revoked_at")
            }
        }
    }

    /// The rest of the statement: what else is written when the rows are deleted, and what is returned.
    const fn tail(self) -> &'static str {
        match self {
            // An unanswered question ends as expired. That is recorded for a late click and delivered.
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

    /// The statement that deletes at most $1 rows. `= any (array(...))` keeps to the limit, whereas `in (select
    /// ... limit n)` may run as a join that deletes more. Rows locked by another run are skipped.
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
    /// Deletes one batch of at most `limit` rows from one table, in its own transaction. `max_age` is the age at
    /// which an interaction is stale.
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

    /// The age of the oldest pending interaction in milliseconds; 0 if there is none.
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
