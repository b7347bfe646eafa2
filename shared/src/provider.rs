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
#[derive(Debug, Clone)]
pub struct Provider {
    /// The name in the proxy's path.
    pub slug: String,
    /// The name that profiles and entitlements use.
    pub provider_id: ProviderId,
    base: BaseUrl,
    auth: Auth,
    oauth_auth: Option<Auth>,
    chat_path: String,
}

/// A provider as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenProvider {
    slug: String,
    provider_id: ProviderId,
    base_url: String,
    auth: Auth,
    #[serde(default)]
    oauth_auth: Option<Auth>,
    /// The path below `base_url` that takes OpenAI's chat completions, for the judge.
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
    /// As an API key.
    ApiKey,
    /// As an OAuth access token.
    OAuth,
}

literals! {
    AuthType {
        ApiKey = "api_key",
        OAuth = "oauth",
    }
}

/// Where a credential goes in a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Auth {
    /// A header.
    Header {
        /// Its name.
        #[serde(deserialize_with = "header_name")]
        header: HeaderName,
        /// What stands before the secret, such as `Bearer`.
        #[serde(default)]
        scheme: Option<String>,
    },
    /// A query parameter.
    Query {
        /// Its name.
        query: String,
    },
}

/// A secret as the value of a header, behind the scheme if there is one.
///
/// # Errors
/// `secret_unavailable` where a header cannot hold it.
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

/// A provider's address, parsed once.
#[derive(Debug, Clone)]
struct BaseUrl {
    /// Without a slash at its end.
    text: String,
    /// What a request to it would be compared with.
    target: Target,
}

impl BaseUrl {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str =
            "a base_url must be http(s)://host[:port][/path] without user, query or fragment";
        let uri: Uri = text.parse().map_err(|_| RULE)?;
        let authority = uri.authority().ok_or(RULE)?;
        if authority.as_str().contains('@') || uri.query().is_some() || text.contains('#') {
            return Err(RULE);
        }
        Ok(Self {
            text: text.trim_end_matches('/').to_owned(),
            target: Target::from_uri(&uri, "GET").ok_or(RULE)?,
        })
    }
}

/// Headers that carry a key for some provider. Every provider's clients may send the placeholder in them.
const KEY_HEADERS: [&str; 2] = ["x-api-key", "x-goog-api-key"];

impl Provider {
    fn check(written: WrittenProvider) -> Result<Self, &'static str> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let slug = written.slug;
        if slug.is_empty() || !slug.bytes().all(plain) || slug == "health" {
            return Err("a slug must be of A-Z a-z 0-9 - _ . and not `health`");
        }
        if !written.chat_path.starts_with('/') {
            return Err("a chat_path must begin with /");
        }
        Ok(Self {
            slug,
            provider_id: written.provider_id,
            base: BaseUrl::parse(&written.base_url)?,
            auth: written.auth,
            oauth_auth: written.oauth_auth,
            chat_path: written.chat_path,
        })
    }

    /// Where a credential of this type goes.
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

    /// Whether a credential is read from this header, apart from `authorization`, and never forwarded: the
    /// provider's own, or one that common clients use.
    pub fn takes_key_in(&self, header: &HeaderName) -> bool {
        let own = [Some(&self.auth), self.oauth_auth.as_ref()];
        let is_own = |auth: &Auth| match auth {
            Auth::Header { header: own, .. } => own == header,
            Auth::Query { .. } => false,
        };
        KEY_HEADERS.iter().any(|name| header == name) || own.into_iter().flatten().any(is_own)
    }

    /// The schemes that the provider's own credentials have in this header, such as `Token`.
    pub fn schemes_in(&self, header: &HeaderName) -> impl Iterator<Item = &str> {
        let own = [Some(&self.auth), self.oauth_auth.as_ref()];
        own.into_iter()
            .flatten()
            .filter_map(move |auth| match auth {
                Auth::Header {
                    header: own,
                    scheme,
                } if own == header => scheme.as_deref(),
                Auth::Header { .. } | Auth::Query { .. } => None,
            })
    }

    /// The address to which `/{rest}` is added, without a slash at its end.
    pub fn base_url(&self) -> &str {
        &self.base.text
    }

    /// The address that takes OpenAI's chat completions.
    pub fn chat_url(&self) -> String {
        format!("{}{}", self.base_url(), self.chat_path)
    }

    /// Whether the provider's API is at this host and port. The scheme is not compared: a tunnel does not
    /// show it.
    pub fn is_at(&self, target: &Target) -> bool {
        let own = &self.base.target;
        (&own.host, own.port) == (&target.host, target.port)
    }

    /// The host of its address.
    pub fn host(&self) -> &HostName {
        &self.base.target.host
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
    /// The built-in list, and the operator's `PROVIDERS`, which add to it or replace entries by slug.
    ///
    /// # Errors
    /// Where `PROVIDERS` is malformed.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let list = |text: &str| {
            serde_json::from_str::<Vec<WrittenProvider>>(text)
                .map_err(|error| malformed_json(VARIABLE, &error))
        };
        let built_in = list(BUILT_IN)?;
        let own = env
            .get(VARIABLE)?
            .map(list)
            .transpose()?
            .unwrap_or_default();
        let mut all = HashMap::new();
        for written in built_in.into_iter().chain(own) {
            let provider = Provider::check(written).map_err(|error| malformed(VARIABLE, error))?;
            all.insert(provider.slug.clone(), provider);
        }
        Ok(Self(all))
    }

    /// The provider of this slug.
    pub fn get(&self, slug: &str) -> Option<&Provider> {
        self.0.get(slug)
    }

    /// Every provider, in no order.
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
            (openai.host().as_str(), openai.base_url()),
            ("127.0.0.1", "http://127.0.0.1:81/x")
        );
        assert_eq!(openai.query_parameter(), Some("key"));
    }

    #[test]
    fn a_key_is_read_from_the_providers_own_header_and_from_common_ones() {
        let own = r#"[{"slug":"gitlab","provider_id":"gitlab","base_url":"https://g.example","auth":{"header":"private-token"},
            "oauth_auth":{"header":"x-oauth"}}]"#;
        let providers = Providers::from_env(&Env::from_pairs([(VARIABLE, own)])).unwrap();
        let takes = |slug, header: &'static str| {
            let header = HeaderName::from_static(header);
            providers.get(slug).unwrap().takes_key_in(&header)
        };
        for header in ["private-token", "x-oauth", "x-api-key", "x-goog-api-key"] {
            assert!(takes("gitlab", header), "{header}");
        }
        assert!(!takes("openai", "private-token"));
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
