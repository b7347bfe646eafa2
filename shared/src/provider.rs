//! Providers, as data.

use crate::config::{ConfigError, Env, malformed, malformed_json};
use crate::error::{Code, Error};
use crate::host::HostName;
use crate::id::ProviderId;
use crate::literal::literals;
use crate::policy::Target;
use http::{HeaderName, HeaderValue, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::collections::HashMap;

const BUILT_IN: &str = include_str!("providers.json");
const VARIABLE: &str = "PROVIDERS";

/// A provider: where its API is, and how it takes a credential.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    pub slug: String,
    pub provider_id: ProviderId,
    base_url: String,
    auth: Auth,
    #[serde(default)]
    oauth_auth: Option<Auth>,
    /// Where below `base_url` it takes OpenAI's chat completions, for the judge.
    #[serde(default = "chat_path")]
    chat_path: String,
}

fn chat_path() -> String {
    "/v1/chat/completions".into()
}

/// How a credential is presented to its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum AuthType {
    ApiKey,
    OAuth,
}

literals! {
    AuthType {
        ApiKey = "api_key",
        OAuth = "oauth",
    }
}

/// Where a credential goes.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Auth {
    Header {
        #[serde(deserialize_with = "header_name")]
        header: HeaderName,
        #[serde(default)]
        scheme: Option<String>,
    },
    Query {
        query: String,
    },
}

/// A secret as a header's value.
///
/// # Errors
/// `secret_unavailable` when it cannot stand in one.
pub fn header_value(scheme: Option<&str>, secret: &SecretString) -> Result<HeaderValue, Error> {
    let unusable =
        |_| Code::SecretUnavailable.because("the secret's value cannot stand in a header");
    let value = match scheme {
        Some(scheme) => HeaderValue::from_str(&format!("{scheme} {}", secret.expose_secret())),
        None => HeaderValue::from_str(secret.expose_secret()),
    };
    let mut value = value.map_err(unusable)?;
    value.set_sensitive(true);
    Ok(value)
}

impl Provider {
    /// How a credential of this type is presented.
    pub fn auth(&self, auth_type: AuthType) -> &Auth {
        match auth_type {
            AuthType::ApiKey => &self.auth,
            AuthType::OAuth => self.oauth_auth.as_ref().unwrap_or(&self.auth),
        }
    }

    /// The query parameter in which the provider takes its key, if it does.
    pub fn query_parameter(&self) -> Option<&str> {
        match &self.auth {
            Auth::Header { .. } => None,
            Auth::Query { query } => Some(query),
        }
    }

    /// The address to which `/{rest}` is added, without a slash at its end.
    pub fn base_url(&self) -> &str {
        self.base_url.trim_end_matches('/')
    }

    /// The address at which it takes OpenAI's chat completions.
    pub fn chat_url(&self) -> String {
        format!("{}{}", self.base_url(), self.chat_path)
    }

    /// Whether the provider's API is at this host and port. The scheme is not compared: a tunnel has
    /// none of its own.
    pub fn is_at(&self, target: &Target) -> bool {
        let own = self.base_url.parse().ok();
        let own = own.and_then(|uri| Target::from_uri(&uri, "GET"));
        own.is_some_and(|own| (&own.host, own.port) == (&target.host, target.port))
    }

    /// The host name alone.
    pub fn host(&self) -> &str {
        let after_scheme = self.base_url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = after_scheme.split('/').next().unwrap_or_default();
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            Some(_) | None => authority,
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if self.slug.is_empty() || !self.slug.bytes().all(plain) || self.slug == "health" {
            return Err("a slug must be of A-Z a-z 0-9 - _ . and not `health`");
        }
        let uri: Uri = self
            .base_url
            .parse()
            .map_err(|_| "a base_url is not a URL")?;
        let http = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri
            .authority()
            .map(http::uri::Authority::as_str)
            .unwrap_or_default();
        HostName::parse(self.host()).map_err(|_| "a base_url's host is none")?;
        if !self.chat_path.starts_with('/') {
            return Err("a chat_path must begin with /");
        }
        let plain = uri.query().is_none() && !self.base_url.contains('#');
        if !http || authority.is_empty() || authority.contains('@') || !plain {
            return Err(
                "a base_url must be http(s)://host[:port][/path] without user, query or fragment",
            );
        }
        Ok(())
    }
}

