//! Connections: credentials from Secrets Manager, read again when the server refuses them.

use crate::config::{self, DatabaseConfig};
use crate::moment::Moment;
use crate::pem;
use crate::secret::{Freshness, Secrets};
use deadpool::{
    Runtime,
    managed::{Manager, Metrics, Pool, PoolError, RecycleError, RecycleResult, Timeouts},
};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio_postgres::{
    Client, NoTls, SimpleQueryMessage,
    config::{SslMode, TargetSessionAttrs},
    error::{Severity, SqlState},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a session that could write is taken for one that still can. An environment is frozen between
/// invocations, and meanwhile the server may have gone, or become a replica that falls behind.
const TRUSTED: Duration = Duration::from_secs(5);
/// Bound on telling the server that nobody waits for a statement any more.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(250);

pub(super) struct Connections {
    config: DatabaseConfig,
    secrets: Arc<Secrets>,
    /// The platform's roots are read when they first verify a server.
    tls: OnceLock<ClientConfig>,
}

/// A connection, and how another to the same server is secured.
pub(super) struct Pooled {
    pub(super) client: Client,
    tls: Option<ClientConfig>,
    /// When the server last said that the session may write.
    proven: Moment,
}

impl Pooled {
    /// Asks the server whether the session may write; an answer that it may not is an error too.
    async fn prove(&mut self) -> RecycleResult<ConnectError> {
        let answer = self.client.simple_query("show transaction_read_only").await;
        let answer = answer.map_err(ConnectError::Refused)?;
        let writes = answer.iter().any(
            |message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("off")),
        );
        if !writes {
            return Err(RecycleError::message("read-only"));
        }
        self.proven = Moment::now();
        Ok(())
    }

    /// Asks the server to give up what it is at, as well as that goes in a short time. It is waited for,
    /// since nothing runs in an environment that has answered and is frozen.
    pub(super) async fn cancel(self) {
        let token = self.client.cancel_token();
        let cancelling = async {
            match self.tls {
                Some(tls) => token.cancel_query(MakeRustlsConnect::new(tls)).await,
                None => token.cancel_query(NoTls).await,
            }
        };
        let _ = tokio::time::timeout(CANCEL_TIMEOUT, cancelling).await;
    }
}

/// Who logs in where: the secret, in the shapes that RDS writes, and the environment, which wins.
struct Login {
    host: String,
    port: u16,
    user: String,
    password: SecretString,
    database: String,
    verifies: bool,
}

impl Login {
    fn of(secret: &str, config: &DatabaseConfig) -> Result<Self, SecretError> {
        let mut members: Map<String, Value> =
            serde_json::from_str(secret).map_err(|_| SecretError::NotAnObject)?;
        let mut text = |name: &'static str| match members.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(Value::Number(number)) if name == "port" => Ok(Some(number.to_string())),
            Some(_) => Err(SecretError::Malformed(name)),
        };
        Ok(Self {
            host: match &config.host {
                Some(host) => host.clone(),
                None => text("host")?.ok_or(SecretError::Nowhere("host", "DATABASE_HOST"))?,
            },
            port: match (config.port, text("port")?) {
                (Some(port), _) => port,
                (None, None) => 5432,
                (None, Some(port)) => config::port(&port).ok_or(SecretError::Malformed("port"))?,
            },
            user: match &config.user {
                Some(user) => user.clone(),
                None => {
                    text("username")?.ok_or(SecretError::Nowhere("username", "DATABASE_USER"))?
                }
            },
            password: text("password")?
                .ok_or(SecretError::Missing("password"))?
                .into(),
            database: match &config.name {
                Some(name) => name.clone(),
                None => text("dbname")?.unwrap_or_else(|| "postgres".into()),
            },
            verifies: match text("sslmode")?.as_deref() {
                None | Some("verify-full") => true,
                Some("disable") => false,
                Some(_) => return Err(SecretError::Malformed("sslmode")),
            },
        })
    }
}

