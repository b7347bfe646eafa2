//! The table of connections to chat platforms.

use super::row::Columns;
use super::{Store, StoreError};
use crate::authority::Connection;
use crate::id::{ConnectionId, OrganizationId};
use tokio_postgres::{Row, types::Json, types::Type};

/// The columns that `connection` reads, from the table or alias `$via`.
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
    /// The connection that a webhook names, of any organization. The caller must verify the webhook with the
    /// connection's secret. `None` if there is no such connection.
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

/// Reads the columns of `via_sql`; `None` if `via_id` is null.
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
