//! The rows that `control` writes. Its caller is the operator, who was authorized by IAM.

use super::{Parameter, Store, StoreError};
use crate::authority::Platform;
use crate::id::{AgentId, ConnectionId, OrganizationId, ProfileId, ProviderId, UserId};
use crate::provider::AuthType;
use serde_json::Value;
use tokio_postgres::types::{Json, Type};

/// The outcome of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// The row is as requested. Repeating the write changes nothing.
    Done,
    /// The organization has no such agent.
    UnknownAgent,
    /// The organization does not exist.
    UnknownOrganization,
    /// The id belongs to another organization. Nothing changed.
    Taken,
    /// The organization has as many as it may. Nothing changed.
    TooMany,
}

/// A credential profile to write.
#[derive(Debug)]
pub struct NewProfile {
    /// Its id, unique within the organization.
    pub id: ProfileId,
    /// The provider that the credential is for.
    pub provider_id: ProviderId,
    /// The only agent that may use it; `None` for all agents of the organization.
    pub agent_id: Option<AgentId>,
    /// The only user for whom it is used; `None` for all users.
    pub user_id: Option<UserId>,
    /// How the credential is presented to the provider.
    pub auth_type: AuthType,
    /// The name of the secret that holds the credential.
    pub secret_ref: String,
    /// Whether it is disabled: stored, but never used.
    pub disabled: bool,
}

impl Store {
    /// Creates an organization, or updates it. Without `system_providers` those of an existing one are kept.
    pub async fn organization_put(
        &self,
        id: &OrganizationId,
        system_providers: Option<&[ProviderId]>,
    ) -> Result<(), StoreError> {
        let providers =
            system_providers.map(|all| all.iter().map(ProviderId::as_str).collect::<Vec<_>>());
        self.call(
            "organization_put_1",
            &[(&id.as_str(), Type::TEXT), (&providers, Type::TEXT_ARRAY)],
        )
        .await?;
        Ok(())
    }

    /// Creates an agent; an existing one is left as it is.
    pub async fn agent_put(
        &self,
        organization: &OrganizationId,
        agent: &AgentId,
    ) -> Result<Written, StoreError> {
        let parameters: [Parameter<'_>; 2] = [
            (&organization.as_str(), Type::TEXT),
            (&agent.as_str(), Type::TEXT),
        ];
        self.owned("agent_put_1", &parameters).await
    }

    /// Creates or replaces a connection. `Taken` if the id belongs to another organization.
    pub async fn connection_put(
        &self,
        organization: &OrganizationId,
        id: &ConnectionId,
        platform: Platform,
        secret_ref: &str,
        config: &Value,
    ) -> Result<Written, StoreError> {
        let parameters: [Parameter<'_>; 5] = [
            (&organization.as_str(), Type::TEXT),
            (&id.as_str(), Type::TEXT),
            (&platform.as_str(), Type::TEXT),
            (&secret_ref, Type::TEXT),
            (&Json(config), Type::JSONB),
        ];
        match self.call("connection_put_1", &parameters).await {
            Ok(rows) if rows.is_empty() => Ok(Written::Taken),
            Ok(_) => Ok(Written::Done),
            Err(error) => unknown_owner(error),
        }
    }

    /// Creates or replaces a credential profile.
    pub async fn profile_put(
        &self,
        organization: &OrganizationId,
        profile: &NewProfile,
    ) -> Result<Written, StoreError> {
        let parameters: [Parameter<'_>; 8] = [
            (&organization.as_str(), Type::TEXT),
            (&profile.id.as_str(), Type::TEXT),
            (&profile.provider_id.as_str(), Type::TEXT),
            (&profile.agent_id.as_ref().map(AgentId::as_str), Type::TEXT),
            (&profile.user_id.as_ref().map(UserId::as_str), Type::TEXT),
            (&profile.auth_type.as_str(), Type::TEXT),
            (&profile.secret_ref, Type::TEXT),
            (&profile.disabled, Type::BOOL),
        ];
        self.owned("profile_put_1", &parameters).await
    }

    /// Runs a write whose row belongs to an organization or an agent.
    pub(super) async fn owned(
        &self,
        function: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Written, StoreError> {
        match self.call(function, parameters).await {
            Ok(_) => Ok(Written::Done),
            Err(error) => unknown_owner(error),
        }
    }
}

/// The owner that does not exist, if that is why a write failed; otherwise the error. Foreign keys to agents
/// are named `{table}_agent`.
pub(super) fn unknown_owner(error: StoreError) -> Result<Written, StoreError> {
    match error.orphan() {
        Some(key) if key.ends_with("_agent") => Ok(Written::UnknownAgent),
        Some(_) => Ok(Written::UnknownOrganization),
        None => Err(error),
    }
}
