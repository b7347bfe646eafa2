//! One call of a model's API, and its answer read strictly. Anthropic: docs.claude.com, "Messages" and
//! "Structured outputs". OpenAI and what is compatible with it: platform.openai.com, "Chat completions".

use super::prompt::{request, system};
use super::{JudgeError, Opinion, Question, unavailable};
use crate::config::{ConfigError, Env, malformed};
use crate::provider::AuthType;
use crate::provider::{Auth, Provider, Providers, header_value};
use crate::secret::{AFTER_A_REFUSAL, Freshness, KeyPermit, SecretNames, Secrets};
use crate::wire::client::GuardedClient;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const ANTHROPIC: &str = "anthropic";
const OPENAI: &str = "openai";
/// Small current models.
const ANTHROPIC_MODEL: &str = "claude-haiku-4-5";
const OPENAI_MODEL: &str = "gpt-5-mini";
const MAX_ANSWER: usize = 64 * 1024;
/// A verdict is short; what a model thinks before it counts too.
const MAX_TOKENS: u32 = 4096;
const MAX_REASON: usize = 300;

/// Which model judges, and how long it may take.
pub struct JudgeConfig {
    provider: Provider,
    model: String,
    pub(super) timeout: Duration,
}

impl JudgeConfig {
    /// `JUDGE_PROVIDER`, `JUDGE_MODEL` and `JUDGE_TIMEOUT_MS`.
    pub fn from_env(env: &Env, providers: &Providers) -> Result<Self, ConfigError> {
        let slug = env.get("JUDGE_PROVIDER")?.unwrap_or(ANTHROPIC);
        let provider = providers
            .get(slug)
            .ok_or_else(|| malformed("JUDGE_PROVIDER", "no provider has this slug"))?
            .clone();
        let own_model = if provider.provider_id.as_str() == ANTHROPIC {
            ANTHROPIC_MODEL
        } else {
            OPENAI_MODEL
        };
        Ok(Self {
            model: env.get("JUDGE_MODEL")?.unwrap_or(own_model).to_owned(),
            timeout: env.bound("JUDGE_TIMEOUT_MS", 8_000)?,
            provider,
        })
    }
}

/// The way to the model.
pub(super) struct Exchange {
    config: JudgeConfig,
    secrets: Arc<Secrets>,
    key: KeyPermit,
    egress: Arc<GuardedClient<Full<Bytes>>>,
}

impl Exchange {
    pub fn new(
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

    pub fn model(&self) -> &str {
        &self.config.model
    }

    /// Asks once. A call that is dropped is cancelled.
    pub async fn ask(&self, asked: Question<'_>) -> Result<Opinion, JudgeError> {
        let cause = |error: crate::error::Error| {
            unavailable(error.cause().unwrap_or(error.message().to_owned()))
        };
        let read = |freshness| self.secrets.read(&self.key, freshness);
        let send = async |secret: &SecretString| {
            let request = self.request(asked, secret)?;
            let response = self.egress.send(request).await;
            response.map_err(|error| cause(error.into_error()))
        };
        let secret = read(Freshness::Cached).await.map_err(cause)?;
        let mut response = send(&secret).await?;
        // As for agents' requests: a key that was rotated is read again.
        if response.status() == StatusCode::UNAUTHORIZED
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
        opinion(&body).ok_or_else(|| unavailable("its answer is no verdict"))
    }

    fn request(
        &self,
        asked: Question<'_>,
        secret: &SecretString,
    ) -> Result<Request<Full<Bytes>>, JudgeError> {
        let provider = &self.config.provider;
        let anthropic = provider.provider_id.as_str() == ANTHROPIC;
        let system = system(asked.policy);
        let asked = request(asked.target, asked.body);
        let model = self.model();
        let (mut url, body) = if anthropic {
            let body = json!({
                "model": model, "max_tokens": MAX_TOKENS, "system": system,
                "messages": [{"role": "user", "content": asked}],
                "output_config": {"format": {"type": "json_schema", "schema": schema()}},
            });
            (format!("{}/v1/messages", provider.base_url()), body)
        } else {
            let mut body = json!({
                "model": model,
                "messages": [{"role": "system", "content": system}, {"role": "user", "content": asked}],
                "response_format": {"type": "json_object"},
            });
            // OpenAI's own models no longer take the name that the others took from it.
            let most = if provider.provider_id.as_str() == OPENAI {
                "max_completion_tokens"
            } else {
                "max_tokens"
            };
            body[most] = MAX_TOKENS.into();
            (provider.chat_url(), body)
        };
        let mut request = Request::builder().method(Method::POST);
        match provider.auth(AuthType::ApiKey) {
            Auth::Header { header, scheme } => {
                let value = header_value(scheme.as_deref(), secret);
                request = request.header(header, value.map_err(|_| unusable())?);
            }
            Auth::Query { query } => {
                let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
                let (name, key) = (encoded(query), encoded(secret.expose_secret()));
                url = format!("{url}?{name}={key}");
            }
        }
        if anthropic {
            request = request.header("anthropic-version", "2023-06-01");
        }
        request
            .uri(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT_ENCODING, "identity")
            .body(Full::from(body.to_string()))
            .map_err(|_| unusable())
    }
}

fn unusable() -> JudgeError {
    unavailable("the system key cannot stand in a request")
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"verdict": {"type": "string", "enum": ["allow", "deny"]}, "reason": {"type": "string"}},
        "required": ["verdict", "reason"],
        "additionalProperties": false,
    })
}

