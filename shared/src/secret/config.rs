//! How secrets are named, and for how long their values may be reused.

use super::name::OperatorSecret;
use crate::config::{ConfigError, Env, in_names};
use http::Uri;
use std::time::Duration;

/// How secrets are named and how long their values may be reused.
pub struct SecretsConfig {
    /// `SECRETS_PREFIX`: the beginning of every tenant's secret's name.
    pub prefix: String,
    /// `SECRETS_CACHE_TTL_MS`; zero turns the cache off.
    pub cache_ttl: Duration,
    /// `SEALING_KEYS_SECRET_ID`: the secret that holds the keyring of sealed secrets, if they are in use.
    pub sealing_keys: Option<OperatorSecret>,
}

impl SecretsConfig {
    /// Reads `SECRETS_PREFIX`, `SECRETS_CACHE_TTL_MS` and `SEALING_KEYS_SECRET_ID`, and checks `AWS_ENDPOINT_URL_SECRETS_MANAGER`.
    ///
    /// # Errors
    /// Where one of them is malformed.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        // The AWS SDK ignores an address that it cannot read and would call AWS instead.
        env.read_as(
            "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            endpoint,
            "must be an http or https address",
        )?;
        let prefix = env.read_as(
            "SECRETS_PREFIX",
            prefix,
            "must hold only A-Z a-z 0-9 / _ + = . @ -",
        )?;
        Ok(Self {
            prefix: prefix.unwrap_or("postern/").to_owned(),
            cache_ttl: env.millis("SECRETS_CACHE_TTL_MS", 300_000)?,
            sealing_keys: OperatorSecret::optional(env, "SEALING_KEYS_SECRET_ID")?,
        })
    }
}

/// A prefix in the alphabet of Secrets Manager's names.
fn prefix(text: &str) -> Option<&str> {
    Some(text).filter(|text| text.bytes().all(in_names))
}

fn endpoint(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    Some(uri).filter(|uri| known && uri.host().is_some_and(|host| !host.is_empty()))
}
