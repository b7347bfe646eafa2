//! What an operator lists, gets and deletes: the kinds of records, and the keys by which they are named.

use crate::authority::placeholder::{Placeholder, PlaceholderHash, Presented};
use crate::digest::to_hex;
use crate::id::{AgentId, ConnectionId, OrganizationId, ProfileId, Slug};
use crate::literal::literals;
use crate::question::GrantPattern;
use crate::secret::SealedName;
use serde::Deserialize;
use uuid::Uuid;

/// The kinds, one row each: its name, its plural, and what names a record of it. A kind `x` also has the SQL functions
/// `x_list_1`, `x_get_1` and `x_delete_1`.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $plural:literal, $key:ident;)+) => {
        /// A kind of record.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $kind,)+
        }

        literals! { Kind { $($kind = $name,)+ } }

        impl Kind {
            /// The name of several.
            pub const fn plural(self) -> &'static str {
                match self {
                    $(Self::$kind => $plural,)+
                }
            }
        }

        /// Names one record, by its kind and its key.
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Record {
            $($(#[$doc])* $kind($key),)+
        }

        impl Record {
            /// The record's kind.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)+
                }
            }

            /// The record's key, as its SQL functions take it.
            pub(super) fn key(&self) -> Vec<Option<String>> {
                match self {
                    $(Self::$kind(key) => key.parameters(),)+
                }
            }
        }
    };
}

kinds! {
    /// A tenant.
    Organization = "organization", "organizations", OrganizationKey;
    /// A program of an organization.
    Agent = "agent", "agents", AgentKey;
    /// A chat workspace.
    Connection = "connection", "connections", ConnectionKey;
    /// A credential profile.
    Profile = "profile", "profiles", ProfileKey;
    /// A provider of an organization's own.
    Provider = "provider", "providers", ProviderKey;
    /// A sealed secret, without its value.
    Secret = "secret", "secrets", SecretKey;
    /// An egress policy.
    Policy = "policy", "policies", PolicyKey;
    /// What an agent holds in place of a credential.
    Placeholder = "placeholder", "placeholders", PlaceholderKey;
    /// What a person allowed or denied an agent.
    Grant = "grant", "grants", GrantKey;
}

impl Kind {
    /// Whether a record may own so much that it is emptied in batches, by `x_empty_1`, before it is deleted.
    pub(super) const fn owns_much(self) -> bool {
        match self {
            Self::Organization | Self::Agent | Self::Connection => true,
            Self::Profile
            | Self::Provider
            | Self::Secret
            | Self::Policy
            | Self::Placeholder
            | Self::Grant => false,
        }
    }

    /// Whether the column `key` of a list may hold these parts.
    pub(super) fn takes(self, key: &[String]) -> bool {
        // Postgres takes no NUL in a text.
        !key.iter().any(|part| part.contains('\0'))
            && match self {
                Self::Organization
                | Self::Agent
                | Self::Connection
                | Self::Profile
                | Self::Provider
                | Self::Secret
                | Self::Policy => key.len() == 1,
                Self::Placeholder => matches!(key, [id] if Uuid::try_parse(id).is_ok()),
                Self::Grant => key.len() == 2,
            }
    }
}

/// The key of an organization.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationKey {
    /// Its id.
    pub id: OrganizationId,
}

/// The key of an agent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentKey {
    /// The organization that owns the agent.
    pub organization_id: OrganizationId,
    /// The agent's id.
    pub agent_id: AgentId,
}

/// The key of a connection.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionKey {
    /// The organization that owns the connection.
    pub organization_id: OrganizationId,
    /// The connection's id.
    pub id: ConnectionId,
}

/// The key of a credential profile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileKey {
    /// The organization that owns the profile.
    pub organization_id: OrganizationId,
    /// The profile's id.
    pub id: ProfileId,
}

/// The key of a provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderKey {
    /// The organization that alone sees it.
    pub organization_id: OrganizationId,
    /// The provider's slug.
    pub slug: Slug,
}

/// The key of a sealed secret.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretKey {
    /// The organization that owns the secret.
    pub organization_id: OrganizationId,
    /// The secret's name.
    pub name: SealedName,
}

