//! What `control` mints and revokes: placeholders and worker tokens.

use super::row::{Columns, one};
use super::{Parameter, Store, StoreError, millis};
use crate::authority::placeholder::PlaceholderHash;
use crate::authority::token::MAX_LIFE;
use crate::id::{AgentId, DeploymentName, OrganizationId, TokenId, UserId};
use time::OffsetDateTime;
use tokio_postgres::types::Type;

/// A placeholder to store. The placeholder itself is never stored, only its hash.
#[derive(Debug)]
pub struct NewPlaceholder {
    /// SHA-256 of the placeholder: the key of the row.
    pub hash: PlaceholderHash,
    /// The agent that holds it.
    pub agent_id: AgentId,
    /// The only user for whom it is valid; `None` for all users of the agent.
    pub user_id: Option<UserId>,
    /// The environment variable that holds it in the deployment. It is stored for the operator's information only.
    pub env_var_name: String,
    /// The deployment that holds it. Revoking the deployment deletes it.
    pub deployment_name: DeploymentName,
    /// Its lifetime in seconds, from now.
    pub ttl_seconds: u32,
    /// The name of its own secret, if it has one; otherwise a credential profile supplies the credential.
    pub secret_ref: Option<String>,
    /// The hosts to which its own secret may be sent.
    pub allowed_hosts: Vec<String>,
}

impl Store {
    /// Stores a placeholder. Returns when it expires, by the database's clock, or `None` if the organization
    /// does not have the agent.
    pub async fn placeholder_mint(
        &self,
        organization: &OrganizationId,
        new: &NewPlaceholder,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let parameters: [Parameter<'_>; 9] = [
            (&organization.as_str(), Type::TEXT),
            (&new.agent_id.as_str(), Type::TEXT),
            (&new.hash.as_bytes(), Type::BYTEA),
            (&new.user_id.as_ref().map(UserId::as_str), Type::TEXT),
            (&new.env_var_name, Type::TEXT),
            (&new.deployment_name.as_str(), Type::TEXT),
            (&f64::from(new.ttl_seconds), Type::FLOAT8),
            (&new.secret_ref, Type::TEXT),
            (&new.allowed_hosts, Type::TEXT_ARRAY),
        ];
        let rows = self.call("placeholder_mint_1", &parameters).await?;
        rows.first().map(|row| row.column("expires_at")).transpose()
    }

    /// The issue time for a new token of this agent and deployment: the database's time, but later than every
    /// revocation of the deployment so far. `None` if the organization does not have the agent.
    pub async fn token_issue_time(
        &self,
        organization: &OrganizationId,
        agent: &AgentId,
        deployment: &DeploymentName,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let parameters: [Parameter<'_>; 3] = [
            (&organization.as_str(), Type::TEXT),
            (&agent.as_str(), Type::TEXT),
            (&deployment.as_str(), Type::TEXT),
        ];
        let rows = self.call("token_issue_time_1", &parameters).await?;
        rows.first().map(|row| row.column("issued_at")).transpose()
    }

    /// Deletes a deployment's placeholders and revokes all worker tokens issued to it until now. Returns the
    /// number of placeholders deleted.
    pub async fn deployment_revoke(
        &self,
        organization: &OrganizationId,
        name: &DeploymentName,
    ) -> Result<i64, StoreError> {
        let parameters: [Parameter<'_>; 2] = [
            (&organization.as_str(), Type::TEXT),
            (&name.as_str(), Type::TEXT),
        ];
        let rows = self.call("deployment_revoke_1", &parameters).await?;
        one(&rows)?.column("revoked")
    }

    /// Revokes one token. The revocation is kept at least until `expires_at`.
    pub async fn token_revoke(
        &self,
        organization: &OrganizationId,
        token: &TokenId,
        expires_at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let parameters: [Parameter<'_>; 4] = [
            (&organization.as_str(), Type::TEXT),
            (&token.as_str(), Type::TEXT),
            (&expires_at, Type::TIMESTAMPTZ),
            (&(millis(MAX_LIFE) as f64), Type::FLOAT8),
        ];
        self.call("token_revoke_1", &parameters).await?;
        Ok(())
    }
}
