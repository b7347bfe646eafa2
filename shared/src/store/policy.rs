//! Egress policies, read in one statement with everything else that a decision needs.

use super::administration::Written;
use super::grant::standing;
use super::row::{Columns, one};
use super::token::token_standing;
use super::{Parameter, Store, StoreError, malformed};
use crate::authority::access::TokenStanding;
use crate::authority::scope::VerifiedWorker;
use crate::id::{AgentId, OrganizationId};
use crate::policy::{Grant, Owner, PolicyRow, RulesHash, Target};
use crate::provider;
use crate::question::GrantPattern;
use serde_json::Value;
use tokio_postgres::{
    Row,
    types::{Json, Type},
};

/// What the database knows about an agent's egress.
#[derive(Debug)]
pub struct PolicyFacts {
    /// The policies that apply to the agent. Rules that the caller already caches are left out.
    pub policies: Vec<PolicyRow>,
    /// The grant or denial of the pattern for this agent; `Grant::None` if nobody has decided, or
    /// no pattern was given.
    pub grant: Grant,
    /// Whether the organization has the agent.
    pub agent_exists: bool,
    /// The addresses of the organization's own providers at the host that was asked about.
    own_addresses: Vec<String>,
    /// Whether the worker token is still valid; `Good` if there is no token.
    pub token: TokenStanding,
}

impl PolicyFacts {
    /// Whether one of the organization's own providers is at this host and port.
    pub fn has_own_provider_at(&self, target: &Target) -> bool {
        self.own_addresses
            .iter()
            .any(|address| provider::is_at(address, target))
    }
}

impl Store {
    /// Reads what decides the egress of the worker's agent. Policies whose hash is in `known` come without their
    /// rules. The grant is that of `pattern`, if one is given.
    pub async fn policy_facts(
        &self,
        worker: &VerifiedWorker,
        pattern: Option<&GrantPattern>,
        known: &[&RulesHash],
    ) -> Result<PolicyFacts, StoreError> {
        let parameters: [Parameter<'_>; 7] = [
            (&worker.agent().organization().as_str(), Type::TEXT),
            (&worker.agent().agent().as_str(), Type::TEXT),
            (&hashes(known), Type::BYTEA_ARRAY),
            (&pattern.map(GrantPattern::to_string), Type::TEXT),
            (&worker.token().as_str(), Type::TEXT),
            (&worker.issued_at(), Type::FLOAT8),
            (&worker.deployment().as_str(), Type::TEXT),
        ];
        let rows = self.call("policy_facts_1", &parameters).await?;
        let row = one(&rows)?;
        facts(row, token_standing(row)?)
    }

    /// Reads the same for the operator, who may ask about any agent and presents no token.
    pub async fn policy_explain(
        &self,
        organization: &OrganizationId,
        agent: &AgentId,
        pattern: &GrantPattern,
    ) -> Result<PolicyFacts, StoreError> {
        let parameters: [Parameter<'_>; 3] = [
            (&organization.as_str(), Type::TEXT),
            (&agent.as_str(), Type::TEXT),
            (&pattern.to_string(), Type::TEXT),
        ];
        let rows = self.call("policy_explain_1", &parameters).await?;
        facts(one(&rows)?, TokenStanding::Good)
    }

    /// The policies that a callback address must obey: the organization's, and the agent's if there is one.
    pub async fn policies_of(
        &self,
        organization: &OrganizationId,
        agent: Option<&AgentId>,
    ) -> Result<Vec<PolicyRow>, StoreError> {
        let parameters: [Parameter<'_>; 3] = [
            (&organization.as_str(), Type::TEXT),
            (&agent.map(AgentId::as_str), Type::TEXT),
            (&hashes(&[]), Type::BYTEA_ARRAY),
        ];
        let rows = self.call("policies_1", &parameters).await?;
        policies(one(&rows)?)
    }

    /// Creates or replaces the policy of an agent or, if `agent` is `None`, of the whole organization.
    pub async fn policy_put(
        &self,
        organization: &OrganizationId,
        agent: Option<&AgentId>,
        rules: &Value,
        observe: bool,
    ) -> Result<Written, StoreError> {
        let parameters: [Parameter<'_>; 4] = [
            (&organization.as_str(), Type::TEXT),
            (&agent.map(AgentId::as_str), Type::TEXT),
            (&Json(rules), Type::JSONB),
            (&observe, Type::BOOL),
        ];
        self.owned("policy_put_1", &parameters).await
    }
}

/// Reads the columns `policies`, `standing`, `agent_exists` and `own_addresses`.
fn facts(row: &Row, token: TokenStanding) -> Result<PolicyFacts, StoreError> {
    Ok(PolicyFacts {
        policies: policies(row)?,
        grant: standing(row)?,
        agent_exists: row.column("agent_exists")?,
        own_addresses: row.column("own_addresses")?,
        token,
    })
}

/// The hashes as a parameter of a function.
pub(super) fn hashes<'a>(known: &[&'a RulesHash]) -> Vec<&'a [u8]> {
    known.iter().map(|hash| hash.as_slice()).collect()
}

/// Reads the column `policies`.
pub(super) fn policies(row: &Row) -> Result<Vec<PolicyRow>, StoreError> {
    #[derive(serde::Deserialize)]
    struct Written {
        own: bool,
        observe: bool,
        hash: String,
        rules: Option<Value>,
    }
    let Json(all): Json<Vec<Written>> = row.column("policies")?;
    all.into_iter()
        .map(|written| {
            Ok(PolicyRow {
                owner: if written.own {
                    Owner::Agent
                } else {
                    Owner::Organization
                },
                observe: written.observe,
                hash: crate::digest::from_hex(&written.hash)
                    .ok_or_else(|| malformed("policies: malformed rules hash"))?,
                rules: written.rules,
            })
        })
        .collect()
}
