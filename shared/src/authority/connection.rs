//! Connections to chat platforms.

use super::scope::ConnectionScope;
use super::signature::Verified;
use crate::error::Error;
use crate::id::{ConnectionId, OrganizationId};
use crate::secret::{ChatPermit, SecretNames};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A chat platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    Slack,
    Telegram,
    Discord,
}

impl Platform {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Telegram => "telegram",
            Self::Discord => "discord",
        }
    }
}

/// A connection's row. It was found by its id alone, so it lends no authority until `verified`.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    organization: OrganizationId,
    pub platform: Platform,
    pub config: Value,
    secret_ref: String,
}

impl Connection {
    /// Permission to read the connection's secret, which is its own organization's.
    ///
    /// # Errors
    /// `secret_ref_outside_organization` for a row that names another secret.
    pub fn permit(&self, names: &SecretNames) -> Result<ChatPermit, Error> {
        names.chat(&self.organization, &self.secret_ref)
    }

    pub fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// A row as the store read it. The store alone makes one.
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

    /// The scope of the store's own row, for what the store itself hands out.
    pub(crate) fn own_scope(&self) -> ConnectionScope {
        self.new_scope()
    }

    fn new_scope(&self) -> ConnectionScope {
        ConnectionScope::new(self.organization.clone(), self.id.clone())
    }

    /// The scope that the platform's verified signature proves; none from another connection's proof.
    pub fn scope(&self, proof: &Verified) -> Option<ConnectionScope> {
        (*proof.connection() == self.id).then(|| self.new_scope())
    }
}
