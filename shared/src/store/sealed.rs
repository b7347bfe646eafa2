//! The table of sealed secrets.

use super::administration::unknown_owner;
use super::row::{Columns, one};
use super::{Parameter, Store, StoreError, Written};
use crate::id::OrganizationId;
use crate::secret::{Permit, Sealed, SealedId, SealedRows};
use tokio_postgres::{Row, types::Type};

/// A sealed secret that is not under the current key: where the next search goes on.
#[derive(Debug)]
pub struct StaleSecret {
    /// The key that it is sealed with.
    pub key_id: String,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Its name, as the row has it.
    pub name: String,
}

impl Store {
    /// The permit with its row, if it is for a sealed secret: one call then, and none for any other.
    pub async fn located<P: Permit>(&self, permit: P) -> Result<P, StoreError> {
        let Some(id) = permit.sealed() else {
            return Ok(permit);
        };
        // Boxed: it is rare, and deep.
        let row = Box::pin(self.sealed_secret(id)).await?;
        let rows: SealedRows = row.map(|row| (id.clone(), row)).into_iter().collect();
        Ok(permit.found_in(&rows))
    }

    /// The row of a sealed secret.
    pub async fn sealed_secret(&self, id: &SealedId) -> Result<Option<Sealed>, StoreError> {
        let parameters: [Parameter<'_>; 2] = [
            (&id.organization.as_str(), Type::TEXT),
            (&id.name.as_str(), Type::TEXT),
        ];
        let rows = self.call("sealed_secret_1", &parameters).await?;
        let read = |row: &Row| {
            Ok(Sealed {
                version: row.column("version")?,
                key_id: row.column("key_id")?,
                sealed: row.column("sealed")?,
            })
        };
        rows.first().map(read).transpose()
    }

    /// Writes a row, if its version is still that of `former`. `None` if it is not: another writer was first.
    pub async fn sealed_secret_put(
        &self,
        id: &SealedId,
        former: Option<&Sealed>,
        row: &Sealed,
    ) -> Result<Option<Written>, StoreError> {
        let parameters: [Parameter<'_>; 6] = [
            (&id.organization.as_str(), Type::TEXT),
            (&id.name.as_str(), Type::TEXT),
            (&former.map(|row| row.version), Type::INT8),
            (&row.version, Type::INT8),
            (&row.key_id, Type::TEXT),
            (&row.sealed, Type::BYTEA),
        ];
        match self.call("sealed_secret_put_1", &parameters).await {
            Ok(rows) => {
                let written: bool = one(&rows)?.column("written")?;
                Ok(written.then_some(Written::Done))
            }
            Err(error) => unknown_owner(error).map(Some),
        }
    }

    /// Sealed secrets of all organizations that are not under the current key, after that one.
    pub async fn sealed_secrets_stale(
        &self,
        current: &str,
        after: Option<&StaleSecret>,
        limit: i64,
    ) -> Result<Vec<StaleSecret>, StoreError> {
        let organization = after.map_or("", |after| after.organization.as_str());
        let parameters: [Parameter<'_>; 5] = [
            (&current, Type::TEXT),
            (&after.map_or("", |after| &after.key_id), Type::TEXT),
            (&organization, Type::TEXT),
            (&after.map_or("", |after| &after.name), Type::TEXT),
            (&limit, Type::INT8),
        ];
        let rows = self.call("sealed_secrets_stale_1", &parameters).await?;
        let read = |row: &Row| {
            Ok(StaleSecret {
                key_id: row.column("key_id")?,
                organization: row.parsed("organization_id", OrganizationId::parse)?,
                name: row.column("name")?,
            })
        };
        rows.iter().map(read).collect()
    }
}
