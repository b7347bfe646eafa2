//! The fields of each command. `docs/operations.md` says what each means.

use postern::authority::Platform;
use postern::id::{ChannelId, ConversationId, ProfileId, TeamId, TokenId};
use postern::provider::AuthType;
use postern::question::GrantPattern;
use postern::{AgentId, ConnectionId, DeploymentName, OrganizationId, ProviderId, UserId};
use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

/// `put_organization`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutOrganization {
    pub id: OrganizationId,
    #[serde(default)]
    pub system_providers: Option<Vec<ProviderId>>,
}

/// `put_agent`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutAgent {
    pub organization_id: OrganizationId,
    pub agent_id: AgentId,
}

/// `revoke_deployment`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeDeployment {
    pub organization_id: OrganizationId,
    pub deployment_name: DeploymentName,
}

/// `revoke_worker_token`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeWorkerToken {
    pub organization_id: OrganizationId,
    pub jti: TokenId,
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// `revoke_grant`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeGrant {
    pub organization_id: OrganizationId,
    pub agent_id: AgentId,
    pub pattern: GrantPattern,
}

/// `delete_policy`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeletePolicy {
    pub organization_id: OrganizationId,
    #[serde(default)]
    pub agent_id: Option<AgentId>,
}

/// `explain`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    pub organization_id: OrganizationId,
    pub agent_id: AgentId,
    pub method: String,
    pub url: String,
}

/// `put_policy`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutPolicy {
    pub organization_id: OrganizationId,
    /// Without one it is all the organization's agents'.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    pub rules: Value,
    #[serde(default)]
    pub observe: bool,
}

/// `put_connection`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutConnection {
    pub organization_id: OrganizationId,
    pub id: ConnectionId,
    pub platform: Platform,
    pub secret_ref: String,
    #[serde(default)]
    pub config: Map<String, Value>,
}

/// `put_profile`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutProfile {
    pub organization_id: OrganizationId,
    pub id: ProfileId,
    pub provider_id: ProviderId,
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    #[serde(default)]
    pub user_id: Option<UserId>,
    pub auth_type: AuthType,
    pub secret_ref: String,
    #[serde(default)]
    pub disabled: bool,
}

/// `mint_placeholder`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MintPlaceholder {
    pub organization_id: OrganizationId,
    pub agent_id: AgentId,
    #[serde(default)]
    pub user_id: Option<UserId>,
    pub env_var_name: String,
    pub deployment_name: DeploymentName,
    #[serde(default = "a_day")]
    pub ttl_seconds: u32,
    #[serde(default)]
    pub secret_ref: Option<String>,
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
}

/// `mint_worker_token`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MintWorkerToken {
    pub organization_id: OrganizationId,
    pub agent_id: AgentId,
    pub deployment_name: DeploymentName,
    #[serde(default = "two_hours")]
    pub ttl_seconds: u32,
    #[serde(default)]
    pub connection_id: Option<ConnectionId>,
    #[serde(default)]
    pub user_id: Option<UserId>,
    #[serde(default)]
    pub channel_id: Option<ChannelId>,
    #[serde(default)]
    pub conversation_id: Option<ConversationId>,
    #[serde(default)]
    pub team_id: Option<TeamId>,
}

fn a_day() -> u32 {
    86_400
}

fn two_hours() -> u32 {
    7_200
}
