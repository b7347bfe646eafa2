//! How secrets are named, and for how long their values may be reused.

use crate::config::{ConfigError, Env, in_names};
use http::Uri;
use std::time::Duration;

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

/// Of Secrets Manager's alphabet, or no secret could be so named.
fn prefix(text: &str) -> Option<&str> {
    Some(text).filter(|text| text.bytes().all(in_names))
}

fn endpoint(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    Some(uri).filter(|uri| known && uri.host().is_some_and(|host| !host.is_empty()))
}
