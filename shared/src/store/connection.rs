//! The table of connections to chat platforms.

use super::row::Columns;
use super::{Parameter, Store, StoreError};
use crate::authority::{Connection, Platform};
use crate::id::{ConnectionId, OrganizationId};
use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::{Row, types::Json, types::Type};

impl Store {
    /// The connection that a webhook names, of any organization. The caller must verify the webhook with the
    /// connection's secret. `None` if there is no such connection.
    pub async fn connection_claimed(
        &self,
        id: &ConnectionId,
    ) -> Result<Option<Connection>, StoreError> {
        let rows = self
            .call("connection_claimed_1", &[(&id.as_str(), Type::TEXT)])
            .await?;
        rows.first().map_or(Ok(None), connection)
    }

    /// A connection of this organization, which the operator names. `None` if it has none of this id.
    pub async fn connection_get(
        &self,
        organization: &OrganizationId,
        id: &ConnectionId,
    ) -> Result<Option<Connection>, StoreError> {
        let parameters: [Parameter<'_>; 2] = [
            (&organization.as_str(), Type::TEXT),
            (&id.as_str(), Type::TEXT),
        ];
        let rows = self.call("connection_get_1", &parameters).await?;
        rows.first().map(shown).transpose()
    }
}

/// A connection as control shows it.
#[derive(Deserialize)]
struct Shown {
    id: ConnectionId,
    organization_id: OrganizationId,
    platform: Platform,
    secret_ref: String,
    config: Value,
}

/// Reads the column `item`.
#[expect(clippy::disallowed_methods, reason = "a row of the table itself")]
fn shown(row: &Row) -> Result<Connection, StoreError> {
    let Json(item): Json<Shown> = row.column("item")?;
    Ok(Connection::of_row(
        item.id,
        item.organization_id,
        item.platform,
        item.secret_ref,
        item.config,
    ))
}

/// Reads the columns `via_id`, `via_organization_id`, `via_platform`, `via_secret_ref` and `via_config`; `None` if
/// `via_id` is null.
#[expect(clippy::disallowed_methods, reason = "a row of the table itself")]
pub(super) fn connection(row: &Row) -> Result<Option<Connection>, StoreError> {
    let Some(id) = row.parsed_or_null("via_id", ConnectionId::parse)? else {
        return Ok(None);
    };
    let Json(config) = row.column("via_config")?;
    Ok(Some(Connection::of_row(
        id,
        row.parsed("via_organization_id", OrganizationId::parse)?,
        row.parsed("via_platform", str::parse)?,
        row.column("via_secret_ref")?,
        config,
    )))
}
