//! The hot path: reads everything needed to admit a proxied request, in one call.

use super::grant::standing;
use super::policy::{hashes, policies};
use super::row::{Columns, one};
use super::token::token_standing;
use super::{Store, StoreError};
use crate::authority::access::{Facts, ProfileRow, ProviderOf, Request};
use crate::authority::scope::VerifiedWorker;
use crate::host::HostName;
use crate::policy::RulesHash;
use crate::provider::ProviderRow;
use crate::question::GrantPattern;
use serde::Deserialize;
use time::OffsetDateTime;
use tokio_postgres::{
    Row,
    types::{Json, Type},
};

impl Store {
    /// Reads what the database knows about a request that has no scope yet; `access::admit` scopes it.
    /// Policies whose hash is in `known` come without their rules. The grant is that of the provider's host, which
    /// `host` is for an operator's provider.
    pub async fn access_facts(
        &self,
        request: &Request,
        host: Option<&HostName>,
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
        let (slug, provider) = match &request.provider {
            ProviderOf::Operator(id) => (None, Some(id.as_str())),
            ProviderOf::Organization(slug) => (Some(slug.as_str()), None),
        };
        let pattern = host.map(|host| GrantPattern::Host(host.clone()).to_string());
        let rows = self
            .call(
                "access_facts_1",
                &[
                    (&organization, Type::TEXT),
                    (&url_agent, Type::TEXT),
                    (&presented, Type::BYTEA_ARRAY),
                    (&token_agent, Type::TEXT),
                    (&token, Type::TEXT),
                    (&issued_at, Type::FLOAT8),
                    (&deployment, Type::TEXT),
                    (&slug, Type::TEXT),
                    (&provider, Type::TEXT),
                    (&user, Type::TEXT),
                    (&hashes(known), Type::BYTEA_ARRAY),
                    (&pattern, Type::TEXT),
                ],
            )
            .await?;
        let row = one(&rows)?;
        let Json(placeholders) = row.column("placeholders")?;
        let own_provider: Option<Json<ProviderRow>> = row.column("provider")?;
        Ok(Facts {
            agent_exists: row.column("agent_exists")?,
            token: token_standing(row)?,
            system_entitled: row.column("system_entitled")?,
            placeholders,
            profiles: profiles(row)?,
            policies: policies(row)?,
            grant: standing(row)?,
            sealed: row.json("sealed")?.unwrap_or_default(),
            own_provider: own_provider.map(|Json(row)| row),
        })
    }
}

/// Reads the column `profiles`, the newest first. Sorting here keeps a new session from learning how to sort.
fn profiles(row: &Row) -> Result<Vec<ProfileRow>, StoreError> {
    #[derive(Deserialize)]
    struct Written {
        id: String,
        #[serde(with = "time::serde::rfc3339")]
        created_at: OffsetDateTime,
        #[serde(flatten)]
        profile: ProfileRow,
    }
    let Json(mut all): Json<Vec<Written>> = row.column("profiles")?;
    all.sort_by(|a, b| (b.created_at, &a.id).cmp(&(a.created_at, &b.id)));
    Ok(all.into_iter().map(|written| written.profile).collect())
}
