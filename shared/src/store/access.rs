//! The hot path: reads everything needed to admit a proxied request, in one statement.

use super::grant::{grant_sql, standing};
use super::policy::{hashes, policies, policies_sql};
use super::row::{Columns, one};
use super::token::{token_sql, token_standing};
use super::{Store, StoreError};
use crate::authority::access::{Facts, Request};
use crate::authority::scope::VerifiedWorker;
use crate::policy::RulesHash;
use crate::question::GrantPattern;
use tokio_postgres::types::{Json, Type};

/// $1 is the token's organization, or null. It scopes every read. Without a token, the organization of the
/// presented placeholders does: a placeholder proves its organization.
const ACCESS_FACTS: &str = concat!(
    "
with presented as (
    select p.organization_id, p.agent_id, p.user_id, p.secret_ref, p.deployment_name, p.allowed_hosts,
        p.expires_at > now() as live
    from placeholders p
    where p.token_hash = any($3) and ($1::text is null or p.organization_id = $1)
), scope as (
    select
        coalesce($1, (select min(organization_id) from presented where live)) as organization_id,
        coalesce($2::text, $4::text, (select min(agent_id) from presented)) as agent_id
)
select
    exists (select from agents a where a.organization_id = s.organization_id and a.id = s.agent_id) as agent_exists,
    ",
    token_sql!("$1", "$4", "$5", "$6", "$7"),
    " as token,
    exists (
        select from organizations o where o.id = s.organization_id and $8 = any(o.system_providers)
    ) as system_entitled,
    coalesce((select jsonb_agg(to_jsonb(p)) from presented p), '[]') as placeholders,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'agent_id', f.agent_id, 'user_id', f.user_id, 'auth_type', f.auth_type, 'secret_ref', f.secret_ref
        ) order by f.created_at desc, f.id)
        from auth_profiles f
        where f.organization_id = s.organization_id and f.provider_id = $8 and f.disabled_at is null
            and (f.agent_id is null or f.agent_id = s.agent_id)
            and (f.user_id is null or f.user_id = $9)
    ), '[]') as profiles,
    ",
    policies_sql!("s.organization_id", "s.agent_id", "$10"),
    " as policies,
    ",
    grant_sql!("s.organization_id", "s.agent_id", "$11"),
    " as standing
from scope s"
);

impl Store {
    /// Reads what the database knows about a request that has no scope yet; `access::admit` scopes it.
    /// Policies whose hash is in `known` come without their rules. The grant is that of `pattern`.
    pub async fn access_facts(
        &self,
        request: &Request,
        pattern: &GrantPattern,
        known: &[&RulesHash],
    ) -> Result<Facts, StoreError> {
        let worker = request.worker.as_ref();
        let organization = worker.map(|worker| worker.agent().organization().as_str());
        let url_agent = request.agent.as_ref().map(|agent| agent.as_str());
        let presented: Vec<&[u8]> = request
            .placeholders
            .iter()
            .map(|hash| hash.as_bytes())
            .collect();
        let token_agent = worker.map(|worker| worker.agent().agent().as_str());
        let token = worker.map(|worker| worker.token().as_str());
        let issued_at = worker.map(VerifiedWorker::issued_at);
        let deployment = worker.map(|worker| worker.deployment().as_str());
        let user = request.user.as_ref().map(|user| user.as_str());
        let rows = self
            .query(
                ACCESS_FACTS,
                &[
                    (&organization, Type::TEXT),
                    (&url_agent, Type::TEXT),
                    (&presented, Type::BYTEA_ARRAY),
                    (&token_agent, Type::TEXT),
                    (&token, Type::TEXT),
                    (&issued_at, Type::FLOAT8),
                    (&deployment, Type::TEXT),
                    (&request.provider.as_str(), Type::TEXT),
                    (&user, Type::TEXT),
                    (&hashes(known), Type::BYTEA_ARRAY),
                    (&pattern.to_string(), Type::TEXT),
                ],
            )
            .await?;
        let row = one(&rows)?;
        let Json(placeholders) = row.column("placeholders")?;
        let Json(profiles) = row.column("profiles")?;
        Ok(Facts {
            agent_exists: row.column("agent_exists")?,
            token: token_standing(row)?,
            system_entitled: row.column("system_entitled")?,
            placeholders,
            profiles,
            policies: policies(row)?,
            grant: standing(row)?,
        })
    }
}
