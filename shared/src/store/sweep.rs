//! Deletes stale rows in bounded batches, oldest first.

use super::row::{Columns, one};
use super::{Parameter, Store, StoreError, malformed};
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
    /// Turns in chat that are long over.
    ChatTurns,
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
        ChatTurns = "chat_turns",
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
            Self::DeploymentRevocations
            | Self::EndedInteractions
            | Self::EgressVerdicts
            | Self::ChatTurns => false,
        }
    }
}

impl Store {
    /// Deletes one batch of at most `limit` rows from one table, in its own transaction. `max_age` is the age at
    /// which an interaction is stale.
    pub async fn sweep(
        &self,
        table: Swept,
        limit: u32,
        max_age: Duration,
    ) -> Result<Batch, StoreError> {
        let limit = i64::from(limit);
        let limit: Parameter<'_> = (&limit, Type::INT8);
        let age = super::millis(max_age) as f64;
        let function = format!("delete_{}_1", table.as_str());
        let rows = match table {
            Swept::PendingInteractions => {
                self.call(&function, &[limit, (&age, Type::FLOAT8)]).await?
            }
            Swept::Placeholders
            | Swept::Grants
            | Swept::Deliveries
            | Swept::RevokedTokens
            | Swept::DeploymentRevocations
            | Swept::EndedInteractions
            | Swept::EgressVerdicts
            | Swept::ChatTurns => self.call(&function, &[limit]).await?,
        };
        let row = one(&rows)?;
        let deleted: i64 = row.column("deleted")?;
        let Json(given_up) = row.column("given_up")?;
        Ok(Batch {
            deleted: u64::try_from(deleted).map_err(malformed)?,
            given_up,
        })
    }

    /// The age of the oldest pending interaction in milliseconds; 0 if the table is empty.
    pub async fn oldest_age_ms(&self) -> Result<i64, StoreError> {
        let rows = self.call("oldest_age_1", &[]).await?;
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
