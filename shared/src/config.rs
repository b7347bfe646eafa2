//! The environment, read once at cold start; a missing or malformed variable is named.

use crate::secret::OperatorSecret;
use std::{
    collections::HashMap, fmt::Display, path::PathBuf, process::ExitCode, str::FromStr,
    time::Duration,
};
use tracing_subscriber::filter::LevelFilter;

/// A variable that is missing or malformed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} {problem}")]
pub struct ConfigError {
    pub variable: &'static str,
    pub problem: String,
}

/// The process's environment as it was at cold start.
pub struct Env(HashMap<String, String>);

impl Env {
    /// Reads the environment; the only place that does.
    pub fn read() -> Self {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(utf8).collect())
    }

    /// An environment of these pairs.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// The variable's value; an empty one counts as absent.
    pub fn get(&self, variable: &'static str) -> Option<&str> {
        self.0
            .get(variable)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    pub fn required(&self, variable: &'static str) -> Result<&str, ConfigError> {
        self.get(variable).ok_or_else(|| ConfigError {
            variable,
            problem: "is required and not set".into(),
        })
    }

    /// The parsed value, or `default` where the variable is absent.
    pub fn parsed<T: FromStr>(&self, variable: &'static str, default: T) -> Result<T, ConfigError>
    where
        T::Err: Display,
    {
        match self.get(variable) {
            None => Ok(default),
            Some(value) => value
                .parse()
                .map_err(|error: T::Err| malformed(variable, error)),
        }
    }

    /// A duration in whole milliseconds.
    pub fn millis(&self, variable: &'static str, default: u64) -> Result<Duration, ConfigError> {
        let millis = self.parsed(variable, default)?;
        if millis > MAX_MILLIS {
            return Err(malformed(
                variable,
                format_args!("must be at most {MAX_MILLIS} milliseconds"),
            ));
        }
        Ok(Duration::from_millis(millis))
    }

    /// A duration in whole milliseconds that may not be zero.
    pub fn bound(&self, variable: &'static str, default: u64) -> Result<Duration, ConfigError> {
        match self.millis(variable, default)? {
            Duration::ZERO => Err(malformed(variable, "must be at least 1 millisecond")),
            bound => Ok(bound),
        }
    }

    /// A count of at least one.
    pub fn count(&self, variable: &'static str, default: u32) -> Result<u32, ConfigError> {
        match self.parsed(variable, default)? {
            0 => Err(malformed(variable, "must be at least 1")),
            count => Ok(count),
        }
    }

    pub fn log_level(&self) -> LevelFilter {
        self.get("AWS_LAMBDA_LOG_LEVEL")
            .and_then(|level| level.parse().ok())
            .unwrap_or(LevelFilter::INFO)
    }
}

/// A year; longer is a mistake, and would overflow an interval.
const MAX_MILLIS: u64 = 366 * 24 * 60 * 60 * 1000;

/// A value that cannot be read. The value itself is not repeated: it may be a secret pasted in.
pub fn malformed(variable: &'static str, error: impl Display) -> ConfigError {
    ConfigError {
        variable,
        problem: format!("is malformed: {error}"),
    }
}

/// How to reach the database. Where a part of the address is given here it wins over the secret's, so
/// that a secret that rotates serves behind a pooler.
pub struct DatabaseConfig {
    pub secret: OperatorSecret,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub name: Option<String>,
    pub user: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub pool_max: usize,
    pub timeout: Duration,
}

impl DatabaseConfig {
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            secret: OperatorSecret::from_env(env, "DATABASE_SECRET_ID")?,
            host: part(
                env,
                "DATABASE_HOST",
                is_host,
                "must be a host name or an address",
            )?,
            port: env
                .get("DATABASE_PORT")
                .map(|text| port(text).ok_or_else(|| malformed("DATABASE_PORT", NOT_A_PORT)))
                .transpose()?,
            name: part(env, "DATABASE_NAME", is_name, NOT_A_NAME)?,
            user: part(env, "DATABASE_USER", is_name, NOT_A_NAME)?,
            ca_file: env.get("DATABASE_CA_FILE").map(PathBuf::from),
            pool_max: env.count("DATABASE_POOL_MAX", 1)? as usize,
            timeout: env.bound("DATABASE_TIMEOUT_MS", 3000)?,
        })
    }
}

const NOT_A_PORT: &str = "must be a port from 1 to 65535";
const NOT_A_NAME: &str = "must have no control characters";

fn part(
    env: &Env,
    variable: &'static str,
    is_sound: fn(&str) -> bool,
    otherwise: &str,
) -> Result<Option<String>, ConfigError> {
    match env.get(variable) {
        Some(value) if !is_sound(value) => Err(malformed(variable, otherwise)),
        value => Ok(value.map(str::to_owned)),
    }
}

/// Without a port, which has a variable of its own.
fn is_host(text: &str) -> bool {
    let is_name_or_v4 = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    text.bytes().all(is_name_or_v4) || text.parse::<std::net::Ipv6Addr>().is_ok()
}

fn is_name(text: &str) -> bool {
    !text.contains(char::is_control)
}

/// The port that the text names, which is digits alone.
pub(crate) fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

/// How secrets are named and how long their values may be reused.
pub struct SecretsConfig {
    pub prefix: String,
    pub cache_ttl: Duration,
}

impl SecretsConfig {
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let prefix = env.get("SECRETS_PREFIX").unwrap_or("postern/").to_owned();
        Ok(Self {
            prefix,
            cache_ttl: env.millis("SECRETS_CACHE_TTL_MS", 300_000)?,
        })
    }
}

/// Age past which a pending interaction can no longer be claimed, and is swept.
pub fn pending_ttl(env: &Env) -> Result<Duration, ConfigError> {
    env.bound("PENDING_TTL_MS", 86_400_000)
}

/// Runs a function's `main`: logging first, then `run`, and a cold start that fails says why.
pub async fn start<F>(run: impl FnOnce(Env) -> F) -> ExitCode
where
    F: Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>>,
{
    let env = Env::read();
    crate::telemetry::init(env.log_level());
    // Boxed: a function's whole future is too deep to lay out in one piece.
    match Box::pin(run(env)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(event = "cold_start_failed", "{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        let error = DatabaseConfig::from_env(&Env::of([]))
            .err()
            .map(|e| e.to_string());
        assert_eq!(
            error.as_deref(),
            Some("environment variable DATABASE_SECRET_ID is required and not set")
        );
    }

    #[test]
    fn a_malformed_variable_is_named_without_its_value() {
        let env = Env::of([
            ("DATABASE_SECRET_ID", "db"),
            ("DATABASE_TIMEOUT_MS", "hunter2"),
        ]);
        let error = DatabaseConfig::from_env(&env)
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(
            error.contains("DATABASE_TIMEOUT_MS") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn a_bound_of_zero_is_refused() {
        assert!(Env::of([("X", "0")]).bound("X", 1).is_err());
        assert!(Env::of([("X", "0")]).millis("X", 1).is_ok());
    }
}
