//! Connections to chat platforms.

use super::{Store, StoreError, malformed};
use crate::error::Error;
use crate::id::{ConnectionId, OrganizationId};
use crate::scope::ConnectionScope;
use crate::secret::{ChatPermit, SecretNames};
use crate::signature::Verified;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::{Row, types::Json, types::Type};

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

    /// The scope of the store's own row, for what the store itself hands out.
    pub(super) fn own_scope(&self) -> ConnectionScope {
        ConnectionScope::new(self.organization.clone(), self.id.clone())
    }

    /// The scope that the platform's verified signature proves; none from another connection's proof.
    pub fn scope(&self, proof: &Verified) -> Option<ConnectionScope> {
        (*proof.connection() == self.id).then(|| self.own_scope())
    }
}

/// A connection's columns, of the table or alias `$via`.
macro_rules! via_sql {
    ($via:literal) => {
        concat!(
            $via,
            ".id as via_id, ",
            $via,
            ".organization_id as via_organization_id, ",
            $via,
            ".platform as via_platform, ",
            $via,
            ".secret_ref as via_secret_ref, ",
            $via,
            ".config as via_config"
        )
    };
}

pub(super) use via_sql;

const CONNECTION_CLAIMED: &str = concat!(
    "select ",
    via_sql!("c"),
    " from connections c where c.id = $1"
);

impl Store {
    /// The connection that a webhook claims to speak for. Its secret decides whether it does.
    pub async fn connection_claimed(
        &self,
        id: &ConnectionId,
    ) -> Result<Option<Connection>, StoreError> {
        let rows = self
            .query(CONNECTION_CLAIMED, &[(&id.as_str(), Type::TEXT)])
            .await?;
        rows.first().map_or(Ok(None), connection)
    }
}

/// The columns of `via_sql`, if there is a connection.
pub(super) fn connection(row: &Row) -> Result<Option<Connection>, StoreError> {
    let Some(id) = row.try_get::<_, Option<&str>>("via_id")? else {
        return Ok(None);
    };
    let platform = match row.try_get("via_platform")? {
        "slack" => Platform::Slack,
        "telegram" => Platform::Telegram,
        "discord" => Platform::Discord,
        other => return Err(malformed(format_args!("platform {other}"))),
    };
    let organization: &str = row.try_get("via_organization_id")?;
    Ok(Some(Connection {
        id: ConnectionId::parse(id).map_err(malformed)?,
        organization: OrganizationId::parse(organization).map_err(malformed)?,
        platform,
        secret_ref: row.try_get("via_secret_ref")?,
        config: row
            .try_get::<_, Option<Json<Value>>>("via_config")?
            .map(|Json(config)| config)
            .unwrap_or_default(),
    }))
}
