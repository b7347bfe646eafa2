//! The connection pool. Credentials come from Secrets Manager and are read again if the server refuses them.

use super::login::{Login, SecretError};
use crate::moment::Moment;
use crate::secret::{Freshness, Secrets};
use crate::store::DatabaseConfig;
use crate::wire::tls;
use deadpool::{
    Runtime,
    managed::{Manager, Metrics, Pool, PoolError, RecycleError, RecycleResult, Timeouts},
};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::net::{TcpStream, lookup_host};
use tokio_postgres::{
    Client, Config, NoTls, SimpleQueryMessage,
    config::SslMode,
    error::{Severity, SqlState},
    tls::MakeTlsConnect,
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a session counts as writable after the server confirmed it. Lambda freezes the environment between
/// invocations; meanwhile the server may have stopped or become a replica.
const TRUSTED: Duration = Duration::from_secs(5);
/// Timeout of asking the server to cancel a statement.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(250);

/// Opens the connections of the pool and checks them.
pub(super) struct Connections {
    config: DatabaseConfig,
    secrets: Arc<Secrets>,
    /// The operator's roots, or the platform's, which are read when a server must first be verified.
    tls: OnceLock<ClientConfig>,
}

/// A connection, with what is needed to check it and to cancel its statement.
pub(super) struct Pooled {
    pub(super) client: Client,
    /// A second handle on the connection's socket, to peek at it. It does not block.
    socket: std::net::TcpStream,
    tls: Option<Tls>,
    /// When the server last confirmed that the session may write.
    proven: Moment,
}

impl Pooled {
    async fn open(
        address: SocketAddr,
        config: &Config,
        tls: Option<Tls>,
    ) -> Result<Self, ConnectError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let socket = stream.try_clone()?;
        let stream = TcpStream::from_std(stream)?;
        let client = match &tls {
            Some(tls) => {
                let connected = config.connect_raw(stream, tls.connector()).await;
                let (client, connection) = connected.map_err(ConnectError::Refused)?;
                drive(connection);
                client
            }
            None => {
                let connected = config.connect_raw(stream, NoTls).await;
                let (client, connection) = connected.map_err(ConnectError::Refused)?;
                drive(connection);
                client
            }
        };
        let mut pooled = Self {
            client,
            socket,
            tls,
            proven: Moment::now(),
        };
        pooled.prove().await?;
        Ok(pooled)
    }

    /// Asks the server whether the session may write. It may not on a replica, or on a writer that has become a
    /// replica.
    async fn prove(&mut self) -> Result<(), ConnectError> {
        let answer = self.client.simple_query("show transaction_read_only").await;
        let answer = answer.map_err(ConnectError::Refused)?;
        let writes = answer.iter().any(
            |message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("off")),
        );
        if !writes {
            return Err(ConnectError::ReadOnly);
        }
        self.proven = Moment::now();
        Ok(())
    }

    /// Whether no unread data has arrived, such as the notice that the session has ended. It also sees data that
    /// arrived while the environment was frozen and that the connection's task has not read yet.
    fn is_quiet(&self) -> bool {
        let came = self.socket.peek(&mut [0]);
        came.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Tries for a short time to have the server cancel the running statement. It does not go on in the
    /// background, because Lambda freezes the environment after the answer.
    pub(super) async fn cancel(self) {
        let token = self.client.cancel_token();
        let cancelling = async {
            let stream = TcpStream::connect(self.socket.peer_addr()?).await?;
            let asked = match &self.tls {
                Some(tls) => token.cancel_query_raw(stream, tls.connector()).await,
                None => token.cancel_query_raw(stream, NoTls).await,
            };
            asked.map_err(ConnectError::Refused)
        };
        let _ = tokio::time::timeout(CANCEL_TIMEOUT, cancelling).await;
    }
}

/// The TLS settings for a server of this name.
#[derive(Clone)]
struct Tls {
    host: String,
    config: ClientConfig,
}

impl Tls {
    fn connector(&self) -> <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::TlsConnect {
        let mut connect = MakeRustlsConnect::new(self.config.clone());
        let Ok(connector) = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut connect, &self.host);
        connector
    }
}

/// Builds the pool. It opens no connection.
pub(super) fn build(
    mut config: DatabaseConfig,
    secrets: Arc<Secrets>,
) -> Result<Pool<Connections>, Box<dyn std::error::Error + Send + Sync>> {
    let timeouts = Timeouts {
        wait: Some(config.timeout),
        // Connecting includes reading the credentials, which has its own timeout.
        create: Some(config.timeout + Duration::from_secs(4)),
        recycle: Some(config.timeout),
    };
    let max_size = config.pool_max;
    let manager = Connections {
        tls: config.tls.take().map_or_else(OnceLock::new, OnceLock::from),
        config,
        secrets,
    };
    Ok(Pool::builder(manager)
        .max_size(max_size)
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .build()?)
}

