//! The environment, read once at cold start. An error names the variable that is missing or malformed.

use crate::host::HostName;
use http::uri::Authority;
use serde_json::error::Category;
use std::{collections::HashMap, ffi::OsString, fmt::Display, str::FromStr, time::Duration};

/// A variable that is missing or malformed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} {problem}")]
pub struct ConfigError {
    /// The variable's name.
    pub variable: &'static str,
    /// What is wrong with it; never its value.
    pub problem: String,
}

/// The process's environment at cold start. `None` is a value that is not UTF-8.
pub struct Env(HashMap<String, Option<String>>);

impl Env {
    /// Reads the environment. Nothing else does.
    pub fn read() -> Self {
        Self::from_os(std::env::vars_os())
    }

    // Postern uses no name that is not UTF-8.
    fn from_os(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let named = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()))
        };
        Self(variables.into_iter().filter_map(named).collect())
    }

    /// An environment of these pairs.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), Some(value.to_owned())))
                .collect(),
        )
    }

    /// The variable's value. An empty one counts as absent.
    ///
    /// # Errors
    /// Where it is not UTF-8.
    pub fn get(&self, variable: &'static str) -> Result<Option<&str>, ConfigError> {
        match self.0.get(variable) {
            None => Ok(None),
            Some(None) => Err(malformed(variable, "must be UTF-8")),
            Some(Some(value)) => Ok(Some(value.as_str()).filter(|value| !value.is_empty())),
        }
    }

    /// The variable's value.
    ///
    /// # Errors
    /// Where it is missing or empty.
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

    /// The value as `read` parses it. Where `read` returns `None`, the error says what was `expected`.
    pub(crate) fn read_as<'a, T>(
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

    /// A comma-separated list of `host` or `host:port`.
    pub fn authorities(
        &self,
        variable: &'static str,
    ) -> Result<Vec<(HostName, Option<u16>)>, ConfigError> {
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

    /// A whole number, written in digits only.
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

    /// A duration in whole milliseconds that may not be zero, if there is one.
    pub fn bound_if_set(&self, variable: &'static str) -> Result<Option<Duration>, ConfigError> {
        match self.get(variable)? {
            Some(_) => self.bound(variable, 1).map(Some),
            None => Ok(None),
        }
    }

    /// A count of at least one.
    pub fn count(&self, variable: &'static str, default: u32) -> Result<u32, ConfigError> {
        match self.number(variable, default)? {
            0 => Err(malformed(variable, "must be at least 1")),
            count => Ok(count),
        }
    }
}

/// A year. Anything longer is a mistake, and would overflow a Postgres interval.
const MAX_MILLIS: u64 = 366 * 24 * 60 * 60 * 1000;

/// An error for a value that cannot be read. It does not repeat the value, which may be a pasted secret.
pub fn malformed(variable: &'static str, error: impl Display) -> ConfigError {
    ConfigError {
        variable,
        problem: format!("is malformed: {error}"),
    }
}

/// An error for JSON that cannot be read. It gives the place only, since serde's own message repeats the value.
pub fn malformed_json(variable: &'static str, error: &serde_json::Error) -> ConfigError {
    let problem = match error.classify() {
        Category::Data => "not of the expected form",
        Category::Io | Category::Syntax | Category::Eof => "not JSON",
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

/// Reads a port, which is not zero.
pub(crate) fn port(text: &str) -> Option<u16> {
    digits(text).filter(|port| *port != 0)
}

/// `host` or `host:port`, an IPv6 address in brackets.
fn authority(text: &str) -> Option<(HostName, Option<u16>)> {
    let authority: Authority = text.parse().ok()?;
    let (host, port) = (authority.host(), authority.port_u16());
    // A port that is not a number, or a user before the host, would otherwise be ignored.
    let whole = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    (whole == text).then_some(())?;
    Some((HostName::parse(host).ok()?, port))
}

/// Whether a secret's name may hold this byte.
pub(crate) fn in_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        let error = Env::from_pairs([])
            .required("DATABASE_SECRET_ID")
            .err()
            .map(|e| e.to_string());
        assert_eq!(
            error.as_deref(),
            Some("environment variable DATABASE_SECRET_ID is required and not set")
        );
    }

    #[test]
    fn a_malformed_variable_is_named_without_its_value() {
        let error = Env::from_pairs([("DATABASE_TIMEOUT_MS", "hunter2")])
            .bound("DATABASE_TIMEOUT_MS", 3000)
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
        let authorities = |text| Env::from_pairs([("X", text)]).authorities("X");
        let host = |text| HostName::parse(text).unwrap();
        assert_eq!(authorities(""), Ok(vec![]));
        assert_eq!(
            authorities("Localhost, 127.0.0.1:80 ,[::1]:81"),
            Ok(vec![
                (host("localhost"), None),
                (host("127.0.0.1"), Some(80)),
                (host("[::1]"), Some(81))
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
        assert!(Env::from_pairs([("X", "0")]).bound("X", 1).is_err());
        assert!(Env::from_pairs([("X", "0")]).millis("X", 1).is_ok());
    }
}
