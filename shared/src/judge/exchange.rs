//! One call of a model's API.

use super::dialect::Dialect;
use super::{JudgeError, Opinion, Question, unavailable};
use crate::config::{ConfigError, Env, malformed};
use crate::provider::{AuthType, OfClient, Provider, Providers, Shape};
use crate::secret::{AFTER_A_REFUSAL, Freshness, KeyPermit, SecretNames, Secrets};
use crate::wire::client::GuardedClient;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use secrecy::{ExposeSecret, SecretString};
use std::{sync::Arc, time::Duration};

/// The slug of the provider that judges by default.
const DEFAULT_PROVIDER: &str = "anthropic";
/// Most bytes of an answer.
const MAX_ANSWER: usize = 64 * 1024;

/// Which model judges, and how long it may take.
pub struct JudgeConfig {
    provider: Provider,
    dialect: Dialect,
    model: String,
    pub(super) timeout: Duration,
}

impl JudgeConfig {
    /// Reads `JUDGE_PROVIDER`, `JUDGE_MODEL` and `JUDGE_TIMEOUT_MS`.
    ///
    /// # Errors
    /// The variable that is malformed, or names a provider that is not configured.
    pub fn from_env(env: &Env, providers: &Providers) -> Result<Self, ConfigError> {
        let slug = env.get("JUDGE_PROVIDER")?.unwrap_or(DEFAULT_PROVIDER);
        let provider = providers
            .get(slug)
            .ok_or_else(|| malformed("JUDGE_PROVIDER", "no provider has this slug"))?
            .clone();
        if matches!(
            provider.auth(AuthType::ApiKey).shape,
            Shape::Path(_) | Shape::AwsSigV4(_)
        ) {
            let rule = "the judge's provider must take its key in a header or a query parameter";
            return Err(malformed("JUDGE_PROVIDER", rule));
        }
        let dialect = Dialect::from_provider(&provider.provider_id);
        let model = env.get("JUDGE_MODEL")?.unwrap_or(dialect.default_model());
        Ok(Self {
            model: model.to_owned(),
            timeout: env.bound("JUDGE_TIMEOUT_MS", 8_000)?,
            dialect,
            provider,
        })
    }
}

/// The connection to the model's API.
pub(super) struct Exchange {
    config: JudgeConfig,
    secrets: Arc<Secrets>,
    key: KeyPermit,
    egress: Arc<GuardedClient<Full<Bytes>>>,
}

impl Exchange {
    /// An exchange with the configured model, with the system key of its provider.
    pub(super) fn new(
        config: JudgeConfig,
        secrets: Arc<Secrets>,
        names: &SecretNames,
        egress: Arc<GuardedClient<Full<Bytes>>>,
    ) -> Self {
        Self {
            key: names.system(&config.provider.provider_id),
            config,
            secrets,
            egress,
        }
    }

    /// The model's name.
    pub(super) fn model(&self) -> &str {
        &self.config.model
    }

    /// Asks once, and a second time with a key that was rotated. A call that is dropped is cancelled.
    ///
    /// # Errors
    /// `Unavailable`: the key, the call or the answer failed.
    pub(super) async fn ask(&self, question: Question<'_>) -> Result<Opinion, JudgeError> {
        let cause = |error: crate::error::Error| {
            unavailable(error.cause().unwrap_or(error.message().to_owned()))
        };
        let read = |freshness| self.secrets.read(&self.key, freshness);
        let send = async |secret: &SecretString| {
            let request = self.request(question, secret)?;
            let response = self.egress.send(request).await;
            response.map_err(|error| cause(error.into_error()))
        };
        let secret = read(Freshness::Cached).await.map_err(cause)?;
        let mut response = send(&secret).await?;
        // As for agents' requests: a key that was rotated is read again.
        if self.config.provider.says_bad_key(response.status())
            && let Ok(fresh) = read(AFTER_A_REFUSAL).await
            && fresh.expose_secret() != secret.expose_secret()
        {
            response = send(&fresh).await?;
        }
        let status = response.status();
        if status != StatusCode::OK {
            return Err(unavailable(format_args!("status {}", status.as_u16())));
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect();
        let body = body.await.map_err(unavailable)?.to_bytes();
        let opinion = self.config.dialect.opinion(&body);
        opinion.ok_or_else(|| unavailable("its answer is no verdict"))
    }

    fn request(
        &self,
        question: Question<'_>,
        secret: &SecretString,
    ) -> Result<Request<Full<Bytes>>, JudgeError> {
        let JudgeConfig {
            provider,
            dialect,
            model,
            ..
        } = &self.config;
        let auth = provider.auth(AuthType::ApiKey);
        let injection = auth.inject(secret, &OfClient::default());
        let injection = injection.map_err(|_| unusable())?;
        let mut url = dialect.url(provider);
        if let Some(pair) = injection.pair {
            url = format!("{url}?{pair}");
        }
        let mut request = Request::builder().method(Method::POST);
        for (name, value) in injection.headers.iter().chain(&auth.constants) {
            request = request.header(name, value);
        }
        for (name, value) in dialect.headers() {
            request = request.header(*name, *value);
        }
        request
            .uri(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT_ENCODING, "identity")
            .body(Full::from(dialect.body(model, question).to_string()))
            .map_err(|_| unusable())
    }
}

fn unusable() -> JudgeError {
    unavailable("the system key cannot stand in a request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_judge_is_a_known_provider_with_a_model_of_its_own() {
        let config = |pairs: [(&str, &str); 2]| {
            let env = Env::from_pairs(pairs);
            JudgeConfig::from_env(&env, &Providers::from_env(&env).unwrap())
                .map(|config| (config.model, config.provider.slug.to_string()))
        };
        let none = ("X", "");
        assert_eq!(
            config([none, none]),
            Ok(("claude-haiku-4-5".into(), "anthropic".into()))
        );
        assert_eq!(
            config([("JUDGE_PROVIDER", "openai"), none]),
            Ok(("gpt-5-mini".into(), "openai".into()))
        );
        assert_eq!(
            config([("JUDGE_PROVIDER", "groq"), ("JUDGE_MODEL", "m")]),
            Ok(("m".into(), "groq".into()))
        );
        assert_eq!(
            config([("JUDGE_PROVIDER", "nobody"), none])
                .unwrap_err()
                .variable,
            "JUDGE_PROVIDER"
        );
        assert_eq!(
            config([("JUDGE_TIMEOUT_MS", "0"), none])
                .unwrap_err()
                .variable,
            "JUDGE_TIMEOUT_MS"
        );
    }
}
