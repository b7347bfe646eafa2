//! The server to log in to, and as whom: from the database's secret, overridden by the environment.

use crate::config::{self};
use crate::store::DatabaseConfig;
use secrecy::SecretString;
use serde_json::{Map, Value};

/// Merged from the secret, in the shapes that RDS writes, and the environment, which wins.
pub(super) struct Login {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: SecretString,
    pub database: String,
    /// Whether the server must present a trusted certificate. If not, the connection is not encrypted.
    pub verifies: bool,
}

impl Login {
    /// Reads the secret, a JSON object, and applies the overrides of the configuration.
    pub(super) fn new(secret: &str, config: &DatabaseConfig) -> Result<Self, SecretError> {
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

/// What is wrong with the database's secret. It never contains a value of the secret.
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
        let env = Env::from_pairs(
            [("DATABASE_SECRET_ID", "db")]
                .into_iter()
                .chain(environment),
        );
        let config = DatabaseConfig::from_env(&env).unwrap();
        Login::new(&secret.to_string(), &config)
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
            let message = login(&secret, []).unwrap_err().to_string();
            assert!(
                message.contains(named) && !message.contains("hunter2"),
                "{message}"
            );
        }
    }
}
