//! How to reach the database.

use crate::config::{ConfigError, Env, malformed, port};
use crate::host::HostName;
use crate::secret::OperatorSecret;
use crate::wire::tls;
use rustls::ClientConfig;
use std::{net::Ipv6Addr, path::Path, time::Duration};

/// How to reach the database. Parts of the address that are set here override the secret's, so that a rotated
/// secret, which names the server, can be used with a pooler.
pub struct DatabaseConfig {
    /// The secret that holds the credentials, and the address where it is not set here.
    pub secret: OperatorSecret,
    /// The server: a host name, or an IP address without brackets.
    pub host: Option<String>,
    /// The server's port, from 1.
    pub port: Option<u16>,
    /// The database's name.
    pub name: Option<String>,
    /// The database user.
    pub user: Option<String>,
    /// The TLS settings with the roots of `DATABASE_CA_FILE`, which replace the platform's.
    pub tls: Option<ClientConfig>,
    /// Maximum number of connections of one Lambda environment, from 1 to 1,000.
    pub pool_max: usize,
    /// Timeout of a statement, and of waiting for a connection.
    pub timeout: Duration,
}

/// Upper limit of `DATABASE_POOL_MAX`. A higher value is surely a mistake: servers allow fewer altogether.
const MAX_CONNECTIONS: u32 = 1000;

const NAME: &str = "must have no control characters";

impl DatabaseConfig {
    /// Reads `DATABASE_SECRET_ID` and the other `DATABASE_` variables.
    ///
    /// # Errors
    /// A variable is missing or malformed, or the file that `DATABASE_CA_FILE` names cannot be used.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let secret = OperatorSecret::from_env(env, "DATABASE_SECRET_ID")?;
        let user = env.read_as("DATABASE_USER", name, NAME)?;
        Self::with_login(env, secret, user)
    }

    /// The same for migrations: with the login of `MIGRATION_DATABASE_SECRET_ID`, if that is set. `DATABASE_USER`
    /// is then not its user.
    ///
    /// # Errors
    /// As for `from_env`.
    pub fn of_migrations(env: &Env) -> Result<Self, ConfigError> {
        match env.get("MIGRATION_DATABASE_SECRET_ID")? {
            Some(_) => {
                let secret = OperatorSecret::from_env(env, "MIGRATION_DATABASE_SECRET_ID")?;
                Self::with_login(env, secret, None)
            }
            None => Self::from_env(env),
        }
    }

    fn with_login(
        env: &Env,
        secret: OperatorSecret,
        user: Option<&str>,
    ) -> Result<Self, ConfigError> {
        const POOL_MAX: &str = "DATABASE_POOL_MAX";
        let own_host = env.read_as("DATABASE_HOST", host, "must be a host name or an address")?;
        let own_port = env.read_as("DATABASE_PORT", port, "must be a port from 1 to 65535")?;
        let pool_max = env.count(POOL_MAX, 1)?;
        if pool_max > MAX_CONNECTIONS {
            let most = format_args!("must be at most {MAX_CONNECTIONS}");
            return Err(malformed(POOL_MAX, most));
        }
        Ok(Self {
            secret,
            host: own_host,
            port: own_port,
            name: env.read_as("DATABASE_NAME", name, NAME)?.map(str::to_owned),
            user: user.map(str::to_owned),
            tls: own_roots(env)?,
            pool_max: pool_max as usize,
            timeout: env.bound("DATABASE_TIMEOUT_MS", 3000)?,
        })
    }
}

/// Reads `DATABASE_CA_FILE` even if the secret may turn TLS off, so that an unusable file stops the function at
/// startup and not at its first request.
fn own_roots(env: &Env) -> Result<Option<ClientConfig>, ConfigError> {
    const VARIABLE: &str = "DATABASE_CA_FILE";
    let Some(file) = env.get(VARIABLE)? else {
        return Ok(None);
    };
    let tls = tls::client_config(Some(Path::new(file)));
    tls.map(Some).map_err(|error| malformed(VARIABLE, error))
}

/// Accepts a host name, or an IP address without brackets.
fn host(text: &str) -> Option<String> {
    match text.parse::<Ipv6Addr>() {
        Ok(_) => Some(text.to_owned()),
        Err(_) => HostName::parse(text)
            .ok()
            .filter(|host| !host.as_str().starts_with('['))
            .map(|host| host.to_string()),
    }
}

/// Accepts any name of a database or a user without control characters.
fn name(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> (String, Option<String>) {
        let own = [("DATABASE_SECRET_ID", "own"), ("DATABASE_USER", "limited")];
        let env = Env::from_pairs(own.into_iter().chain(pairs.iter().copied()));
        let config = DatabaseConfig::of_migrations(&env).unwrap();
        (format!("{:?}", config.secret), config.user)
    }

    #[test]
    fn migrations_use_their_own_login_as_a_whole_or_the_functions() {
        let (secret, user) = config(&[]);
        assert!(secret.contains("own"), "{secret}");
        assert_eq!(user.as_deref(), Some("limited"));
        let (secret, user) = config(&[("MIGRATION_DATABASE_SECRET_ID", "owner")]);
        assert!(secret.contains("owner"), "{secret}");
        assert_eq!(user, None);
    }
}
