//! The table of connections to chat platforms.

use super::row::Columns;
use super::{Store, StoreError};
use crate::authority::Connection;
use crate::id::{ConnectionId, OrganizationId};
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
