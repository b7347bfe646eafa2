//! The hot path: everything that a proxied request needs to know, in one statement.

use super::grant::standing;
use super::policy::{grant_sql, hashes, policies, policies_sql};
use super::{Parameter, Store, StoreError, malformed};
use crate::access::{ExpectedOrganizations, Facts, Request};
use crate::id::OrganizationId;
use crate::policy::RulesHash;
use crate::scope::VerifiedWorker;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_postgres::types::{Json, Type};

/// $1 is the token's organization, or null; what is expected is it, else the organizations that have
/// the URL's agent, else nobody. Every read below is scoped by the one expected organization; where
/// nobody is expected, by the placeholder row's own.
const ACCESS_FACTS: &str = concat!(
    "
with expected as (
    select case
        when $1::text is not null then array[$1]
        when $2::text is not null
            then array(select organization_id from agents where id = $2 order by organization_id limit 2)
    end as organizations
), presented as (
    select p.organization_id, p.agent_id, p.user_id, p.secret_ref, p.deployment_name, p.allowed_hosts,
        p.expires_at > now() as live
    from placeholders p, expected e
    where p.token_hash = any($3)
        and (e.organizations is null or (cardinality(e.organizations) = 1 and p.organization_id = e.organizations[1]))
), scope as (
    select
        case
            when e.organizations is null then (select min(organization_id) from presented where live)
            when cardinality(e.organizations) = 1 then e.organizations[1]
        end as organization_id,
        coalesce($2, $4, (select min(agent_id) from presented)) as agent_id
    from expected e
)
select
    e.organizations,
    exists (select from agents a where a.organization_id = s.organization_id and a.id = s.agent_id),
    exists (select from revoked_tokens r where r.organization_id = $1 and r.jti = $5),
    exists (select from organizations o where o.id = s.organization_id and $6 = any(o.system_providers)),
    coalesce((select jsonb_agg(to_jsonb(p)) from presented p), '[]'),
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'agent_id', f.agent_id, 'user_id', f.user_id, 'auth_type', f.auth_type, 'secret_ref', f.secret_ref
        ) order by f.created_at desc, f.id)
        from auth_profiles f
        where f.organization_id = s.organization_id and f.provider_id = $6 and f.disabled_at is null
            and (f.agent_id is null or f.agent_id = s.agent_id)
            and (f.user_id is null or f.user_id = $7)
    ), '[]'),
    ",
    policies_sql!("s.organization_id", "s.agent_id", "$8"),
    ",
    ",
    grant_sql!("s.organization_id", "s.agent_id", "$9"),
    "
from expected e, scope s"
);

impl Store {
    /// What the database knows of a request that has not been scoped yet; `access::admit` scopes it.
    /// Policies come without the rules that the asker `knows`; the grant is that of `pattern`.
    pub async fn access_facts(
        &self,
        request: &Request,
        pattern: &str,
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
                    (&request.provider.as_str(), Type::TEXT),
                    (&user, Type::TEXT),
                    (&hashes(known), Type::BYTEA_ARRAY),
                    (&pattern, Type::TEXT),
                ],
            )
            .await?;
        let row = rows.first().ok_or_else(|| malformed("no row"))?;
        let organizations: Option<Vec<String>> = row.try_get(0)?;
        let expected = match organizations {
            None => ExpectedOrganizations::NotAsked,
            Some(ids) => ExpectedOrganizations::Found(
                ids.into_iter()
                    .map(OrganizationId::parse)
                    .collect::<Result<_, _>>()
                    .map_err(malformed)?,
            ),
        };
        Ok(Facts {
            expected,
            agent_exists: row.try_get(1)?,
            token_revoked: row.try_get(2)?,
            system_entitled: row.try_get(3)?,
            placeholders: rows_of(row.try_get::<_, Json<Value>>(4)?)?,
            profiles: rows_of(row.try_get::<_, Json<Value>>(5)?)?,
            policies: policies(row, 6)?,
            grant: standing(row, 7)?,
        })
    }
}

const TOKEN_REVOKED: &str = "
select from revoked_tokens
where organization_id = $1 and jti = $2";

impl Store {
    /// Whether the worker's organization revoked its token.
    pub async fn token_revoked(&self, worker: &VerifiedWorker) -> Result<bool, StoreError> {
        let organization = worker.agent().organization().as_str();
        let parameters: [Parameter<'_>; 2] = [
            (&organization, Type::TEXT),
            (&worker.token().as_str(), Type::TEXT),
        ];
        Ok(!self.query(TOKEN_REVOKED, &parameters).await?.is_empty())
    }
}

fn rows_of<T: DeserializeOwned>(Json(rows): Json<Value>) -> Result<Vec<T>, StoreError> {
    serde_json::from_value(rows).map_err(malformed)
}
