//! Egress policies, and what a decision needs to know beside them, in one statement.

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

/// What the database knows of an agent's egress.
#[derive(Debug)]
pub struct PolicyFacts {
    /// The policies that apply to the agent. Rules that the caller already caches are left out.
    pub policies: Vec<PolicyRow>,
    /// What a person decided about the pattern for this agent.
    pub grant: Grant,
    /// Whether the organization has the agent.
    pub agent_exists: bool,
    /// How the worker token stands; `Good` where there is none.
    pub token: TokenStanding,
}

/// The policies of `$org` and `$agent` as JSON, without the rules whose hash is in `$known`.
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

// $2 is null where nobody knows the agent: then the organization's policy alone counts.
const POLICIES: &str = concat!(
    "select ",
    policies_sql!("$1", "$2::text", "$3"),
    " as policies"
);

/// Writes a policy whose key is `$key`.
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
    /// What decides where the worker's agent may go: its policies, without the rules that the asker
    /// `knows`, and how the pattern stands, if one is asked for.
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

    /// The same for the operator, who may ask of any agent.
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

    /// The policies that a callback's address must obey: the organization's, and its agent's.
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

    /// Writes a policy of an agent, or without one, of all the organization's agents.
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

    /// Removes it; how many there were.
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

/// Hashes as a parameter.
pub(super) fn hashes<'a>(known: &[&'a RulesHash]) -> Vec<&'a [u8]> {
    known.iter().map(|hash| hash.as_slice()).collect()
}

/// The column `policies`, which is of `policies_sql`.
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