/// The cause of a failure to get a connection, for the log.
pub(super) fn explain(error: &PoolError<ConnectError>) -> String {
    match error {
        PoolError::Backend(error) => error.to_string(),
        PoolError::Timeout(kind) => format!("timed out ({kind:?})"),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            error.to_string()
        }
    }
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{}", .0.cause().unwrap_or_default())]
    Credentials(crate::error::Error),
    #[error("the database secret cannot be used: {0}")]
    Secret(#[from] SecretError),
    #[error("the platform verifies no server ({0}), and DATABASE_CA_FILE is not set")]
    Tls(String),
    #[error("connecting took longer than DATABASE_TIMEOUT_MS")]
    Timeout,
    #[error("{0}")]
    Unreachable(#[from] io::Error),
    #[error("the server does not allow writes")]
    ReadOnly,
    #[error("{}", refusal(.0))]
    Refused(tokio_postgres::Error),
}

/// The error with its cause, which tells, for example, why a certificate is not trusted.
fn refusal(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) if error.as_db_error().is_none() => format!("{error}: {cause}"),
        _ => super::describe(error),
    }
}

impl Connections {
    async fn secret(&self, freshness: Freshness) -> Result<SecretString, ConnectError> {
        let read = self.secrets.read(&self.config.secret, freshness);
        read.await.map_err(ConnectError::Credentials)
    }

    fn tls(&self) -> Result<ClientConfig, ConnectError> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls.clone());
        }
        let of_the_platform = tls::client_config(None);
        let tls = of_the_platform.map_err(|error| ConnectError::Tls(error.to_string()))?;
        Ok(self.tls.get_or_init(|| tls).clone())
    }

    async fn connect(&self, secret: &SecretString) -> Result<Pooled, ConnectError> {
        let login = Login::new(secret.expose_secret(), &self.config)?;
        let tls = login.verifies.then(|| self.tls()).transpose()?;
        let tls = tls.map(|config| Tls {
            host: login.host.clone(),
            config,
        });
        // RDS Proxy and PgBouncer refuse sessions with startup options, so none are set.
        let mut config = Config::new();
        config
            .user(&login.user)
            .password(login.password.expose_secret())
            .dbname(&login.database)
            .application_name("postern")
            .ssl_mode(if login.verifies {
                SslMode::Require
            } else {
                SslMode::Disable
            });
        let connecting = async {
            let mut result = Err(io::Error::from(io::ErrorKind::AddrNotAvailable).into());
            for address in lookup_host((login.host.as_str(), login.port)).await? {
                result = Pooled::open(address, &config, tls.clone()).await;
                if result.is_ok() {
                    break;
                }
            }
            result
        };
        tokio::time::timeout(self.config.timeout, connecting)
            .await
            .map_err(|_| ConnectError::Timeout)?
    }
}

/// Runs a connection until it ends.
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
    type Type = Pooled;
    type Error = ConnectError;

    async fn create(&self) -> Result<Pooled, ConnectError> {
        // Boxed: it is rare, and every future that calls the database holds this one.
        let secret = Box::pin(self.secret(Freshness::Cached)).await?;
        match Box::pin(self.connect(&secret)).await {
            Err(ConnectError::Refused(error)) if may_reject_password(&error) => {
                let fresh = Box::pin(self.secret(Freshness::Fresh)).await?;
                if fresh.expose_secret() == secret.expose_secret() {
                    return Err(ConnectError::Refused(error));
                }
                Box::pin(self.connect(&fresh)).await
            }
            result => result,
        }
    }

    async fn recycle(&self, pooled: &mut Pooled, _: &Metrics) -> RecycleResult<ConnectError> {
        if pooled.client.is_closed() {
            return Err(RecycleError::message("closed"));
        }
        if pooled.proven.elapsed() < TRUSTED && pooled.is_quiet() {
            return Ok(());
        }
        pooled.prove().await.map_err(RecycleError::Backend)
    }
}

/// Whether the session that returned this error must not be used again: it has ended, it may not write, or its
/// connection is broken.
pub(super) fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        Some(server) => {
            let severity = server.parsed_severity();
            matches!(severity, Some(Severity::Fatal | Severity::Panic))
                || loses_session(server.code().code())
        }
        None => true,
    }
}

/// Whether an error code is of a class that makes a session unusable: 08 (connection), 25 (transaction state;
/// 25006 is read-only), 57P (the server is starting or shutting down) and 58 (system error).
/// Source: www.postgresql.org/docs/current/errcodes-appendix.html
fn loses_session(state: &str) -> bool {
    ["08", "25", "57P", "58"]
        .iter()
        .any(|class| state.starts_with(class))
}

fn may_reject_password(error: &tokio_postgres::Error) -> bool {
    matches!(
        error.code(),
        Some(
            &SqlState::INVALID_PASSWORD
                | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION
                // PgBouncer uses this code for every refusal.
                | &SqlState::PROTOCOL_VIOLATION
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_that_are_the_sessions_own_end_it() {
        for state in [
            "08006", "08P01", "25006", "25P02", "57P01", "57P02", "57P03", "58030",
        ] {
            assert!(loses_session(state), "{state}");
        }
        for state in ["23505", "40001", "42P01", "53300", "55P03", "57014"] {
            assert!(!loses_session(state), "{state}");
        }
    }
}
