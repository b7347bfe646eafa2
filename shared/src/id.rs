//! Ids are newtypes, validated where they enter; nothing re-validates later.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A text that is not an id of the form in `docs/api.md`. It holds the rule, never the value.
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

/// One segment of a secret's name, which no other segment lies inside of.
fn segment(value: &str) -> Result<(), InvalidId> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.=@+".contains(&b);
    if (1..=64).contains(&value.len()) && value.bytes().all(plain) && !is_dots(value) {
        return Ok(());
    }
    Err(InvalidId(
        "must be 1 to 64 of A-Z a-z 0-9 _ - . = @ +, and not . or ..",
    ))
}

fn slug(value: &str) -> Result<(), InvalidId> {
    if plain(value, 64) && value != "health" && !is_dots(value) {
        return Ok(());
    }
    Err(InvalidId(
        "must be 1 to 64 of A-Z a-z 0-9 _ . -, and not `health`",
    ))
}

fn interaction(value: &str) -> Result<(), InvalidId> {
    if plain(value, 48) {
        return Ok(());
    }
    Err(InvalidId("must be 1 to 48 of A-Z a-z 0-9 _ . -"))
}

fn revision(value: &str) -> Result<(), InvalidId> {
    let base64url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if value.len() == 6 && value.bytes().all(base64url) {
        return Ok(());
    }
    Err(InvalidId("must be 6 characters of base64url"))
}

fn plain(value: &str, longest: usize) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    (1..=longest).contains(&value.len()) && value.bytes().all(plain)
}

/// Whether a path would take this segment for a step.
fn is_dots(value: &str) -> bool {
    matches!(value, "." | "..")
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

            /// The id's text.
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
    /// A tenant. Every scope begins with one, and so do the names of its secrets.
    OrganizationId: segment;
    /// An agent, unique within its organization only.
    AgentId: visible;
    /// A chat workspace that an organization connected; belongs to exactly one organization.
    ConnectionId: visible;
    /// A person, as the chat platform names them.
    UserId: visible;
    /// A channel, chat or direct conversation of a chat platform, as the platform names it.
    ChannelId: visible;
    /// A conversation inside a channel, such as a thread, as the platform engineer names it.
    ConversationId: visible;
    /// A workspace of a chat platform, as the platform names it.
    TeamId: visible;
    /// A running worker of an agent, the unit in which placeholders are revoked.
    DeploymentName: visible;
    /// A provider of APIs, as profiles and entitlements name it; the last segment of its system key's name.
    ProviderId: slug;
    /// A provider's name in the proxy's path.
    Slug: slug;
    /// A worker token's `jti`.
    TokenId: visible;
    /// A credential profile within its organization.
    ProfileId: visible;
    /// A question or an approval, chosen by the agent, unique within its organization only.
    InteractionId: interaction;
    /// Tells the card of one content of an interaction from the cards of its other contents.
    Revision: revision;
}

impl From<Slug> for ProviderId {
    /// The id of a provider that has no other.
    fn from(slug: Slug) -> Self {
        Self(slug.0)
    }
}

impl From<ChannelId> for ConversationId {
    /// The conversation that is the channel itself.
    fn from(channel: ChannelId) -> Self {
        Self(channel.0)
    }
}

impl Revision {
    /// A new random one.
    pub fn new() -> Self {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        // The first six bytes of a version 4 UUID are all random (RFC 9562 section 5.4).
        let mut text = URL_SAFE_NO_PAD.encode(&uuid::Uuid::new_v4().as_bytes()[..6]);
        text.truncate(6);
        Self(text)
    }
}

impl Default for Revision {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_1_to_255_visible_characters() {
        for good in ["a", "org-1", "ünï", "a/b", &"x".repeat(255)] {
            assert!(AgentId::parse(good).is_ok(), "{good}");
            assert!(ChannelId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a\n", "a\0", "a\u{a0}b", &"x".repeat(256)] {
            assert!(AgentId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_organization_is_one_segment_of_its_secrets_names() {
        for good in [
            "a",
            "acme.eu",
            "a=b",
            "x@y.z",
            "A_1+2-3",
            "...",
            &"x".repeat(64),
        ] {
            assert!(OrganizationId::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a#b",
            "a b",
            "ünï",
            "a%2fb",
            "a:b",
            "*",
            &"x".repeat(65),
        ] {
            assert!(OrganizationId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_provider_is_a_slug() {
        for good in ["openai", "azure-openai", "a.b_c", &"x".repeat(64)] {
            assert!(ProviderId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "health", "..", "a/b", "a@b", &"x".repeat(65)] {
            assert!(ProviderId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_revision_is_6_random_characters() {
        let (one, other) = (Revision::new(), Revision::new());
        assert!(one != other && Revision::parse(one.as_str()).is_ok());
        for bad in ["", "abcde", "abcdefg", "abc:ef", "abc ef"] {
            assert!(Revision::parse(bad).is_err(), "{bad:?}");
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
