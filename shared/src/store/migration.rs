//! Forward-only migrations, safe to run again and by two at once.

use super::{Store, StoreError, describe};
use deadpool::managed::Object;
use std::{error::Error, time::Duration};
use tokio_postgres::{Client, error::SqlState};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Bound on all migrations together; `control`'s own time-out should be above it.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(240);
/// `postern` in ASCII: one migration at a time in one database.
const LOCK: i64 = 0x70_6f73_7465_726e;
/// Whoever asks for a table stands behind the migration that waits for it, so it never waits longer.
const LOCK_TIMEOUT: &str = "2s";
/// Between two tries, in which those that stood behind it get their turn; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(8);

impl Store {
    /// Brings the schema to this version.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.migrate_within(MIGRATION_TIMEOUT).await
    }

    /// The same, or an error when it takes longer; nothing of it then runs on.
    pub async fn migrate_within(&self, time: Duration) -> Result<(), StoreError> {
        // The session holds a lock and other time-outs, so it is not given back.
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
    // Another migration is waited for, which holds nobody up.
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
        let said = match cause {
            Some(cause) => format!("{error}: {}", describe(cause)),
            None => error.to_string(),
        };
        if !cause.is_some_and(is_in_the_way) {
            return Err(StoreError::Migration(said));
        }
        tracing::warn!(event = "migration_waits", cause = said);
        tokio::time::sleep(pause).await;
        pause = MAX_PAUSE.min(pause * 2);
    }
}

/// The server's error among the causes of a runner's.
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

/// Others hold what it needs; a migration that was begun is undone then, and can be begun again.
fn is_in_the_way(error: &tokio_postgres::Error) -> bool {
    matches!(
        error.code(),
        Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED)
    )
}