/// What is wrong with the database's secret; never a value of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecretError {
    #[error("it is not a JSON object")]
    NotAnObject,
    #[error("it has no `{0}`")]
    Missing(&'static str),
    #[error("it has no `{0}`, and {1} is not set")]
    Nowhere(&'static str, &'static str),
    #[error("its `{0}` is malformed")]
    Malformed(&'static str),
}

pub(super) fn build(
    mut config: DatabaseConfig,
    secrets: Arc<Secrets>,
) -> Result<Pool<Connections>, Box<dyn std::error::Error + Send + Sync>> {
    let timeouts = Timeouts {
        wait: Some(config.timeout),
        // Connecting includes a read of the credentials, which has a bound of its own.
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
    #[error("the database secret cannot be used: {0}")]
    Secret(#[from] SecretError),
    #[error("the platform verifies no server ({0}), and DATABASE_CA_FILE is not set")]
    Tls(String),
    #[error("connecting took longer than DATABASE_TIMEOUT_MS")]
    Timeout,
    #[error("{}", refusal(.0))]
    Refused(tokio_postgres::Error),
}

/// With its cause, which says what the error alone does not: read-only, or a certificate that is not
/// trusted.
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
        let of_the_platform = pem::client_config(None);
        let tls = of_the_platform.map_err(|error| ConnectError::Tls(error.to_string()))?;
        Ok(self.tls.get_or_init(|| tls).clone())
    }

    async fn connect(&self, secret: &SecretString) -> Result<Pooled, ConnectError> {
        let login = Login::of(secret.expose_secret(), &self.config)?;
        let tls = login.verifies.then(|| self.tls()).transpose()?;
        // No startup options: RDS Proxy and PgBouncer refuse a session that has any.
        let mut config = tokio_postgres::Config::new();
        config
            .host(&login.host)
            .port(login.port)
            .user(&login.user)
            .password(login.password.expose_secret())
            .dbname(&login.database)
            .application_name("postern")
            .connect_timeout(self.config.timeout)
            // Not a replica, nor a writer that has become one.
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .ssl_mode(if login.verifies {
                SslMode::Require
            } else {
                SslMode::Disable
            });
        let connecting = async {
            let client = match tls.clone() {
                Some(tls) => {
                    let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await?;
                    drive(connection);
                    client
                }
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    drive(connection);
                    client
                }
            };
            Ok(client)
        };
        let client = tokio::time::timeout(self.config.timeout, connecting)
            .await
            .map_err(|_| ConnectError::Timeout)?
            .map_err(ConnectError::Refused)?;
        Ok(Pooled {
            client,
            tls,
            proven: Moment::now(),
        })
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
    type Type = Pooled;
    type Error = ConnectError;

    async fn create(&self) -> Result<Pooled, ConnectError> {
        let secret = self.secret(Freshness::Cached).await?;
        match self.connect(&secret).await {
            Err(ConnectError::Refused(error)) if may_reject_password(&error) => {
                let fresh = self.secret(Freshness::Fresh).await?;
                if fresh.expose_secret() == secret.expose_secret() {
                    return Err(ConnectError::Refused(error));
                }
                self.connect(&fresh).await
            }
            result => result,
        }
    }

    async fn recycle(&self, pooled: &mut Pooled, _: &Metrics) -> RecycleResult<ConnectError> {
        if pooled.client.is_closed() {
            return Err(RecycleError::message("closed"));
        }
        if pooled.proven.elapsed() < TRUSTED {
            return Ok(());
        }
        pooled.prove().await
    }
}

/// Whether the session that answered so may not be used again: it is over, it may not write, or the
/// connection broke, and nobody knows what it would answer next.
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

/// Broken connections, transactions in a wrong state (25006 is read-only), a server that shuts down or
/// starts, and one whose system fails. (www.postgresql.org/docs/current/errcodes-appendix.html)
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
                // PgBouncer's, for whatever it refuses.
                | &SqlState::PROTOCOL_VIOLATION
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;
    use serde_json::json;

    /// `host:port/database as user`, or what is wrong.
    fn login<const N: usize>(
        secret: &Value,
        environment: [(&str, &str); N],
    ) -> Result<String, SecretError> {
        let env = Env::of(
            [("DATABASE_SECRET_ID", "db")]
                .into_iter()
                .chain(environment),
        );
        let config = DatabaseConfig::from_env(&env).unwrap();
        Login::of(&secret.to_string(), &config)
            .map(|l| format!("{}:{}/{} as {}", l.host, l.port, l.database, l.user))
    }

    #[test]
    fn the_shapes_that_rds_writes_are_read() {
        let whole = json!({"engine": "postgres", "host": "h", "port": 6543, "username": "u", "password": "p",
            "dbname": "d", "dbInstanceIdentifier": "i"});
        assert_eq!(login(&whole, []).unwrap(), "h:6543/d as u");
        let as_text = json!({"host": "h", "port": "6543", "username": "u", "password": "p"});
        assert_eq!(login(&as_text, []).unwrap(), "h:6543/postgres as u");
        let no_port = json!({"host": "h", "username": "u", "password": "p", "dbname": null});
        assert_eq!(login(&no_port, []).unwrap(), "h:5432/postgres as u");
        let of_rds_itself = json!({"username": "u", "password": "p"});
        assert_eq!(
            login(&of_rds_itself, [("DATABASE_HOST", "pooler")]).unwrap(),
            "pooler:5432/postgres as u"
        );
    }

    #[test]
    fn the_environment_wins_over_the_secret() {
        let secret =
            json!({"host": "h", "port": 1, "username": "u", "password": "p", "dbname": "d"});
        let all = [
            ("DATABASE_HOST", "::1"),
            ("DATABASE_PORT", "6432"),
            ("DATABASE_NAME", "n"),
            ("DATABASE_USER", "v"),
        ];
        assert_eq!(login(&secret, all).unwrap(), "::1:6432/n as v");
    }

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

    #[test]
    fn what_is_missing_or_malformed_is_named_and_no_value_is() {
        for (secret, named) in [
            (
                json!({"username": "hunter2", "password": "hunter2"}),
                "DATABASE_HOST",
            ),
            (json!({"host": "h", "password": "hunter2"}), "username"),
            (json!({"host": "h", "username": "hunter2"}), "password"),
            (
                json!({"host": "h", "username": "u", "password": "hunter2", "port": 0}),
                "port",
            ),
            (
                json!({"host": "h", "username": "u", "password": "p", "port": "hunter2"}),
                "port",
            ),
            (
                json!({"host": "h", "username": "u", "password": "p", "port": "+5"}),
                "port",
            ),
            (
                json!({"host": "h", "username": "u", "password": "p", "port": 65536}),
                "port",
            ),
            (
                json!({"host": ["hunter2"], "username": "u", "password": "p"}),
                "host",
            ),
            (
                json!({"host": "h", "username": "u", "password": "p", "sslmode": "hunter2"}),
                "sslmode",
            ),
            (json!("hunter2"), "JSON object"),
        ] {
            let said = login(&secret, []).unwrap_err().to_string();
            assert!(said.contains(named) && !said.contains("hunter2"), "{said}");
        }
    }
}
