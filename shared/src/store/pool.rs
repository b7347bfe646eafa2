//! Connections: credentials from Secrets Manager, read again when the server refuses them.

use crate::config::DatabaseConfig;
use crate::pem;
use crate::secret::{Freshness, OperatorSecret, Secrets};
use deadpool::{
    Runtime,
    managed::{Manager, Metrics, Pool, PoolError, RecycleError, RecycleResult, Timeouts},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio_postgres::{Client, NoTls, error::SqlState};
use tokio_postgres_rustls::MakeRustlsConnect;

/// An environment is frozen between invocations, and the server may have gone meanwhile; a connection
/// that was idle for longer than this is asked before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(5);

pub(super) struct Connections {
    secret: OperatorSecret,
    secrets: Arc<Secrets>,
    ca_file: Option<PathBuf>,
    timeout: Duration,
}

/// The shape that RDS writes.
#[derive(Deserialize)]
struct Credentials {
    host: String,
    port: u16,
    username: String,
    password: SecretString,
    dbname: String,
    #[serde(default)]
    sslmode: SslMode,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum SslMode {
    #[default]
    VerifyFull,
    Disable,
}

pub(super) fn build(
    config: DatabaseConfig,
    secrets: Arc<Secrets>,
) -> Result<Pool<Connections>, Box<dyn std::error::Error + Send + Sync>> {
    let manager = Connections {
        secret: config.secret,
        secrets,
        ca_file: config.ca_file,
        timeout: config.timeout,
    };
    // Connecting includes a read of the credentials, which has a bound of its own.
    let connect = Some(config.timeout + Duration::from_secs(4));
    let timeouts = Timeouts {
        wait: Some(config.timeout),
        create: connect,
        recycle: Some(config.timeout),
    };
    Ok(Pool::builder(manager)
        .max_size(config.pool_max)
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .build()?)
}

pub(super) fn explain(error: &PoolError<ConnectError>) -> String {
    match error {
        PoolError::Backend(error) => error.to_string(),
        PoolError::Timeout(kind) => format!("timed out ({kind:?})"),
        other => other.to_string(),
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{}", .0.cause().unwrap_or_default())]
    Credentials(crate::Error),
    #[error(
        "the database secret is not {{\"host\",\"port\",\"username\",\"password\",\"dbname\"}}"
    )]
    Malformed,
    #[error("DATABASE_CA_FILE: {0}")]
    Tls(String),
    #[error("connecting took longer than DATABASE_TIMEOUT_MS")]
    Timeout,
    #[error("{}", super::describe(.0))]
    Refused(tokio_postgres::Error),
}

impl Connections {
    async fn connect(&self, freshness: Freshness) -> Result<Client, ConnectError> {
        let secret = self
            .secrets
            .read(self.secret.permit(), freshness)
            .await
            .map_err(ConnectError::Credentials)?;
        let credentials: Credentials =
            serde_json::from_str(secret.expose_secret()).map_err(|_| ConnectError::Malformed)?;
        let mut config = tokio_postgres::Config::new();
        config
            .host(&credentials.host)
            .port(credentials.port)
            .user(&credentials.username)
            .password(credentials.password.expose_secret())
            .dbname(&credentials.dbname)
            .application_name("postern")
            .connect_timeout(self.timeout)
            .options(format!("-c statement_timeout={}", self.timeout.as_millis()));
        let connecting = async {
            match credentials.sslmode {
                SslMode::Disable => {
                    let (client, connection) = config
                        .ssl_mode(tokio_postgres::config::SslMode::Disable)
                        .connect(NoTls)
                        .await
                        .map_err(ConnectError::Refused)?;
                    drive(connection);
                    Ok(client)
                }
                SslMode::VerifyFull => {
                    let tls = pem::client_config(self.ca_file.as_deref())
                        .map_err(|error| ConnectError::Tls(error.to_string()))?;
                    config.ssl_mode(tokio_postgres::config::SslMode::Require);
                    let (client, connection) = config
                        .connect(MakeRustlsConnect::new(tls))
                        .await
                        .map_err(ConnectError::Refused)?;
                    drive(connection);
                    Ok(client)
                }
            }
        };
        tokio::time::timeout(self.timeout, connecting)
            .await
            .map_err(|_| ConnectError::Timeout)?
    }
}

fn drive<S, T>(connection: tokio_postgres::Connection<S, T>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::info!(
                event = "database_connection_ended",
                cause = super::describe(&error)
            );
        }
    });
}

impl Manager for Connections {
    type Type = Client;
    type Error = ConnectError;

    async fn create(&self) -> Result<Client, ConnectError> {
        match self.connect(Freshness::Cached).await {
            Err(ConnectError::Refused(error)) if rejects_password(&error) => {
                self.connect(Freshness::Fresh).await
            }
            result => result,
        }
    }

    async fn recycle(&self, client: &mut Client, metrics: &Metrics) -> RecycleResult<ConnectError> {
        if client.is_closed() {
            return Err(RecycleError::message("closed"));
        }
        if metrics.last_used() < TRUSTED_IDLE {
            return Ok(());
        }
        client
            .simple_query("")
            .await
            .map(drop)
            .map_err(|error| RecycleError::Backend(ConnectError::Refused(error)))
    }
}

fn rejects_password(error: &tokio_postgres::Error) -> bool {
    matches!(
        error.code(),
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
    )
}
