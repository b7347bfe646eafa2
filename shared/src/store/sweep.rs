//! Deleting what is stale, oldest first, a bounded batch at a time.

use super::{Store, StoreError, malformed};
use std::time::Duration;
use tokio_postgres::types::Type;

/// A table that is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Swept {
    PendingInteractions,
    Placeholders,
    Grants,
    Deliveries,
    RevokedTokens,
}

impl Swept {
    pub const ALL: [Self; 5] = [
        Self::PendingInteractions,
        Self::Placeholders,
        Self::Grants,
        Self::Deliveries,
        Self::RevokedTokens,
    ];

    pub const fn table(self) -> &'static str {
        match self {
            Self::PendingInteractions => "pending_interactions",
            Self::Placeholders => "placeholders",
            Self::Grants => "grants",
            Self::Deliveries => "deliveries",
            Self::RevokedTokens => "revoked_tokens",
        }
    }

    /// What of the table is stale, and the column that says what is oldest. $2 is the age in
    /// milliseconds past which an interaction is; the others end by their own expiry.
    const fn stale(self) -> (&'static str, &'static str) {
        match self {
            Self::PendingInteractions => (
                "created_at < now() - $2 * interval '1 millisecond'",
                "created_at",
            ),
            Self::Placeholders | Self::Grants => ("expires_at < now()", "expires_at"),
            // An outcome is tried for a day and then given up.
            Self::Deliveries => ("created_at < now() - interval '24 hours'", "created_at"),
            // Past its expiry and the verifiers' leeway a token is refused without its row.
            Self::RevokedTokens => ("expires_at < now() - interval '1 minute'", "expires_at"),
        }
    }

    /// Takes at most $1 rows. `= any (array(...))` takes the limit literally, where `in (select ...
    /// limit n)` may run as a join that takes more; a row that another run holds is that run's.
    fn statement(self) -> String {
        let (table, (stale, age)) = (self.table(), self.stale());
        format!(
            "
with deleted as (
    delete from {table}
    where ctid = any (array(
        select ctid from {table} where {stale} order by {age} limit $1 for update skip locked
    ))
    returning 1
)
select count(*) from deleted"
        )
    }
}

const OLDEST_AGE: &str = "
select coalesce(floor(extract(epoch from now() - min(created_at)) * 1000), 0)::int8
from pending_interactions";

impl Store {
    /// One batch of one table, its own transaction: at most `limit` rows; how many went.
    pub async fn sweep(
        &self,
        table: Swept,
        limit: u32,
        max_age: Duration,
    ) -> Result<u64, StoreError> {
        let rows = self
            .query(
                &table.statement(),
                &[
                    (&i64::from(limit), Type::INT8),
                    (&(super::millis(max_age) as f64), Type::FLOAT8),
                ],
            )
            .await?;
        let count: i64 = rows
            .first()
            .ok_or_else(|| malformed("no row"))?
            .try_get(0)?;
        u64::try_from(count).map_err(malformed)
    }

    /// The age in milliseconds of the oldest pending interaction there is; 0 where there is none.
    pub async fn oldest_age_ms(&self) -> Result<i64, StoreError> {
        let rows = self.query(OLDEST_AGE, &[]).await?;
        Ok(rows
            .first()
            .ok_or_else(|| malformed("no row"))?
            .try_get(0)?)
    }
}
