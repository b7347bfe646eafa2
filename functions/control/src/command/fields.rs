//! The fields of each command, as the operator writes them in JSON. `docs/operations.md` explains them.

use postern::authority::Platform;
use postern::id::Slug;
use postern::id::{ChannelId, ConversationId, ProfileId, TeamId, TokenId};
use postern::provider::{AuthType, Providers, WrittenAuth, WrittenOptions, WrittenShape};
use postern::secret::SealedName;
use postern::{AgentId, ConnectionId, DeploymentName, Error, OrganizationId, ProviderId, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// `put_organization`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutOrganization {
    /// The organization's id.
    pub id: OrganizationId,
    /// The providers whose system credential the organization may use. Without the field they are left as they are.
    #[serde(default)]
    pub system_providers: Option<Vec<ProviderId>>,
}

/// `put_agent`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutAgent {
    /// The organization that owns the agent.
    pub organization_id: OrganizationId,
    /// The agent's id.
    pub agent_id: AgentId,
}

/// `revoke_deployment`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeDeployment {
    /// The organization that owns the deployment.
    pub organization_id: OrganizationId,
    /// The deployment to revoke.
    pub deployment_name: DeploymentName,
}

/// `revoke_worker_token`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeWorkerToken {
    /// The token's organization.
    pub organization_id: OrganizationId,
    /// The token's id.
    pub jti: TokenId,
    /// When the token expires (RFC 3339). The revocation is stored at least until then.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// `explain`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The agent's organization.
    pub organization_id: OrganizationId,
    /// The agent that would send the request.
    pub agent_id: AgentId,
    /// The request's HTTP method.
    pub method: String,
    /// The request's URL, encoded as it would be sent.
    pub url: String,
}

/// `put_policy`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutPolicy {
    /// The organization that owns the policy.
    pub organization_id: OrganizationId,
    /// The agent that the policy is for; without one it is for all agents of the organization.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// The list of rules, as `RuleSet` reads it.
    pub rules: Value,
    /// Whether the policy is only observed: its decisions are logged and not enforced.
    #[serde(default)]
    pub observe: bool,
}

/// `put_connection`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutConnection {
    /// The organization that owns the connection.
    pub organization_id: OrganizationId,
    /// The connection's id, unique among all organizations.
    pub id: ConnectionId,
    /// The chat platform.
    pub platform: Platform,
    /// The name of the secret with the connection's tokens and keys.
    pub secret_ref: String,
    /// The platform's settings, such as `api_base_url`.
    #[serde(default)]
    pub config: Map<String, Value>,
}

/// `test_connection`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestConnection {
    /// The organization that owns the connection.
    pub organization_id: OrganizationId,
    /// The connection to test.
    pub connection_id: ConnectionId,
    /// The channel to post in.
    pub channel_id: ChannelId,
    /// The conversation in that channel, such as a thread; without one it is the channel itself.
    #[serde(default)]
    pub conversation_id: Option<ConversationId>,
}

/// `put_profile`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutProfile {
    /// The organization that owns the profile.
    pub organization_id: OrganizationId,
    /// The profile's id, unique within the organization.
    pub id: ProfileId,
    /// The provider that the credential is for.
    pub provider_id: ProviderId,
    /// The only agent that may use it; without one it is for all agents of the organization.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// The only user for whom it is used; without one it is for all users. It requires `agent_id`.
    #[serde(default)]
    pub user_id: Option<UserId>,
    /// How the credential is presented to the provider.
    pub auth_type: AuthType,
    /// The name of the secret that holds the credential.
    pub secret_ref: String,
    /// Whether the profile is stored but never used.
    #[serde(default)]
    pub disabled: bool,
}

/// `put_secret`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutSecret {
    /// The organization that owns the secret.
    pub organization_id: OrganizationId,
    /// The secret's name, unique within the organization.
    pub name: SealedName,
    /// The secret itself.
    pub value: SecretValue,
}

/// A secret as it is written. White space around it is not part of it.
#[derive(Debug)]
pub struct SecretValue(SecretString);

impl SecretValue {
    /// Maximum size in bytes.
    const MAX: usize = 64 * 1024;

    /// The value.
    pub fn as_secret(&self) -> &SecretString {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SecretValue {
    // An error repeats nothing of what was written.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = match Value::deserialize(from) {
            Ok(Value::String(text)) => Some(SecretString::from(text)),
            Ok(
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_),
            )
            | Err(_) => None,
        };
        let value = written.and_then(|text| {
            let text = text.expose_secret().trim();
            (1..=Self::MAX)
                .contains(&text.len())
                .then(|| Self(SecretString::from(text)))
        });
        value.ok_or_else(|| D::Error::custom("must be a string of 1 byte to 64 KiB"))
    }
}

/// `reseal`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reseal {
    /// The most secrets to seal again, 100 by default.
    #[serde(default = "a_hundred")]
    pub limit: u32,
}

