//! Ids are newtypes, validated where they enter; nothing re-validates later.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An id that is not of the form the contract gives it. Holds the rule, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(&'static str);

fn visible(value: &str) -> Result<(), InvalidId> {
    let shown = |c: char| !c.is_whitespace() && !c.is_control();
    if (1..=255).contains(&value.chars().count()) && value.chars().all(shown) {
        return Ok(());
    }
    Err(InvalidId(
        "must be 1 to 255 visible characters without spaces",
    ))
}

fn interaction(value: &str) -> Result<(), InvalidId> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if (1..=48).contains(&value.len()) && value.bytes().all(plain) {
        return Ok(());
    }
    Err(InvalidId("must be 1 to 48 of A-Z a-z 0-9 _ . -"))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident: $rule:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id, if the value obeys its rule.
            pub fn parse(value: impl Into<String>) -> Result<Self, InvalidId> {
                let value = value.into();
                $rule(&value)?;
                Ok(Self(value))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(value: String) -> Result<Self, InvalidId> {
                Self::parse(value)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.0)
            }
        }
    )*};
}

ids! {
    /// A tenant. Every scope begins with one.
    OrganizationId: visible;
    /// An agent, unique within its organization only.
    AgentId: visible;
    /// A chat workspace that an organization connected; belongs to exactly one organization.
    ConnectionId: visible;
    /// A person, as the chat platform names them.
    UserId: visible;
    /// A running worker of an agent, the unit in which placeholders are revoked.
    DeploymentName: visible;
    /// A provider of APIs, as profiles and entitlements name it.
    ProviderId: visible;
    /// A worker token's `jti`.
    TokenId: visible;
    /// A credential profile within its organization.
    ProfileId: visible;
    /// A question or an approval, chosen by the agent, unique within its organization only.
    InteractionId: interaction;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_1_to_255_visible_characters() {
        for good in ["a", "org-1", "ünï", &"x".repeat(255)] {
            assert!(OrganizationId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a\n", "a\0", "a\u{a0}b", &"x".repeat(256)] {
            assert!(OrganizationId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_interaction_id_is_1_to_48_plain_characters() {
        for good in ["q-1", "A.b_c-9", &"x".repeat(48)] {
            assert!(InteractionId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a:b", "a/b", "é", &"x".repeat(49)] {
            assert!(InteractionId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
