//! The hosts at which platforms' APIs may be called. A connection's `config.api_base_url` is accepted only for
//! hosts that the operator allowed, because questions and the bot token are sent there.

use crate::authority::Platform;
use crate::config::{ConfigError, Env};
use crate::wire::{AllowedPrivate, HostList};
use http::Uri;
use serde_json::Value;

/// Hosts at which platforms' APIs may be called, in addition to the platforms' own.
#[derive(Debug, Clone, Default)]
pub struct ApiHosts {
    named: HostList,
    private: HostList,
}

impl ApiHosts {
    /// Reads `CHAT_API_HOSTS` and `ALLOW_PRIVATE_UPSTREAMS`.
    ///
    /// # Errors
    /// One of the variables is malformed.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            named: HostList::from_env(env, "CHAT_API_HOSTS")?,
            private: AllowedPrivate::from_env(env)?.hosts().clone(),
        })
    }

    /// The address of the platform's API for a connection with this configuration: `api_base_url` without a
    /// trailing slash, or the platform's own address if that is absent.
    ///
    /// # Errors
    /// The rule that `config.api_base_url` breaks.
    pub fn base(&self, platform: Platform, config: &Value) -> Result<String, &'static str> {
        let own = own(platform);
        let given = match config.get("api_base_url") {
            None | Some(Value::Null) => return Ok(own.to_owned()),
            Some(Value::String(given)) => given,
            Some(_) => return Err("must be a string"),
        };
        let uri: Uri = given.parse().map_err(|_| "must be a URL")?;
        let plain = uri
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'));
        if !plain || uri.query().is_some() || given.contains('#') {
            return Err("must be a URL without user, query or fragment");
        }
        let own_host = own.parse::<Uri>().ok();
        let is_own = own_host.is_some_and(|own| {
            own.host() == uri.host() && uri.scheme() == own.scheme() && uri.port().is_none()
        });
        if is_own || self.named.allows_address(&uri) || self.private.allows_address(&uri) {
            return Ok(given.trim_end_matches('/').to_owned());
        }
        Err("must be at the platform's own host, or at one that CHAT_API_HOSTS names")
    }
}

/// The address of the platform's own API.
const fn own(platform: Platform) -> &'static str {
    match platform {
        Platform::Slack => "https://slack.com/api",
        Platform::Telegram => "https://api.telegram.org",
        Platform::Discord => "https://discord.com/api/v10",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_is_the_platforms_own_or_one_that_the_operator_named() {
        let env = Env::from_pairs([
            ("CHAT_API_HOSTS", "slack.example.gov, bots.example:8443"),
            ("ALLOW_PRIVATE_UPSTREAMS", "127.0.0.1:81"),
        ]);
        let hosts = ApiHosts::from_env(&env).unwrap();
        let base = |given: Value| hosts.base(Platform::Slack, &json!({"api_base_url": given}));
        assert_eq!(
            hosts.base(Platform::Telegram, &json!({})).as_deref(),
            Ok("https://api.telegram.org")
        );
        for good in [
            "https://slack.com/api/",
            "https://slack.example.gov/api",
            "https://bots.example:8443",
            "http://127.0.0.1:81/api",
        ] {
            assert!(base(good.into()).is_ok(), "{good}");
        }
        assert_eq!(
            base("https://slack.com/api/".into()).unwrap(),
            "https://slack.com/api"
        );
        for bad in [
            json!("https://evil.example/api"),
            json!("https://slack.com.evil.example/api"),
            json!("https://slack.com@evil.example/api"),
            json!("https://slack.com:444/api"),
            json!("http://slack.com/api"),
            json!("https://bots.example/api"),
            json!("http://127.0.0.1:82/api"),
            json!("https://slack.example.gov/api?x=1"),
            json!("/api"),
            json!(""),
            json!(7),
        ] {
            assert!(base(bad.clone()).is_err(), "{bad}");
        }
    }
}
