//! Postgres. Nothing outside this module speaks SQL, and every operation is one statement in one round trip.
//!
//! A statement is a `const` beside the operation that sends it. What several statements share is written
//! once, as a macro `.._sql!` in the file of its table, and put in with `concat!`. A column that is read has
//! a name of its own.

mod access;
mod administration;
mod approval;
mod claim;
mod config;
mod connection;
mod delivery;
mod ended;
mod grant;
mod interaction;
mod login;
mod migration;
mod open;
mod policy;
mod pool;
mod row;
mod settle;
mod sweep;
mod token;
mod verdict;
mod withdraw;

pub use administration::{NewPlaceholder, NewProfile, Written};
pub use approval::{NewApproval, Opened};
pub use claim::{Claimed, Missed, NewClaim};
pub use config::DatabaseConfig;
pub use delivery::{Delivery, Take};
pub use interaction::{NewInteraction, Read, Stored};
pub use policy::PolicyFacts;
pub use settle::Unsettled;
pub use sweep::{Batch, GivenUp, Swept};
pub use verdict::{FlightStatus, JudgeOutcome, StoredVerdict, VerdictClaim, VerdictHash};
pub use withdraw::{Withdrawal, Withdrawn};

use crate::error::{Code, Error};
use crate::secret::Secrets;
use deadpool::managed::{Object, Pool};
use pool::Connections;
use std::{sync::Arc, time::Duration};
use tokio_postgres::{
    Row,
    error::SqlState,
    types::{ToSql, Type},
};

type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// The database, through at most `DATABASE_POOL_MAX` connections that are opened when first needed.
///
/// Each operation returns `StoreError` where the database cannot be asked or answers what is not expected;
/// what the caller must tell apart is a named outcome.
pub struct Store {
    connections: Pool<Connections>,
    timeout: Duration,
}

/// Why a statement has no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection within its time: no credentials, no server, or a pool that is full.
    #[error("no database connection: {0}")]
    Connect(String),
    /// No answer within `DATABASE_TIMEOUT_MS`. The server was asked to give up.
    #[error("the statement took longer than DATABASE_TIMEOUT_MS")]
    Timeout,
    /// The server refused it, or the connection broke.
    #[error("statement failed: {}", describe(.0))]
    Statement(tokio_postgres::Error),
    /// The schema could not be brought to this version.
    #[error("the migration failed: {0}")]
    Migration(String),
    /// A column is missing, has another type, or holds an id or a name that is invalid.
    #[error("a row is not of the expected form: {0}")]
    Row(String),
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Statement(error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Code::DatabaseUnavailable.because(error)
    }
}

/// The server's own words; never a parameter's value, which `detail` might hold.
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(server) => format!("{} ({})", server.message(), server.code().code()),
        None => error.to_string(),
    }
}

impl StoreError {
    /// The foreign key that the statement violated, if that is why it failed: what was written names
    /// something that does not exist.
    fn orphan(&self) -> Option<&str> {
        let Self::Statement(error) = self else {
            return None;
        };
        let server = error.as_db_error()?;
        let violated = *server.code() == SqlState::FOREIGN_KEY_VIOLATION;
        violated.then(|| server.constraint().unwrap_or_default())
    }
}

impl Store {
    /// A store that reads its credentials and connects when the first statement needs it.
    pub fn new(
        config: DatabaseConfig,
        secrets: Arc<Secrets>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let timeout = config.timeout;
        Ok(Self {
            connections: pool::build(config, secrets)?,
            timeout,
        })
    }

    /// Runs one statement in one round trip: its parameters' types are given, so nothing is prepared,
    /// which also lets it run behind a connection pooler. It is sent once: what a server that went away
    /// has done with it is not known.
    async fn query(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, StoreError> {
        let connection = self.connection().await?;
        let answer = connection.client.query_typed(sql, parameters);
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                if pool::is_lost(&error) {
                    drop(Object::take(connection));
                }
                Err(error.into())
            }
            Err(_) => {
                // Its answer may still come, and nobody may take it for their own. Nor may what its
                // caller has given up be applied when the lock that it waits for is free.
                Object::take(connection).cancel().await;
                Err(StoreError::Timeout)
            }
        }
    }

    async fn connection(&self) -> Result<Object<Connections>, StoreError> {
        let connection = self.connections.get().await;
        connection.map_err(|error| StoreError::Connect(pool::explain(&error)))
    }
}

/// A duration as the milliseconds that statements take.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A column of a type that the statement does not return, or that holds no valid id.
fn malformed(error: impl std::fmt::Display) -> StoreError {
    StoreError::Row(error.to_string())
}