/// The key of an egress policy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyKey {
    /// The organization that owns the policy.
    pub organization_id: OrganizationId,
    /// The agent that the policy is for; without one it is the policy for all agents of the organization.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
}

/// The key of a grant or a denial.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantKey {
    /// The agent's organization.
    pub organization_id: OrganizationId,
    /// The agent whom a person allowed or denied something.
    pub agent_id: AgentId,
    /// The pattern of the grant: `/mcp/{server}/tools/{tool}` or `host:{host}`.
    pub pattern: GrantPattern,
}

/// The key of a placeholder.
#[derive(Debug, Deserialize)]
#[serde(try_from = "PlaceholderFields")]
pub struct PlaceholderKey {
    /// The agent's organization.
    pub organization_id: OrganizationId,
    /// Which of its placeholders.
    pub named: PlaceholderName,
}

/// What names a placeholder within its organization.
#[derive(Debug)]
pub enum PlaceholderName {
    /// The id that lists show.
    Id(Uuid),
    /// SHA-256 of its text.
    Hash(PlaceholderHash),
}

/// The fields of a placeholder's key. Errors never repeat a value, which may be a placeholder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceholderFields {
    organization_id: OrganizationId,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    placeholder: Option<String>,
}

impl TryFrom<PlaceholderFields> for PlaceholderKey {
    type Error = &'static str;

    fn try_from(fields: PlaceholderFields) -> Result<Self, &'static str> {
        let named = match (fields.id, fields.placeholder) {
            (Some(id), None) => Uuid::try_parse(&id)
                .map(PlaceholderName::Id)
                .map_err(|_| "the field `id` must be a UUID")?,
            (None, Some(text)) => match Placeholder::read(text.as_bytes()) {
                Presented::Placeholder(placeholder) => PlaceholderName::Hash(placeholder.hash()),
                Presented::Misplaced | Presented::Other => {
                    return Err("the field `placeholder` must be `postern_secret_` and a UUID");
                }
            },
            (None, None) => return Err("the field `id` is required, or else `placeholder`"),
            (Some(_), Some(_)) => return Err("the field `id` must not stand beside `placeholder`"),
        };
        Ok(Self {
            organization_id: fields.organization_id,
            named,
        })
    }
}

/// A key, as SQL functions take it: the organization, and the other parts as texts.
trait Key {
    fn parameters(&self) -> Vec<Option<String>>;
}

/// One part of a key, present.
fn part(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

impl Key for OrganizationKey {
    fn parameters(&self) -> Vec<Option<String>> {
        vec![part(&self.id)]
    }
}

impl Key for AgentKey {
    fn parameters(&self) -> Vec<Option<String>> {
        vec![part(&self.organization_id), part(&self.agent_id)]
    }
}

impl Key for ConnectionKey {
    fn parameters(&self) -> Vec<Option<String>> {
        vec![part(&self.organization_id), part(&self.id)]
    }
}

impl Key for ProfileKey {
    fn parameters(&self) -> Vec<Option<String>> {
        vec![part(&self.organization_id), part(&self.id)]
    }
}

impl Key for ProviderKey {
    fn parameters(&self) -> Vec<Option<String>> {
        vec![part(&self.organization_id), part(&self.slug)]
    }
}

impl Key for SecretKey {
    fn parameters(&self) -> Vec<Option<String>> {
        vec![part(&self.organization_id), part(&self.name)]
    }
}

impl Key for PolicyKey {
    fn parameters(&self) -> Vec<Option<String>> {
        let agent = self.agent_id.as_ref().map(ToString::to_string);
        vec![part(&self.organization_id), agent]
    }
}

impl Key for GrantKey {
    fn parameters(&self) -> Vec<Option<String>> {
        let pattern = part(&self.pattern);
        vec![part(&self.organization_id), part(&self.agent_id), pattern]
    }
}

impl Key for PlaceholderKey {
    fn parameters(&self) -> Vec<Option<String>> {
        let (id, hash) = match &self.named {
            PlaceholderName::Id(id) => (part(id), None),
            PlaceholderName::Hash(hash) => (None, Some(to_hex(hash.as_bytes()))),
        };
        vec![part(&self.organization_id), id, hash]
    }
}
