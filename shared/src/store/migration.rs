//! Forward-only migrations. They are safe to run again, and to run concurrently.

use super::{Store, StoreError, describe, functions};
use deadpool::managed::Object;
use refinery::{Migration, Runner};
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

/// All migrations. The functions' migration is put together from their files.
fn runner() -> Result<Runner, refinery::Error> {
    let mut migrations = embedded::migrations::runner().get_migrations().clone();
    migrations.push(Migration::unapplied(
        "V3__functions",
        &functions::migration_1(),
    )?);
    let mut runner = Runner::new(&migrations);
    runner.set_migration_table_name("postern.refinery_schema_history");
    Ok(runner)
}

async fn run(client: &mut Client) -> Result<(), StoreError> {
    // Wait for another migration as long as it takes; the advisory lock delays no other statement.
    let alone =
        format!("set statement_timeout = 0; set lock_timeout = 0; select pg_advisory_lock({LOCK})");
    client.batch_execute(&alone).await?;
    let impatient = format!("set lock_timeout = '{LOCK_TIMEOUT}'");
    client.batch_execute(&impatient).await?;
    let runner = runner().map_err(|error| StoreError::Migration(error.to_string()))?;
    let mut pause = FIRST_PAUSE;
    loop {
        let Err(error) = attempt(&runner, client).await else {
            return Ok(());
        };
        let cause = of_the_server(&*error);
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

async fn attempt(runner: &Runner, client: &mut Client) -> Result<(), Box<dyn Error + Send + Sync>> {
    // Under forced row-level security, a statement that changes data changes nothing, and says nothing. With this
    // setting it is an error.
    let begin = "set row_security = off;
        do $$ begin
            -- `if not exists` would need the right to create one where it exists.
            if to_regnamespace('postern') is null then create schema postern; end if;
        end $$";
    client.batch_execute(begin).await?;
    runner.run_async(client).await?;
    client.batch_execute(functions::DATABASE).await?;
    Ok(())
}

/// The server's error, if the error or one of its causes is one.
fn of_the_server<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a tokio_postgres::Error> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(cause) = cause.downcast_ref() {
            return Some(cause);
        }
        next = cause.source();
    }
    None
}

/// Whether other sessions hold a lock that the migration needs, or another database's migration has just changed the
/// same role. It has been rolled back and can be tried again.
fn is_in_the_way(error: &tokio_postgres::Error) -> bool {
    let Some(server) = error.as_db_error() else {
        return false;
    };
    match *server.code() {
        SqlState::LOCK_NOT_AVAILABLE | SqlState::T_R_DEADLOCK_DETECTED => true,
        SqlState::UNIQUE_VIOLATION => server.schema() == Some("pg_catalog"),
        // The server has no code for it.
        SqlState::INTERNAL_ERROR => server.message().starts_with("tuple concurrently"),
        _ => false,
    }
}
