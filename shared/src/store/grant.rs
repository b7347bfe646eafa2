//! What people have allowed or denied an agent.

use super::row::{Columns, one};
use super::token::token_standing;
use super::{Parameter, Store, StoreError};
use crate::authority::access::TokenStanding;
use crate::authority::scope::VerifiedWorker;
use crate::policy::Grant;
use crate::question::GrantPattern;
use serde::Deserialize;
use time::OffsetDateTime;
use tokio_postgres::{Row, types::Type};

/// Reads the column `standing`: JSON with `denied` and `expires_at`, or null.
pub(super) fn standing(row: &Row) -> Result<Grant, StoreError> {
    #[derive(Deserialize)]
    struct Standing {
        denied: bool,
        #[serde(with = "time::serde::rfc3339::option")]
        expires_at: Option<OffsetDateTime>,
    }
    Ok(match row.json("standing")? {
        None => Grant::None,
        Some(Standing { denied: true, .. }) => Grant::Denied,
        Some(Standing { expires_at, .. }) => Grant::Allowed(expires_at),
    })
}

impl Store {
    /// The grant of the pattern for the worker's agent, and whether its token is still valid. Grants of other
    /// agents and other organizations never count.
    pub async fn grant(
        &self,
        worker: &VerifiedWorker,
        pattern: &GrantPattern,
    ) -> Result<(TokenStanding, Grant), StoreError> {
        let parameters: [Parameter<'_>; 6] = [
            (&worker.agent().organization().as_str(), Type::TEXT),
            (&worker.agent().agent().as_str(), Type::TEXT),
            (&pattern.to_string(), Type::TEXT),
            (&worker.token().as_str(), Type::TEXT),
            (&worker.issued_at(), Type::FLOAT8),
            (&worker.deployment().as_str(), Type::TEXT),
        ];
        let rows = self.call("grant_standing_1", &parameters).await?;
        let row = one(&rows)?;
        Ok((token_standing(row)?, standing(row)?))
    }
}