fn header_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<HeaderName, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse()
        .map_err(|_| serde::de::Error::custom("not a header name"))
}

/// Every provider by its slug.
#[derive(Debug)]
pub struct Providers(HashMap<String, Provider>);

impl Providers {
    /// The built-in list, with the operator's added or in place of those of the same slug.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let list = |text: &str| {
            serde_json::from_str::<Vec<Provider>>(text)
                .map_err(|error| malformed_json(VARIABLE, &error))
        };
        let built_in = list(BUILT_IN)?;
        let own = env
            .get(VARIABLE)?
            .map(list)
            .transpose()?
            .unwrap_or_default();
        let mut all = HashMap::new();
        for provider in built_in.into_iter().chain(own) {
            provider
                .check()
                .map_err(|error| malformed(VARIABLE, error))?;
            all.insert(provider.slug.clone(), provider);
        }
        Ok(Self(all))
    }

    pub fn get(&self, slug: &str) -> Option<&Provider> {
        self.0.get(slug)
    }

    pub fn all(&self) -> impl Iterator<Item = &Provider> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_to_present_a_credential_is_read_back_from_its_name() {
        crate::literal::assert_read_back(&AuthType::ALL, AuthType::as_str);
    }

    #[test]
    fn the_built_in_list_is_sound_and_https() {
        let providers = Providers::from_env(&Env::from_pairs([])).unwrap();
        for slug in [
            "openai",
            "anthropic",
            "gemini",
            "openrouter",
            "groq",
            "mistral",
            "deepseek",
            "xai",
            "together",
            "fireworks",
            "cohere",
            "perplexity",
            "github",
            "slack",
        ] {
            assert!(
                providers
                    .get(slug)
                    .is_some_and(|p| p.base_url().starts_with("https://")),
                "{slug}"
            );
        }
    }

    #[test]
    fn the_operators_list_adds_and_replaces() {
        let own = r#"[{"slug":"openai","provider_id":"mine","base_url":"http://127.0.0.1:81/x/","auth":{"query":"key"}}]"#;
        let providers = Providers::from_env(&Env::from_pairs([(VARIABLE, own)])).unwrap();
        let openai = providers.get("openai").unwrap();
        assert_eq!(
            (openai.host(), openai.base_url()),
            ("127.0.0.1", "http://127.0.0.1:81/x")
        );
        assert_eq!(openai.query_parameter(), Some("key"));
    }

    #[test]
    fn a_malformed_list_names_the_variable() {
        for own in [
            "{}",
            r#"[{"slug":"a b","provider_id":"x","base_url":"https://x","auth":{"query":"k"}}]"#,
            r#"[{"slug":"a","provider_id":"x","base_url":"ftp://x","auth":{"query":"k"}}]"#,
            r#"[{"slug":"a","provider_id":"x","base_url":"https://u@x","auth":{"query":"k"}}]"#,
            r#"[{"slug":"a","provider_id":"x","base_url":"https://x","auth":{"header":"a b"}}]"#,
            r#"[{"slug":"a","provider_id":"x","base_url":"https://x/#y","auth":{"query":"k"}}]"#,
            r#"[{"slug":"a","provider_id":"x/y","base_url":"https://x","auth":{"query":"k"}}]"#,
        ] {
            assert_eq!(
                Providers::from_env(&Env::from_pairs([(VARIABLE, own)]))
                    .unwrap_err()
                    .variable,
                VARIABLE,
                "{own}"
            );
        }
    }
}
