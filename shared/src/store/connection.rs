//! Connections to chat platforms, as rows.

use super::{Store, StoreError, malformed};
use crate::authority::{Connection, Platform};
use crate::id::{ConnectionId, OrganizationId};
use serde_json::Value;
use tokio_postgres::{Row, types::Json, types::Type};

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
#[expect(clippy::disallowed_methods, reason = "a row of the table itself")]
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
    let config: Option<Json<Value>> = row.try_get("via_config")?;
    Ok(Some(Connection::of_row(
        ConnectionId::parse(id).map_err(malformed)?,
        OrganizationId::parse(organization).map_err(malformed)?,
        platform,
        row.try_get("via_secret_ref")?,
        config.map(|Json(config)| config).unwrap_or_default(),
    )))
}
