//! What people have allowed or denied an agent.

use super::row::{Columns, one};
use super::token::{token_sql, token_standing};
use super::{Parameter, Store, StoreError};
use crate::authority::access::TokenStanding;
use crate::authority::scope::VerifiedWorker;
use crate::id::{AgentId, OrganizationId};
use crate::policy::Grant;
use crate::question::GrantPattern;
use serde::Deserialize;
use time::OffsetDateTime;
use tokio_postgres::{Row, types::Type};

/// The grant of `$pattern` for the agent `$agent` of `$org`: JSON with `denied` and `expires_at`, or null.
macro_rules! grant_sql {
    ($org:literal, $agent:literal, $pattern:literal) => {
        concat!(
            "(
        select jsonb_build_object('denied', g.denied, 'expires_at', g.expires_at)
        from grants g
        where g.organization_id = ",
            $org,
            " and g.agent_id = ",
            $agent,
            " and g.pattern = ",
            $pattern,
            "
            and (g.expires_at is null or g.expires_at > now())
    )"
        )
    };
}

/// Inserts the grant or denial that follows from the answer of each row of `$claimed` with a `grant_pattern`. A
/// denial wins over a grant, whichever came first. A grant never shortens another.
macro_rules! grant_write_sql {
    ($claimed:literal) => {
        concat!(
            "
    insert into grants as g (organization_id, agent_id, pattern, denied, expires_at, granted_by)
    select organization_id, agent_id, grant_pattern, answer ->> 'value' = 'deny',
        case answer ->> 'value' when '1h' then now() + interval '1 hour' when '24h' then now() + interval '24 hours' end,
        expected_user_id
    from ",
            $claimed,
            "
    where grant_pattern is not null
    on conflict (organization_id, agent_id, pattern) do update
    set denied = excluded.denied,
        expires_at = case
            when g.denied or g.expires_at <= now() then excluded.expires_at
            when excluded.expires_at is null or g.expires_at is null then null
            else greatest(excluded.expires_at, g.expires_at)
        end,
        granted_at = excluded.granted_at, granted_by = excluded.granted_by
    where excluded.denied or not g.denied or g.expires_at <= now()
"
        )
    };
}

pub(super) use {grant_sql, grant_write_sql};

const GRANT_STANDING: &str = concat!(
    "select ",
    token_sql!("$1", "$2", "$4", "$5", "$6"),
    " as token, ",
    grant_sql!("$1", "$2", "$3"),
    " as standing"
);

/// Reads the column `standing`, as `grant_sql` writes it.
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

const GRANT_REVOKE: &str = "
delete from grants
where organization_id = $1 and agent_id = $2 and pattern = $3
returning pattern";

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
        let rows = self.query(GRANT_STANDING, &parameters).await?;
        let row = one(&rows)?;
        Ok((token_standing(row)?, standing(row)?))
    }

    /// Deletes a grant or a denial. Returns the number of rows deleted, 0 or 1.
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
