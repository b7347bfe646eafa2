//! The environment, read once at cold start; a missing or malformed variable is named.

use crate::pem;
use crate::secret::OperatorSecret;
use http::{Uri, uri::Authority};
use rustls::ClientConfig;
use std::{
    collections::HashMap, ffi::OsString, fmt::Display, net::Ipv6Addr, path::Path,
    process::ExitCode, str::FromStr, time::Duration,
};
use tracing_subscriber::filter::LevelFilter;

/// A variable that is missing or malformed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} {problem}")]
pub struct ConfigError {
    pub variable: &'static str,
    pub problem: String,
}

/// The process's environment as it was at cold start; `None` stands for a value that is not UTF-8.
pub struct Env(HashMap<String, Option<String>>);

impl Env {
    /// Reads the environment; the only place that does.
    pub fn read() -> Self {
        Self::from_os(std::env::vars_os())
    }

    /// A name that is not UTF-8 is not one of ours.
    fn from_os(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let named = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()))
        };
        Self(variables.into_iter().filter_map(named).collect())
    }

    /// An environment of these pairs.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), Some(value.to_owned())))
                .collect(),
        )
    }

    /// The variable's value; an empty one counts as absent.
    pub fn get(&self, variable: &'static str) -> Result<Option<&str>, ConfigError> {
        match self.0.get(variable) {
            None => Ok(None),
            Some(None) => Err(malformed(variable, "must be UTF-8")),
            Some(Some(value)) => Ok(Some(value.as_str()).filter(|value| !value.is_empty())),
        }
    }

    pub fn required(&self, variable: &'static str) -> Result<&str, ConfigError> {
        self.get(variable)?.ok_or_else(|| ConfigError {
            variable,
            problem: "is required and not set".into(),
        })
    }

    /// The parsed value, or `default` where the variable is absent.
    pub fn parsed<T: FromStr>(&self, variable: &'static str, default: T) -> Result<T, ConfigError>
    where
        T::Err: Display,
    {
        match self.get(variable)? {
            None => Ok(default),
            Some(value) => value
                .parse()
                .map_err(|error: T::Err| malformed(variable, error)),
        }
    }

    /// What `read` makes of the value; where it makes nothing of it, that `expected` was.
    fn read_as<'a, T>(
        &'a self,
        variable: &'static str,
        read: fn(&'a str) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.get(variable)? else {
            return Ok(None);
        };
        let read = read(value).ok_or_else(|| malformed(variable, expected))?;
        Ok(Some(read))
    }

    /// The items of a comma-separated list, without the spaces around them.
    pub fn list(&self, variable: &'static str) -> Result<Vec<&str>, ConfigError> {
        let items = self
            .get(variable)?
            .map(|text| text.split(',').map(str::trim));
        let items: Vec<&str> = items.into_iter().flatten().collect();
        if items.contains(&"") {
            return Err(malformed(variable, "must have no empty item"));
        }
        Ok(items)
    }

    /// A list of `host` or `host:port`, the hosts in lower case.
    pub fn authorities(
        &self,
        variable: &'static str,
    ) -> Result<Vec<(String, Option<u16>)>, ConfigError> {
        let read = |item| {
            authority(item)
                .ok_or_else(|| malformed(variable, "must be host or host:port, comma-separated"))
        };
        self.list(variable)?.into_iter().map(read).collect()
    }

    /// A secret's name or ARN; with `#` and a key, one of its members.
    pub fn secret_ref(&self, variable: &'static str) -> Result<&str, ConfigError> {
        let text = self.required(variable)?;
        let id = text.split_once('#').map_or(text, |(id, _)| id);
        let known = |byte: u8| in_names(byte) || b"!:".contains(&byte);
        if !id.bytes().all(known) {
            return Err(malformed(variable, "must be a secret's id or ARN"));
        }
        Ok(text)
    }

    /// A whole number, of digits alone.
    fn number<T: FromStr>(&self, variable: &'static str, default: T) -> Result<T, ConfigError> {
        let number = self.read_as(
            variable,
            digits,
            "must be a whole number that is not too large",
        )?;
        Ok(number.unwrap_or(default))
    }

    /// A duration in whole milliseconds.
    pub fn millis(&self, variable: &'static str, default: u64) -> Result<Duration, ConfigError> {
        let millis = self.number(variable, default)?;
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
        match self.number(variable, default)? {
            0 => Err(malformed(variable, "must be at least 1")),
            count => Ok(count),
        }
    }

    /// One of Lambda's levels, in any case.
    pub fn log_level(&self) -> Result<LevelFilter, ConfigError> {
        let level = self.read_as(
            "AWS_LAMBDA_LOG_LEVEL",
            level,
            "must be TRACE, DEBUG, INFO, WARN, ERROR or FATAL",
        )?;
        Ok(level.unwrap_or(LevelFilter::INFO))
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

/// JSON that cannot be read: where it is wrong, since the error itself repeats what stands there.
pub fn malformed_json(variable: &'static str, error: &serde_json::Error) -> ConfigError {
    let problem = match error.classify() {
        serde_json::error::Category::Data => "not of the expected form",
        _ => "not JSON",
    };
    let (line, column) = (error.line(), error.column());
    malformed(
        variable,
        format_args!("{problem}, at line {line} column {column}"),
    )
}

fn digits<T: FromStr>(text: &str) -> Option<T> {
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all)
}

/// The port that a text names.
pub(crate) fn port(text: &str) -> Option<u16> {
    digits(text).filter(|port| *port != 0)
}

/// Without a port.
fn host(text: &str) -> Option<&str> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_host = text.bytes().all(known) || text.parse::<Ipv6Addr>().is_ok();
    Some(text).filter(|text| is_host && !text.is_empty())
}