/// `put_provider`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutProvider {
    /// The organization that alone sees the provider.
    pub organization_id: OrganizationId,
    /// The name in the proxy's path.
    pub slug: Slug,
    /// The operator's provider or template whose shape it takes. The fields below win over it.
    #[serde(default)]
    pub template: Option<String>,
    /// The address to which the proxy's path is added.
    pub base_url: String,
    /// How a credential is sent. Required without a template.
    #[serde(default)]
    pub auth: Option<WrittenAuth>,
    /// How an OAuth access token is sent, where that differs.
    #[serde(default)]
    pub oauth_auth: Option<WrittenAuth>,
    /// The name that profiles use; the slug by default.
    #[serde(default)]
    pub provider_id: Option<ProviderId>,
    /// Headers that every request gets.
    #[serde(default)]
    pub constants: Option<BTreeMap<String, String>>,
    /// The statuses that say that the credential is bad.
    #[serde(default)]
    pub bad_key: Option<Vec<u16>>,
    /// The form field in which clients may send their placeholder.
    #[serde(default)]
    pub form: Option<String>,
    /// The path below `base_url` that takes OpenAI's chat completions.
    #[serde(default)]
    pub chat_path: Option<String>,
}

impl PutProvider {
    /// The shape that the fields describe, on top of the template's.
    ///
    /// # Errors
    /// `invalid_request` where there is no such template, or neither a template nor an `auth`.
    pub fn shape(&self, operators: &Providers) -> Result<WrittenShape, Error> {
        let unknown = || {
            let rule = "must be the slug of a provider or template of the operator";
            Error::field("template", rule)
        };
        let template = match &self.template {
            Some(name) => Some(operators.shape(name).ok_or_else(unknown)?.clone()),
            None => None,
        };
        let (auth, oauth_auth, options) = match template {
            Some(shape) => (Some(shape.auth), shape.oauth_auth, shape.options),
            None => (None, None, WrittenOptions::default()),
        };
        let missing = || Error::field("auth", "is required without a `template`");
        let own = self.auth.is_some();
        Ok(WrittenShape {
            auth: self.auth.clone().or(auth).ok_or_else(missing)?,
            // A template's second way belongs to its first.
            oauth_auth: self.oauth_auth.clone().or(oauth_auth.filter(|_| !own)),
            options: WrittenOptions {
                constants: self.constants.clone().unwrap_or(options.constants),
                bad_key: self.bad_key.clone().or(options.bad_key),
                form: self.form.clone().or(options.form),
                chat_path: self.chat_path.clone().or(options.chat_path),
            },
        })
    }
}

/// `mint_placeholder`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MintPlaceholder {
    /// The agent's organization.
    pub organization_id: OrganizationId,
    /// The agent that will hold the placeholder.
    pub agent_id: AgentId,
    /// The only user for whom it is valid; without one it is valid for all users.
    #[serde(default)]
    pub user_id: Option<UserId>,
    /// The environment variable that holds it. It is stored for the operator's information only.
    pub env_var_name: String,
    /// The deployment that holds it. Revoking the deployment deletes it.
    pub deployment_name: DeploymentName,
    /// Its lifetime, a day by default.
    #[serde(default = "a_day")]
    pub ttl_seconds: u32,
    /// The name of its own secret; without one a credential profile supplies the credential.
    #[serde(default)]
    pub secret_ref: Option<String>,
    /// The hosts to which its own secret may be sent. Required with `secret_ref`.
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
}

/// `mint_worker_token`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MintWorkerToken {
    /// The agent's organization.
    pub organization_id: OrganizationId,
    /// The agent that the token identifies.
    pub agent_id: AgentId,
    /// The deployment that will hold the token. Revoking the deployment revokes it.
    pub deployment_name: DeploymentName,
    /// Its lifetime, two hours by default.
    #[serde(default = "two_hours")]
    pub ttl_seconds: u32,
    /// The connection on which the agent may ask. Asking needs this field, `user_id`, `channel_id` and
    /// `conversation_id`.
    #[serde(default)]
    pub connection_id: Option<ConnectionId>,
    /// The person whom the agent may ask.
    #[serde(default)]
    pub user_id: Option<UserId>,
    /// The channel in which the agent may ask.
    #[serde(default)]
    pub channel_id: Option<ChannelId>,
    /// The conversation in that channel, such as a thread.
    #[serde(default)]
    pub conversation_id: Option<ConversationId>,
    /// The workspace of the channel.
    #[serde(default)]
    pub team_id: Option<TeamId>,
}

/// The default of `reseal`.
fn a_hundred() -> u32 {
    100
}

/// The default lifetime of a placeholder, in seconds.
fn a_day() -> u32 {
    86_400
}

/// The default lifetime of a worker token, in seconds.
fn two_hours() -> u32 {
    7_200
}
