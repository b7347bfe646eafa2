//! What people allowed an agent, or denied it.

use super::{Parameter, Store, StoreError};
use crate::id::{AgentId, OrganizationId};
use crate::policy::Grant;
use crate::scope::AgentScope;
use serde::Deserialize;
use time::OffsetDateTime;
use tokio_postgres::{
    Row,
    types::{Json, Type},
};

const GRANT_STATUS: &str = "
select denied, expires_at
from grants
where organization_id = $1 and agent_id = $2 and pattern = $3 and (expires_at is null or expires_at > now())
order by denied desc
limit 1";

/// A column of `policy::grant_sql`.
pub(super) fn standing(row: &Row, column: usize) -> Result<Grant, StoreError> {
    #[derive(Deserialize)]
    struct Standing {
        denied: bool,
        #[serde(with = "time::serde::rfc3339::option")]
        expires_at: Option<OffsetDateTime>,
    }
    let standing: Option<Json<Standing>> = row.try_get(column)?;
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
    /// How the pattern stands for the agent; another agent's and another organization's never count.
    pub async fn grant(&self, agent: &AgentScope, pattern: &str) -> Result<Grant, StoreError> {
        let parameters: [Parameter<'_>; 3] = [
            (&agent.organization().as_str(), Type::TEXT),
            (&agent.agent().as_str(), Type::TEXT),
            (&pattern, Type::TEXT),
        ];
        let rows = self.query(GRANT_STATUS, &parameters).await?;
        let Some(row) = rows.first() else {
            return Ok(Grant::None);
        };
        Ok(if row.try_get(0)? {
            Grant::Denied
        } else {
            Grant::Allowed(row.try_get(1)?)
        })
    }

    /// Takes a grant or a denial back; how many there were.
    pub async fn grant_revoke(
        &self,
        organization: &OrganizationId,
        agent: &AgentId,
        pattern: &str,
    ) -> Result<usize, StoreError> {
        let parameters: [Parameter<'_>; 3] = [
            (&organization.as_str(), Type::TEXT),
            (&agent.as_str(), Type::TEXT),
            (&pattern, Type::TEXT),
        ];
        Ok(self.query(GRANT_REVOKE, &parameters).await?.len())
    }
}