/// The verdict in a model's answer, of either API: exactly one text, of exactly one object.
fn opinion(body: &[u8]) -> Option<Opinion> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Verdict {
        Allow,
        Deny,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Said {
        verdict: Verdict,
        #[serde(default)]
        reason: String,
    }
    let answer: Value = serde_json::from_slice(body).ok()?;
    let said: Said = serde_json::from_str(text(&answer)?).ok()?;
    let shown = said.reason.chars().filter(|c| !c.is_control());
    Some(Opinion {
        allow: matches!(said.verdict, Verdict::Allow),
        reason: shown.take(MAX_REASON).collect(),
    })
}

/// The answer's one text, if the model ended it of its own accord.
fn text(answer: &Value) -> Option<&str> {
    if let Some(choices) = answer.get("choices") {
        let [choice] = choices.as_array()?.as_slice() else {
            return None;
        };
        let ended = &choice["finish_reason"];
        let whole = ended.is_null() || ended == "stop";
        return choice["message"]["content"].as_str().filter(|_| whole);
    }
    let ended = &answer["stop_reason"];
    let whole = ended.is_null() || ended == "end_turn";
    let blocks = answer["content"].as_array()?;
    let mut texts = blocks.iter().filter(|block| block["type"] == "text");
    let (first, second) = (texts.next()?, texts.next());
    first["text"].as_str().filter(|_| whole && second.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anthropic(text: &str) -> Value {
        json!({"type": "message", "role": "assistant", "stop_reason": "end_turn", "content": [{"type": "text", "text": text}]})
    }

    fn openai(text: &str) -> Value {
        json!({"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]})
    }

    fn read(answer: &Value) -> Option<(bool, String)> {
        opinion(answer.to_string().as_bytes()).map(|said| (said.allow, said.reason))
    }

    #[test]
    fn a_verdict_is_exactly_one_object() {
        for (text, said) in [
            (
                r#"{"verdict":"allow","reason":"reads only"}"#,
                (true, "reads only"),
            ),
            (
                " {\"reason\": \"no\\u0007\", \"verdict\": \"deny\"}\n",
                (false, "no"),
            ),
            (r#"{"verdict":"deny"}"#, (false, "")),
        ] {
            let said = Some((said.0, said.1.to_owned()));
            assert_eq!(
                (read(&anthropic(text)), read(&openai(text))),
                (said.clone(), said)
            );
        }
    }

    #[test]
    fn anything_else_is_no_verdict() {
        for text in [
            "",
            "allow",
            "I would allow this.",
            r#"{"verdict":"allow""#,
            r#"{"verdict":"ALLOW"}"#,
            r#"{"verdict":"maybe"}"#,
            r#"{"verdict":true}"#,
            r#"{"allow":true}"#,
            r#"{"verdict":"allow","confidence":1}"#,
            r#"[{"verdict":"allow"}]"#,
            r#"{"verdict":"deny","verdict":"allow"}"#,
            r#"{"verdict":"allow"}{"verdict":"deny"}"#,
            "null",
            r#"{"verdict":["allow"]}"#,
            "```json\n{\"verdict\":\"allow\"}\n```",
            r#"Sure: {"verdict":"allow"}"#,
            r#"{"verdict":"allow"} as asked"#,
            r#"{"verdict":"allow","reason":1}"#,
        ] {
            assert_eq!(
                (read(&anthropic(text)), read(&openai(text))),
                (None, None),
                "{text}"
            );
        }
        let text = r#"{"verdict":"allow"}"#;
        for (pointer, value) in [
            ("/stop_reason", json!("max_tokens")),
            ("/stop_reason", json!("refusal")),
            ("/content", json!([])),
            ("/content", json!(text)),
            ("/content/0/type", json!("tool_use")),
            (
                "/content",
                json!([{"type": "text", "text": text}, {"type": "text", "text": text}]),
            ),
        ] {
            let mut answer = anthropic(text);
            *answer.pointer_mut(pointer).unwrap() = value.clone();
            assert_eq!(read(&answer), None, "{pointer} {value}");
        }
        for (pointer, value) in [
            ("/choices", json!([])),
            ("/choices/0/finish_reason", json!("length")),
            ("/choices/0/message/content", Value::Null),
        ] {
            let mut answer = openai(text);
            *answer.pointer_mut(pointer).unwrap() = value.clone();
            assert_eq!(read(&answer), None, "{pointer} {value}");
        }
        for body in ["", "{", "[]", "{}", "allow"] {
            assert_eq!(opinion(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn the_judge_is_a_known_provider_with_a_model_of_its_own() {
        let config = |pairs: [(&str, &str); 2]| {
            let env = Env::from_pairs(pairs);
            JudgeConfig::from_env(&env, &Providers::from_env(&env).unwrap())
                .map(|config| (config.model, config.provider.slug))
        };
        let none = ("X", "");
        assert_eq!(
            config([none, none]),
            Ok((ANTHROPIC_MODEL.into(), "anthropic".into()))
        );
        assert_eq!(
            config([("JUDGE_PROVIDER", "openai"), none]),
            Ok((OPENAI_MODEL.into(), "openai".into()))
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
