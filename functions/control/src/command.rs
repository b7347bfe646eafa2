//! Commands as the operator writes them. A command is checked completely before it runs.

mod fields;
mod records;

pub(crate) use fields::{
    Explain, MintPlaceholder, MintWorkerToken, PutAgent, PutConnection, PutOrganization, PutPolicy,
    PutProfile, PutProvider, PutSecret, Reseal, RevokeDeployment, RevokeWorkerToken,
    TestConnection,
};
pub(crate) use records::List;

use postern::host::HostName;
use postern::policy::RuleSet;
use postern::store::{GrantKey, Record};
use postern::{Code, Error, UserId};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Maximum lifetime of a placeholder: ten years. A longer one is surely a mistake.
const MAX_TTL_SECONDS: u32 = 10 * 366 * 24 * 60 * 60;
/// Maximum lifetime of a worker token. Revocations must be stored for as long.
const MAX_TOKEN_TTL_SECONDS: u32 = 24 * 60 * 60;
/// Maximum size of a policy's rules, in bytes of JSON. Every Lambda environment reads and caches them.
const MAX_RULES: usize = 256 * 1024;
/// Maximum number of secrets that one `reseal` seals again.
const MAX_RESEAL: u32 = 1000;

/// A command of the operator.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Migrates the schema to this version.
    Migrate {},
    /// Prints the SQL that creates a login for each function.
    Logins {},
    /// Creates or updates an organization.
    PutOrganization(PutOrganization),
    /// Creates an agent.
    PutAgent(PutAgent),
    /// Creates or replaces a connection to a chat platform.
    PutConnection(PutConnection),
    /// Posts a message on a connection and deletes it, and says what is wrong.
    TestConnection(TestConnection),
    /// Creates or replaces a credential profile, which says what secret is used for a provider.
    PutProfile(PutProfile),
    /// Creates or replaces a sealed secret.
    PutSecret(PutSecret),
    /// Seals secrets again that are not under the keyring's current key.
    Reseal(Reseal),
    /// Creates or replaces a provider of an organization's own.
    PutProvider(Box<PutProvider>),
    /// Creates a placeholder.
    MintPlaceholder(MintPlaceholder),
    /// Deletes a deployment's placeholders and revokes its worker tokens.
    RevokeDeployment(RevokeDeployment),
    /// Creates a worker token.
    MintWorkerToken(MintWorkerToken),
    /// Revokes one worker token.
    RevokeWorkerToken(RevokeWorkerToken),
    /// Deletes a grant or a denial.
    RevokeGrant(GrantKey),
    /// Creates or replaces an egress policy.
    PutPolicy(PutPolicy),
    /// Explains which rule decides a request, and why.
    Explain(Explain),
    /// `list_` and a kind: lists a page of the records of the kind.
    #[serde(skip)]
    List(List),
    /// `get_` and a kind: shows a record.
    #[serde(skip)]
    Get(Record),
    /// `delete_` and a kind: deletes a record, and with it what it owns.
    #[serde(skip)]
    Delete(Record),
}

impl Command {
    /// Reads and checks a command: a JSON object with its name in `command`, and its fields.
    ///
    /// # Errors
    /// `invalid_request` with the name of the field.
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
        let command = match records::named(&name) {
            Some(of_a_kind) => of_a_kind.read(fields)?,
            None => read(&name, fields)?,
        };
        command.check()?;
        Ok(command)
    }

    /// Checks the limits that the types of the fields do not express.
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
            | Self::Logins {}
            | Self::PutOrganization(_)
            | Self::PutAgent(_)
            | Self::PutConnection(_)
            | Self::TestConnection(_)
            | Self::PutProfile(_)
            | Self::PutSecret(_)
            | Self::PutProvider(_)
            | Self::RevokeDeployment(_)
            | Self::RevokeWorkerToken(_)
            | Self::Explain(_)
            | Self::List(_) => Ok(()),
            Self::RevokeGrant(grant)
            | Self::Get(Record::Grant(grant))
            | Self::Delete(Record::Grant(grant)) => text("pattern", &grant.pattern.to_string()),
            Self::Get(_) | Self::Delete(_) => Ok(()),
            Self::PutPolicy(put) => rules(&put.rules),
            Self::Reseal(reseal) if (1..=MAX_RESEAL).contains(&reseal.limit) => Ok(()),
            Self::Reseal(_) => Err(Error::field(
                "limit",
                format_args!("must be 1 to {MAX_RESEAL}"),
            )),
        }
    }
}

/// Reads a variant of an enum with its fields.
fn read<T: DeserializeOwned>(variant: &str, fields: Map<String, Value>) -> Result<T, Error> {
    // Converted to serde's external tagging, because then errors have the path of the field. Serde's message may
    // repeat a value. The only field that may hold a placeholder is read as a text of any form, and then checked. The one
    // that holds a secret, `SecretValue`, reads itself and repeats nothing.
    let tagged = Value::Object(
        [(variant.to_owned(), Value::Object(fields))]
            .into_iter()
            .collect(),
    );
    serde_path_to_error::deserialize(tagged).map_err(|error| {
        let path: Vec<String> = error.path().iter().map(ToString::to_string).collect();
        let rule = error.into_inner();
        let message = match path.split_first() {
            // Only a command's name may be unknown. Serde lists those of the enum.
            None => format!("{rule}, `{}`", records::names().join("`, `")),
            Some((_, [])) => rule.to_string(),
            Some((_, field)) => format!("the field `{}`: {rule}", field.join(".")),
        };
        Error::new(Code::InvalidRequest, message)
    })
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
    fn a_secret_is_trimmed_and_never_repeated() {
        let put = |value: Value| {
            Command::parse(
                json!({"command": "put_secret", "organization_id": "o", "name": "keys/x", "value": value}),
            )
        };
        let Ok(Command::PutSecret(read)) = put(json!(" sk-1\n")) else {
            panic!("refused");
        };
        use secrecy::ExposeSecret;
        assert_eq!(read.value.as_secret().expose_secret(), "sk-1");
        assert!(!format!("{read:?}").contains("sk-1"));
        assert!(put(json!("x".repeat(65_536))).is_ok());
        for wrong in [
            json!(123_456_789),
            json!(-1.5),
            json!(true),
            json!(null),
            json!(["123456789"]),
            json!({"123456789": "123456789"}),
            json!(""),
            json!(" \n"),
            json!("123456789".repeat(7_282)),
        ] {
            let message = put(wrong.clone()).unwrap_err().to_string();
            assert!(message.contains("`value`"), "{message}");
            assert!(message.contains("64 KiB"), "{message}");
            let holds = message.contains("123456789") || message.contains("true");
            assert!(!holds && !message.contains("-1.5"), "{message}");
        }
        // A value in a field that does not exist.
        let typo = json!({"command": "put_secret", "organization_id": "o", "name": "keys/x", "valeu": "123456789"});
        assert!(!refusal(typo).contains("123456789"));
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
            (
                json!({"command": "put_secret", "organization_id": "o", "name": "other/x", "value": "v"}),
                "`name`: must be 1 to 128",
            ),
            (json!({"command": "reseal", "limit": 0}), "`limit`"),
            (json!({"command": "reseal", "limit": 1001}), "`limit`"),
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
            let message = refusal(input);
            assert!(message.contains(named), "{named}: {message}");
        }
    }
}
