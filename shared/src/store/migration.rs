//! Forward-only migrations, safe to run again and by two at once.

use super::{Store, StoreError, pool};
use std::time::Duration;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Bound on all migrations together; `control`'s own time-out should be above it.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(240);
/// `postern` in ASCII: one migration at a time in one database.
const LOCK: i64 = 0x70_6f73_7465_726e;

impl Store {
    /// Brings the schema to this version.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let pooled = self
            .connections
            .get()
            .await
            .map_err(|error| StoreError::Connect(pool::explain(&error)))?;
        // The session holds a lock and other time-outs, so it is not given back.
        let mut client = deadpool::managed::Object::take(pooled).client;
        let migrating = async {
            client
                .batch_execute(&format!(
                    "set statement_timeout = 0; select pg_advisory_lock({LOCK})"
                ))
                .await?;
            embedded::migrations::runner()
                .run_async(&mut client)
                .await
                .map_err(super::malformed)?;
            Ok(())
        };
        tokio::time::timeout(MIGRATION_TIMEOUT, migrating)
            .await
            .map_err(|_| StoreError::Timeout)?
    }
}
