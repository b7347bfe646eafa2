//! Connections to chat platforms.

use super::scope::ConnectionScope;
use super::signature::Verified;
use crate::error::Error;
use crate::id::{ConnectionId, OrganizationId};
use crate::literal::literals;
use crate::secret::{ChatPermit, SecretNames};
use serde::Deserialize;
use serde_json::Value;

/// A chat platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Platform {
    /// Slack (docs.slack.dev).
    Slack,
    /// Telegram (core.telegram.org/bots/api).
    Telegram,
    /// Discord (docs.discord.com).
    Discord,
}

literals! {
    Platform {
        Slack = "slack",
        Telegram = "telegram",
        Discord = "discord",
    }
}

/// A connection's row. It was found by its id alone, so it lends no authority until a signature is verified.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    organization: OrganizationId,
    /// The platform it is on.
    pub platform: Platform,
    /// What the operator configured for it: a JSON object.
    pub config: Value,
    secret_ref: String,
}

impl Connection {
    /// Permission to read the connection's secret, which belongs to its organization.
    ///
    /// # Errors
    /// `secret_ref_outside_organization` where the row names a secret of another organization or kind.
    pub fn permit(&self, names: &SecretNames) -> Result<ChatPermit, Error> {
        names.chat(&self.organization, &self.secret_ref)
    }

    /// The connection's id.
    pub fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// The connection of a row. Only the store makes one.
    pub(crate) fn of_row(
        id: ConnectionId,
        organization: OrganizationId,
        platform: Platform,
        secret_ref: String,
        config: Value,
    ) -> Self {
        Self {
            id,
            organization,
            platform,
            config,
            secret_ref,
        }
    }

    /// The scope of the row itself, for work that the store hands out to the sweep.
    pub(crate) fn own_scope(&self) -> ConnectionScope {
        self.new_scope()
    }

    fn new_scope(&self) -> ConnectionScope {
        ConnectionScope::new(self.organization.clone(), self.id.clone())
    }

    /// The scope that the platform's verified signature proves; `None` where it proves another connection.
    pub fn scope(&self, proof: &Verified) -> Option<ConnectionScope> {
        (*proof.connection() == self.id).then(|| self.new_scope())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_read_back_from_its_name() {
        crate::literal::assert_read_back(&Platform::ALL, Platform::as_str);
    }
}