/// `host` or `host:port`, an IPv6 address in brackets.
fn authority(text: &str) -> Option<(String, Option<u16>)> {
    let authority: Authority = text.parse().ok()?;
    let (own, port) = (authority.host(), authority.port_u16());
    match own.strip_prefix('[').and_then(|v6| v6.strip_suffix(']')) {
        Some(v6) => drop(v6.parse::<Ipv6Addr>().ok()?),
        None => drop(host(own)?),
    }
    // A port that is no number, or a user before the host, would otherwise be passed over.
    let whole = port.map_or_else(|| own.to_owned(), |port| format!("{own}:{port}"));
    (whole == text).then(|| (own.to_ascii_lowercase(), port))
}

/// Names of databases and users are their owners' choice.
fn name(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.contains(char::is_control))
}

/// Of Secrets Manager's alphabet, or no secret could be so named.
fn prefix(text: &str) -> Option<&str> {
    Some(text).filter(|text| text.bytes().all(in_names))
}

fn in_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte)
}

fn endpoint(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    Some(uri).filter(|uri| known && uri.host().is_some_and(|host| !host.is_empty()))
}

fn level(text: &str) -> Option<LevelFilter> {
    match text.to_ascii_uppercase().as_str() {
        "TRACE" => Some(LevelFilter::TRACE),
        "DEBUG" => Some(LevelFilter::DEBUG),
        "INFO" => Some(LevelFilter::INFO),
        "WARN" => Some(LevelFilter::WARN),
        "ERROR" | "FATAL" => Some(LevelFilter::ERROR),
        _ => None,
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
    /// What verifies the server in place of the platform's roots.
    pub tls: Option<ClientConfig>,
    pub pool_max: usize,
    pub timeout: Duration,
}

/// Most connections of an environment; more than a server has for all of them is a mistake.
const MOST_CONNECTIONS: u32 = 1000;

impl DatabaseConfig {
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const NAME: &str = "must have no control characters";
        const POOL_MAX: &str = "DATABASE_POOL_MAX";
        let own_host = env.read_as("DATABASE_HOST", host, "must be a host name or an address")?;
        let own_port = env.read_as("DATABASE_PORT", port, "must be a port from 1 to 65535")?;
        let pool_max = env.count(POOL_MAX, 1)?;
        if pool_max > MOST_CONNECTIONS {
            let most = format_args!("must be at most {MOST_CONNECTIONS}");
            return Err(malformed(POOL_MAX, most));
        }
        Ok(Self {
            secret: OperatorSecret::from_env(env, "DATABASE_SECRET_ID")?,
            host: own_host.map(str::to_owned),
            port: own_port,
            name: env.read_as("DATABASE_NAME", name, NAME)?.map(str::to_owned),
            user: env.read_as("DATABASE_USER", name, NAME)?.map(str::to_owned),
            tls: own_roots(env)?,
            pool_max: pool_max as usize,
            timeout: env.bound("DATABASE_TIMEOUT_MS", 3000)?,
        })
    }
}

/// Read whatever the secret will say of TLS, so that a file of no use stops the function at its start and
/// not at its first request.
fn own_roots(env: &Env) -> Result<Option<ClientConfig>, ConfigError> {
    const VARIABLE: &str = "DATABASE_CA_FILE";
    let Some(file) = env.get(VARIABLE)? else {
        return Ok(None);
    };
    let tls = pem::client_config(Some(Path::new(file)));
    tls.map(Some).map_err(|error| malformed(VARIABLE, error))
}

/// How secrets are named and how long their values may be reused.
pub struct SecretsConfig {
    pub prefix: String,
    pub cache_ttl: Duration,
}

impl SecretsConfig {
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        // The AWS SDK passes over one that it cannot read, and would ask AWS itself.
        env.read_as(
            "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            endpoint,
            "must be an http or https address",
        )?;
        let prefix = env.read_as(
            "SECRETS_PREFIX",
            prefix,
            "must be of what secrets' names are made of: A-Z a-z 0-9 / _ + = . @ -",
        )?;
        Ok(Self {
            prefix: prefix.unwrap_or("postern/").to_owned(),
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
    let level = env.log_level();
    crate::telemetry::init(*level.as_ref().unwrap_or(&LevelFilter::INFO));
    let ended = match level {
        // Boxed: a function's whole future is too deep to lay out in one piece.
        Ok(_) => Box::pin(run(env)).await,
        Err(error) => Err(error.into()),
    };
    match ended {
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
    fn a_value_that_is_not_utf_8_is_malformed() {
        use std::os::unix::ffi::OsStringExt;
        let value = OsString::from_vec(b"hunter2\xff".to_vec());
        let env = Env::from_os([("X".into(), value)]);
        assert_eq!(env.get("X"), Err(malformed("X", "must be UTF-8")));
        assert_eq!(env.get("Y"), Ok(None));
    }

    #[test]
    fn a_list_of_hosts_is_read_whole_or_not_at_all() {
        let authorities = |text| Env::of([("X", text)]).authorities("X");
        assert_eq!(authorities(""), Ok(vec![]));
        assert_eq!(
            authorities("Localhost, 127.0.0.1:80 ,[::1]:81"),
            Ok(vec![
                ("localhost".into(), None),
                ("127.0.0.1".into(), Some(80)),
                ("[::1]".into(), Some(81))
            ])
        );
        for text in [
            ",", "a,", "a:", "a:x", "a:99999", "u@a", "*.a", "[::1", "::1", "http://a",
        ] {
            assert!(authorities(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bound_of_zero_is_refused() {
        assert!(Env::of([("X", "0")]).bound("X", 1).is_err());
        assert!(Env::of([("X", "0")]).millis("X", 1).is_ok());
    }
}
