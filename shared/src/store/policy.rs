//! Egress policies, read in one statement with everything else that a decision needs.

use super::administration::Written;
use super::grant::{grant_sql, standing};
use super::row::{Columns, one};
use super::token::{token_sql, token_standing};
use super::{Parameter, Store, StoreError, malformed};
use crate::authority::access::TokenStanding;
use crate::authority::scope::VerifiedWorker;
use crate::id::{AgentId, OrganizationId};
use crate::policy::{Grant, Owner, PolicyRow, RulesHash};
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
    /// The grant or denial of the pattern for this agent; `Grant::None` if there is none, or no pattern was given.
    pub grant: Grant,
    /// Whether the organization has the agent.
    pub agent_exists: bool,
    /// Whether the worker token is still valid; `Good` if there is no token.
    pub token: TokenStanding,
}

/// The policies that apply to the agent `$agent` of `$org`, as a JSON list. Policies whose hash is in `$known`
/// come without their rules.
macro_rules! policies_sql {
    ($org:literal, $agent:literal, $known:literal) => {
        concat!(
            "coalesce((
        select jsonb_agg(jsonb_build_object(
            'own', e.agent_id is not null, 'observe', e.observe, 'hash', encode(e.rules_hash, 'hex'),
            'rules', case when not e.rules_hash = any(",
            $known,
            ") then e.rules end
        ))
        from egress_policies e
        where e.organization_id = ",
            $org,
            " and (e.agent_id is null or e.agent_id = ",
            $agent,
            ")
    ), '[]')"
        )
    };
}

pub(super) use policies_sql;

const POLICY_FACTS: &str = concat!(
    "
select
    ",
    policies_sql!("$1", "$2", "$3"),
    " as policies,
    ",
    grant_sql!("$1", "$2", "$4"),
    " as standing,
    exists (select from agents a where a.organization_id = $1 and a.id = $2) as agent_exists,
    ",
    token_sql!("$1", "$2", "$5", "$6", "$7"),
    " as token"
);

// $2 is null if the agent is unknown; then only the organization's policy applies.
const POLICIES: &str = concat!(
    "select ",
    policies_sql!("$1", "$2::text", "$3"),
    " as policies"
);

/// Inserts or replaces a policy; `$key` is the unique index that it conflicts on.
macro_rules! put_sql {
    ($key:literal) => {
        concat!(
            "
insert into egress_policies as e (organization_id, agent_id, rules, observe)
values ($1, $2, $3, $4)
on conflict ",
            $key,
            " do update
set rules = excluded.rules, observe = excluded.observe, updated_at = now()
where (e.rules, e.observe) is distinct from (excluded.rules, excluded.observe)"
        )
    };
}

const POLICY_PUT: &str = put_sql!("(organization_id, agent_id) where agent_id is not null");
const POLICY_PUT_FOR_ALL: &str = put_sql!("(organization_id) where agent_id is null");

const POLICY_DELETE: &str = "
delete from egress_policies
where organization_id = $1 and agent_id is not distinct from $2
returning 1";

impl Store {
    /// Reads what decides the egress of the worker's agent. Policies whose hash is in `known` come without their
    /// rules. The grant is that of `pattern`, if one is given.
    pub async fn policy_facts(
        &self,
        worker: &VerifiedWorker,
        pattern: Option<&GrantPattern>,
        known: &[&RulesHash],
    ) -> Result<PolicyFacts, StoreError> {
        let (organization, agent) = (worker.agent().organization(), worker.agent().agent());
        self.facts(organization, agent, Some(worker), pattern, known)
            .await
    }

    /// Reads the same for the operator, who may ask about any agent and presents no token.
    pub async fn policy_explain(
        &self,
        organization: &OrganizationId,
        agent: &AgentId,
        pattern: &GrantPattern,
    ) -> Result<PolicyFacts, StoreError> {
        self.facts(organization, agent, None, Some(pattern), &[])
            .await
    }

    async fn facts(
        &self,
        organization: &OrganizationId,
        agent: &AgentId,
        worker: Option<&VerifiedWorker>,
        pattern: Option<&GrantPattern>,
        known: &[&RulesHash],
    ) -> Result<PolicyFacts, StoreError> {
        let token = worker.map(|worker| worker.token().as_str());
        let issued_at = worker.map(VerifiedWorker::issued_at);
        let deployment = worker.map(|worker| worker.deployment().as_str());
        let parameters: [Parameter<'_>; 7] = [
            (&organization.as_str(), Type::TEXT),
            (&agent.as_str(), Type::TEXT),
            (&hashes(known), Type::BYTEA_ARRAY),
            (&pattern.map(GrantPattern::to_string), Type::TEXT),
            (&token, Type::TEXT),
            (&issued_at, Type::FLOAT8),
            (&deployment, Type::TEXT),
        ];
        let rows = self.query(POLICY_FACTS, &parameters).await?;
        let row = one(&rows)?;
        Ok(PolicyFacts {
            policies: policies(row)?,
            grant: standing(row)?,
            agent_exists: row.column("agent_exists")?,
            token: token_standing(row)?,
        })
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
        let rows = self.query(POLICIES, &parameters).await?;
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
        let sql = if agent.is_some() {
            POLICY_PUT
        } else {
            POLICY_PUT_FOR_ALL
        };
        let parameters: [Parameter<'_>; 4] = [
            (&organization.as_str(), Type::TEXT),
            (&agent.map(AgentId::as_str), Type::TEXT),
            (&Json(rules), Type::JSONB),
            (&observe, Type::BOOL),
        ];
        self.owned(sql, &parameters).await
    }

    /// Deletes the policy of an agent or, if `agent` is `None`, of the organization. Returns the number of rows
    /// deleted, 0 or 1.
    pub async fn policy_delete(
        &self,
        organization: &OrganizationId,
        agent: Option<&AgentId>,
    ) -> Result<usize, StoreError> {
        let parameters: [Parameter<'_>; 2] = [
            (&organization.as_str(), Type::TEXT),
            (&agent.map(AgentId::as_str), Type::TEXT),
        ];
        Ok(self.query(POLICY_DELETE, &parameters).await?.len())
    }
}

/// The hashes as a parameter of a statement.
pub(super) fn hashes<'a>(known: &[&'a RulesHash]) -> Vec<&'a [u8]> {
    known.iter().map(|hash| hash.as_slice()).collect()
}

/// Reads the column `policies`, as `policies_sql` writes it.
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
