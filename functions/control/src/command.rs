//! Commands as the operator writes them. Each is checked whole before anything runs.

use postern::authority::Platform;
use postern::host::HostName;
use postern::id::{ChannelId, ConversationId, ProfileId, TeamId, TokenId};
use postern::policy::RuleSet;
use postern::provider::AuthType;
use postern::question::GrantPattern;
use postern::{
    AgentId, Code, ConnectionId, DeploymentName, Error, OrganizationId, ProviderId, UserId,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

/// Of a placeholder. Ten years; longer is a mistake.
const MAX_TTL_SECONDS: u32 = 10 * 366 * 24 * 60 * 60;
/// Of a worker token: as long must its revocation be remembered.
const MAX_TOKEN_TTL_SECONDS: u32 = 24 * 60 * 60;
/// An environment that sees a policy for the first time reads all of it.
const MAX_RULES: usize = 256 * 1024;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    Migrate {},
    PutOrganization {
        id: OrganizationId,
        #[serde(default)]
        system_providers: Option<Vec<ProviderId>>,
    },
    PutAgent {
        organization_id: OrganizationId,
        agent_id: AgentId,
    },
    PutConnection(PutConnection),
    PutProfile(PutProfile),
    MintPlaceholder(MintPlaceholder),
    RevokeDeployment {
        organization_id: OrganizationId,
        deployment_name: DeploymentName,
    },
    MintWorkerToken(MintWorkerToken),
    RevokeWorkerToken {
        organization_id: OrganizationId,
        jti: TokenId,
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    RevokeGrant {
        organization_id: OrganizationId,
        agent_id: AgentId,
        pattern: GrantPattern,
    },
    PutPolicy(PutPolicy),
    DeletePolicy {
        organization_id: OrganizationId,
        #[serde(default)]
        agent_id: Option<AgentId>,
    },
    Explain {
        organization_id: OrganizationId,
        agent_id: AgentId,
        method: String,
        url: String,
    },
}

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

impl Command {
    /// # Errors
    /// `invalid_request` that names the field.
    pub fn parse(input: Value) -> Result<Self, Error> {
        let Value::Object(mut fields) = input else {
            return Err(Error::new(
                Code::InvalidRequest,
                "the input must be a JSON object with `command`",
            ));
        };
        let Some(Value::String(name)) = fields.remove("command") else {
            return Err(Error::field("command", "is required"));
        };
        // The command's name outside, its fields inside: so an error knows which field it is about. A
        // serde message repeats at most a value of a closed set.
        let tagged = Value::Object([(name, Value::Object(fields))].into_iter().collect());
        let command: Self = serde_path_to_error::deserialize(tagged).map_err(|error| {
            let path: Vec<String> = error
                .path()
                .iter()
                .skip(1)
                .map(ToString::to_string)
                .collect();
            let field = if path.is_empty() {
                String::new()
            } else {
                format!("the field `{}`: ", path.join("."))
            };
            Error::new(
                Code::InvalidRequest,
                format!("{field}{}", error.into_inner()),
            )
        })?;
        command.check()?;
        Ok(command)
    }

    fn check(&self) -> Result<(), Error> {
        match self {
            Self::MintPlaceholder(mint) => {
                ttl(mint.ttl_seconds, MAX_TTL_SECONDS)?;
                text("env_var_name", &mint.env_var_name)?;
                mint.allowed_hosts
                    .iter()
                    .try_for_each(|host| host_name(host))
            }
            Self::MintWorkerToken(mint) => ttl(mint.ttl_seconds, MAX_TOKEN_TTL_SECONDS),
            Self::Migrate {}
            | Self::PutOrganization { .. }
            | Self::PutAgent { .. }
            | Self::PutConnection(_)
            | Self::PutProfile(_)
            | Self::RevokeDeployment { .. }
            | Self::RevokeWorkerToken { .. }
            | Self::DeletePolicy { .. }
            | Self::Explain { .. } => Ok(()),
            Self::RevokeGrant { pattern, .. } => text("pattern", &pattern.to_string()),
            Self::PutPolicy(put) => rules(&put.rules),
        }
    }
}

fn rules(rules: &Value) -> Result<(), Error> {
    RuleSet::check(rules).map_err(|error| Error::field("rules", error))?;
    if rules.to_string().len() > MAX_RULES {
        return Err(Error::field(
            "rules",
            format_args!("must be at most {MAX_RULES} bytes of JSON"),
        ));
    }
    Ok(())
}

fn ttl(seconds: u32, longest: u32) -> Result<(), Error> {
    if (1..=longest).contains(&seconds) {
        return Ok(());
    }
    Err(Error::field(
        "ttl_seconds",
        format_args!("must be 1 to {longest}"),
    ))
}

fn text(field: &str, value: &str) -> Result<(), Error> {
    UserId::parse(value)
        .map(drop)
        .map_err(|rule| Error::field(field, rule))
}

fn host_name(host: &str) -> Result<(), Error> {
    HostName::parse(host)
        .map(drop)
        .map_err(|rule| Error::field("allowed_hosts", rule))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(input: Value) -> String {
        let error = Command::parse(input).unwrap_err();
        assert_eq!(error.code, Code::InvalidRequest);
        error.message().to_owned()
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mint = json!({"command": "mint_placeholder", "organization_id": "o", "agent_id": "a", "env_var_name": "K", "deployment_name": "d"});
        let with = |field: &str, value: Value| {
            let mut input = mint.clone();
            input[field] = value;
            input
        };
        assert!(Command::parse(mint.clone()).is_ok());
        for (input, named) in [
            (json!([]), "command"),
            (json!({}), "command"),
            (json!({"command": "nonsense"}), "nonsense"),
            (
                json!({"command": "put_agent", "organization_id": "o"}),
                "agent_id",
            ),
            (with("agent_id", json!("a b")), "visible"),
            (with("typo", json!(1)), "typo"),
            (
                json!({"command": "put_policy", "organization_id": "o", "rules": [{"host": "*", "action": "deny"}]}),
                "rules",
            ),
            (
                json!({"command": "put_policy", "organization_id": "o"}),
                "rules",
            ),
            (with("ttl_seconds", json!(0)), "ttl_seconds"),
            (
                json!({"command": "mint_worker_token", "organization_id": "o", "agent_id": "a", "deployment_name": "d", "ttl_seconds": 86_401}),
                "ttl_seconds",
            ),
            (
                json!({"command": "mint_worker_token", "organization_id": "o", "agent_id": "a", "deployment_name": "d", "channel_id": "a b"}),
                "`channel_id`",
            ),
            (
                json!({"command": "mint_worker_token", "organization_id": "o", "agent_id": "a", "deployment_name": "d", "conversation_id": ""}),
                "`conversation_id`",
            ),
            (
                json!({"command": "mint_worker_token", "organization_id": "o", "agent_id": "a", "deployment_name": "d", "team_id": "x".repeat(256)}),
                "`team_id`",
            ),
            (
                json!({"command": "revoke_grant", "organization_id": "o", "agent_id": "a", "pattern": "a b"}),
                "`pattern`",
            ),
            (
                json!({"command": "revoke_grant", "organization_id": "o", "agent_id": "a", "pattern": "x".repeat(256)}),
                "`pattern`",
            ),
            (with("organization_id", json!("a/b")), "1 to 64"),
            (
                json!({"command": "put_organization", "id": "..", "system_providers": []}),
                "`id`",
            ),
            (with("allowed_hosts", json!(["https://x"])), "allowed_hosts"),
            (with("allowed_hosts", json!(["x:443"])), "allowed_hosts"),
            (
                json!({"command": "put_connection", "organization_id": "o", "id": "c", "platform": "irc", "secret_ref": "x"}),
                "`platform`: must be one of slack",
            ),
        ] {
            let said = refusal(input);
            assert!(said.contains(named), "{named}: {said}");
        }
    }
}
