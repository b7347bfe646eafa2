//! Postgres. Nothing outside this module speaks SQL, and every operation is one call in one round trip.
//!
//! The SQL is in `shared/functions`: an operation calls the SQL function of its name, in the schema of the Lambda
//! function that it runs in. Every column that is read has a name.

mod access;
mod administration;
mod approval;
mod claim;
mod config;
mod connection;
mod delivery;
mod functions;
mod grant;
mod interaction;
mod kind;
mod login;
mod migration;
mod minted;
mod policy;
mod pool;
mod position;
mod post;
mod provider;
mod record;
mod row;
mod sealed;
mod settle;
mod sweep;
mod token;
mod turn;
mod verdict;
mod withdraw;

pub use administration::{NewProfile, Written};
pub use approval::{NewApproval, Opened};
pub use claim::{Claimed, Missed, NewClaim};
pub use config::DatabaseConfig;
pub use delivery::{Delivery, Take};
pub use interaction::{NewInteraction, Read, Stored};
pub use kind::{
    AgentKey, ConnectionKey, GrantKey, Kind, OrganizationKey, PlaceholderKey, PlaceholderName,
    PolicyKey, ProfileKey, Record, SecretKey,
};
pub use minted::NewPlaceholder;
pub use policy::PolicyFacts;
pub use position::Position;
pub use post::{Attempts, Unposted};
pub use record::Page;
pub use sealed::StaleSecret;
pub use settle::Unsettled;
pub use sweep::{Batch, GivenUp, Swept};
pub use verdict::{FlightStatus, JudgeOutcome, StoredVerdict, VerdictClaim, VerdictHash};
pub use withdraw::{Withdrawal, Withdrawn};

use crate::error::{Code, Error};
use crate::literal::literals;
use crate::secret::Secrets;
use deadpool::managed::{Object, Pool};
use pool::Connections;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_postgres::{
    Row,
    error::SqlState,
    types::{ToSql, Type},
};

type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// The database, through at most `DATABASE_POOL_MAX` connections that are opened when first needed.
///
/// Each operation returns `StoreError` if the database cannot be reached, refuses the statement, or returns
/// an unexpected row. Outcomes that the caller must tell apart are variants of the result.
pub struct Store {
    schema: Schema,
    connections: Pool<Connections>,
    timeout: Duration,
    /// When the caller gives up, if that may be sooner.
    until: Option<Instant>,
}

/// The schema whose SQL functions a store calls: one for each Lambda function, which may call no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// The proxy.
    Proxy,
    /// The webhooks function.
    Webhooks,
    /// The sweep.
    Sweep,
    /// The control function.
    Control,
}

// Each is also the name of the group of logins that may call its functions.
literals! {
    Schema {
        Proxy = "postern_proxy",
        Webhooks = "postern_webhooks",
        Sweep = "postern_sweep",
        Control = "postern_control",
    }
}

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection was available in time: no credentials, no reachable server, or a full pool.
    #[error("no database connection: {0}")]
    Connect(String),
    /// The server did not answer within `DATABASE_TIMEOUT_MS`, or within its caller's time, and was asked to cancel
    /// the statement.
    #[error("the statement took longer than DATABASE_TIMEOUT_MS or than its caller can wait")]
    Timeout,
    /// The server refused the statement, or the connection broke.
    #[error("statement failed: {}", describe(.0))]
    Statement(tokio_postgres::Error),
    /// The schema could not be migrated to this version.
    #[error("the migration failed: {0}")]
    Migration(String),
    /// A column is missing, has an unexpected type, or holds an invalid id or name.
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

/// The server's message and code. `detail` is left out because it may contain a parameter's value.
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(server) => format!("{} ({})", server.message(), server.code().code()),
        None => error.to_string(),
    }
}

impl StoreError {
    /// The foreign key that the statement violated, if that is why it failed: the new row refers to a row that
    /// does not exist.
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
    /// A store that reads its credentials and connects when the first statement is sent.
    ///
    /// # Errors
    /// The pool cannot be built.
    pub fn new(
        config: DatabaseConfig,
        secrets: Arc<Secrets>,
        schema: Schema,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let timeout = config.timeout;
        Ok(Self {
            schema,
            connections: pool::build(config, secrets)?,
            timeout,
            until: None,
        })
    }

    /// The same store for a caller that gives up at this time. A statement that has not been answered by then is
    /// cancelled, if the server can still do so.
    pub fn until(&self, until: Instant) -> Self {
        Self {
            schema: self.schema,
            connections: self.connections.clone(),
            timeout: self.timeout,
            until: Some(until),
        }
    }

    /// Opens a connection, unless one is open, so that the first statement does not wait for it.
    pub async fn open(&self) -> Result<(), StoreError> {
        self.connection().await.map(drop)
    }

    /// Calls an SQL function of the store's schema in one round trip. The types of its parameters are given, so
    /// nothing is prepared and it also runs behind a connection pooler. It is never sent again: a server that
    /// disconnected may have executed it.
    async fn call(
        &self,
        function: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let places: Vec<String> = (1..=parameters.len()).map(|n| format!("${n}")).collect();
        let (schema, places) = (self.schema.as_str(), places.join(", "));
        let sql = format!("select * from {schema}.{function}({places})");
        let connection = self.connection().await?;
        // What is sent may be executed, even if nobody waits for it any more.
        if self.until.is_some_and(|until| until <= Instant::now()) {
            return Err(StoreError::Timeout);
        }
        let answer = connection.client.query_typed(&sql, parameters);
        match tokio::time::timeout_at(self.end(), answer).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                if pool::is_lost(&error) {
                    drop(Object::take(connection));
                }
                Err(error.into())
            }
            Err(_) => {
                // The connection leaves the pool, since a late answer would be read by its next user. The
                // statement is cancelled, since it must not be applied after its caller has given up.
                Object::take(connection).cancel().await;
                Err(StoreError::Timeout)
            }
        }
    }

    async fn connection(&self) -> Result<Object<Connections>, StoreError> {
        let connection = match self.until {
            Some(until) => {
                // Connecting goes on when its caller gives up, so that the next caller need not begin anew.
                let connections = self.connections.clone();
                let getting = tokio::spawn(async move { connections.get().await });
                match tokio::time::timeout_at(until, getting).await {
                    Ok(Ok(connection)) => connection,
                    Ok(Err(error)) => return Err(StoreError::Connect(error.to_string())),
                    Err(_) => {
                        return Err(StoreError::Connect("its caller cannot wait longer".into()));
                    }
                }
            }
            None => self.connections.get().await,
        };
        connection.map_err(|error| StoreError::Connect(pool::explain(&error)))
    }

    /// When a statement that begins now has to be answered.
    fn end(&self) -> Instant {
        let end = Instant::now() + self.timeout;
        self.until.map_or(end, |until| until.min(end))
    }
}

/// A duration in milliseconds, as statements take it.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The error for a row that does not have the expected form.
fn malformed(error: impl std::fmt::Display) -> StoreError {
    StoreError::Row(error.to_string())
}
