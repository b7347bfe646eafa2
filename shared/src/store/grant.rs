//! What people allowed an agent, or denied it.

use super::policy::grant_sql;
use super::token::{token_sql, token_standing};
use super::{Parameter, Store, StoreError, malformed};
use crate::authority::access::TokenStanding;
use crate::authority::scope::VerifiedWorker;
use crate::id::{AgentId, OrganizationId};
use crate::policy::Grant;
use crate::question::GrantPattern;
use serde::Deserialize;
use time::OffsetDateTime;
use tokio_postgres::{
    Row,
    types::{Json, Type},
};

const GRANT_STANDING: &str = concat!(
    "select ",
    token_sql!("$1", "$2", "$4", "$5", "$6"),
    " as token, ",
    grant_sql!("$1", "$2", "$3"),
    " as standing"
);

/// The column `standing`, which is of `policy::grant_sql`.
pub(super) fn standing(row: &Row) -> Result<Grant, StoreError> {
    #[derive(Deserialize)]
    struct Standing {
        denied: bool,
        #[serde(with = "time::serde::rfc3339::option")]
        expires_at: Option<OffsetDateTime>,
    }
    let standing: Option<Json<Standing>> = row.try_get("standing")?;
    Ok(match standing {
        None => Grant::None,
        Some(Json(Standing { denied: true, .. })) => Grant::Denied,
        Some(Json(Standing { expires_at, .. })) => Grant::Allowed(expires_at),
    })
}

const GRANT_REVOKE: &str = "
delete from grants
where organization_id = $1 and agent_id = $2 and pattern = $3
returning pattern";

impl Store {
    /// How the pattern stands for the worker's agent, and how its token stands; another agent's and
    /// another organization's grants never count.
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
        let rows = self.query(GRANT_STANDING, &parameters).await?;
        let row = rows.first().ok_or_else(|| malformed("no row"))?;
        Ok((token_standing(row)?, standing(row)?))
    }

    /// Takes a grant or a denial back; how many there were.
    pub async fn grant_revoke(
        &self,
        organization: &OrganizationId,
        agent: &AgentId,
        pattern: &GrantPattern,
    ) -> Result<usize, StoreError> {
        let parameters: [Parameter<'_>; 3] = [
            (&organization.as_str(), Type::TEXT),
            (&agent.as_str(), Type::TEXT),
            (&pattern.to_string(), Type::TEXT),
        ];
        Ok(self.query(GRANT_REVOKE, &parameters).await?.len())
    }
}
