//! Forward-only migrations. They are safe to run again, and to run concurrently.

use super::{Store, StoreError, describe};
use deadpool::managed::Object;
use std::{error::Error, time::Duration};
use tokio_postgres::{Client, error::SqlState};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Timeout of all migrations together. The Lambda timeout of `control` should be longer.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(240);
/// The key of the advisory lock: `postern` in ASCII. It admits one migration at a time to a database.
const LOCK: i64 = 0x70_6f73_7465_726e;
/// How long a migration waits for a table. Meanwhile all other statements on the table queue behind it.
const LOCK_TIMEOUT: &str = "2s";
/// The first pause between two attempts, in which the statements that queued get their turn. Each later pause is
/// twice as long, up to `MAX_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(8);

impl Store {
    /// Migrates the schema to this version, within 240 s.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.migrate_within(MIGRATION_TIMEOUT).await
    }

    /// Migrates the schema within `time`. After that the running statement is cancelled and an error returned.
    pub async fn migrate_within(&self, time: Duration) -> Result<(), StoreError> {
        // The session holds a lock and has other timeouts, so it does not return to the pool.
        let mut connection = Object::take(self.connection().await?);
        match tokio::time::timeout(time, run(&mut connection.client)).await {
            Ok(done) => done,
            Err(_) => {
                connection.cancel().await;
                Err(StoreError::Migration("it took too long".into()))
            }
        }
    }
}

async fn run(client: &mut Client) -> Result<(), StoreError> {
    // Wait for another migration as long as it takes; the advisory lock delays no other statement.
    let alone =
        format!("set statement_timeout = 0; set lock_timeout = 0; select pg_advisory_lock({LOCK})");
    client.batch_execute(&alone).await?;
    let impatient = format!("set lock_timeout = '{LOCK_TIMEOUT}'");
    client.batch_execute(&impatient).await?;
    let mut pause = FIRST_PAUSE;
    loop {
        let Err(error) = embedded::migrations::runner().run_async(client).await else {
            return Ok(());
        };
        let cause = of_the_server(&error);
        let message = match cause {
            Some(cause) => format!("{error}: {}", describe(cause)),
            None => error.to_string(),
        };
        if !cause.is_some_and(is_in_the_way) {
            return Err(StoreError::Migration(message));
        }
        tracing::warn!(event = "migration_waits", cause = message);
        tokio::time::sleep(pause).await;
        pause = MAX_PAUSE.min(pause * 2);
    }
}

/// The server's error, if it is among the causes of the runner's error.
fn of_the_server(error: &refinery::Error) -> Option<&tokio_postgres::Error> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(cause) = cause.downcast_ref() {
            return Some(cause);
        }
        next = cause.source();
    }
    None
}

/// Whether other sessions hold a lock that the migration needs. It has been rolled back and can be tried again.
fn is_in_the_way(error: &tokio_postgres::Error) -> bool {
    matches!(
        error.code(),
        Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED)
    )
}
