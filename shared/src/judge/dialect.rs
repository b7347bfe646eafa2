//! How a provider's API is asked for a verdict, and its answer read strictly. Anthropic: docs.claude.com,
//! "Messages" and "Structured outputs". OpenAI and what is compatible with it: platform.openai.com, "Chat
//! completions".

use super::prompt::{request, system};
use super::{Opinion, Question};
use crate::id::ProviderId;
use crate::provider::Provider;
use serde::Deserialize;
use serde_json::{Value, json};

/// Most tokens of an answer. A verdict is short, but what a model thinks before it counts too.
const MAX_TOKENS: u32 = 4096;
/// Most characters of a reason.
const MAX_REASON: usize = 300;

/// A model's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's Chat completions, of OpenAI itself.
    OpenAi,
    /// The same API of every other provider.
    OpenAiCompatible,
}

impl Dialect {
    /// The API of this provider.
    pub(super) fn from_provider(id: &ProviderId) -> Self {
        match id.as_str() {
            "anthropic" => Self::Anthropic,
            "openai" => Self::OpenAi,
            _ => Self::OpenAiCompatible,
        }
    }

    /// A small current model.
    pub(super) const fn default_model(self) -> &'static str {
        match self {
            Self::Anthropic => "claude-haiku-4-5",
            Self::OpenAi | Self::OpenAiCompatible => "gpt-5-mini",
        }
    }

    /// The address that takes the request, without the credential.
    pub(super) fn url(self, provider: &Provider) -> String {
        match self {
            Self::Anthropic => format!("{}/v1/messages", provider.base_url()),
            Self::OpenAi | Self::OpenAiCompatible => provider.chat_url(),
        }
    }

    /// The headers of the request that are the API's own, by name and value.
    pub(super) const fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Anthropic => &[("anthropic-version", "2023-06-01")],
            Self::OpenAi | Self::OpenAiCompatible => &[],
        }
    }

    /// The body of the request.
    pub(super) fn body(self, model: &str, question: Question<'_>) -> Value {
        let system = system(question.policy);
        let request = request(question.target, question.body);
        let limit = match self {
            Self::Anthropic => {
                return json!({
                    "model": model, "max_tokens": MAX_TOKENS, "system": system,
                    "messages": [{"role": "user", "content": request}],
                    "output_config": {"format": {"type": "json_schema", "schema": schema()}},
                });
            }
            // OpenAI's own models no longer take the name that the others took from it.
            Self::OpenAi => "max_completion_tokens",
            Self::OpenAiCompatible => "max_tokens",
        };
        json!({
            "model": model, limit: MAX_TOKENS,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": request}],
            "response_format": {"type": "json_object"},
        })
    }

    /// The verdict in an answer: exactly one text, of exactly one object. `None` if it is anything else.
    pub(super) fn opinion(self, answer: &[u8]) -> Option<Opinion> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Verdict {
            Allow,
            Deny,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Answered {
            verdict: Verdict,
            #[serde(default)]
            reason: String,
        }
        let answer: Value = serde_json::from_slice(answer).ok()?;
        let text = match self {
            Self::Anthropic => messages_text(&answer),
            Self::OpenAi | Self::OpenAiCompatible => chat_text(&answer),
        };
        let answered: Answered = serde_json::from_str(text?).ok()?;
        let printable = answered.reason.chars().filter(|c| !c.is_control());
        Some(Opinion {
            allow: matches!(answered.verdict, Verdict::Allow),
            reason: printable.take(MAX_REASON).collect(),
        })
    }
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"verdict": {"type": "string", "enum": ["allow", "deny"]}, "reason": {"type": "string"}},
        "required": ["verdict", "reason"],
        "additionalProperties": false,
    })
}

/// The one text of Anthropic's answer, if the model was not cut off.
fn messages_text(answer: &Value) -> Option<&str> {
    let ended = &answer["stop_reason"];
    let whole = ended.is_null() || ended == "end_turn";
    let blocks = answer["content"].as_array()?;
    let mut texts = blocks.iter().filter(|block| block["type"] == "text");
    let (first, second) = (texts.next()?, texts.next());
    first["text"].as_str().filter(|_| whole && second.is_none())
}

/// The text of the one choice of OpenAI's answer, if the model was not cut off.
fn chat_text(answer: &Value) -> Option<&str> {
    let [choice] = answer["choices"].as_array()?.as_slice() else {
        return None;
    };
    let ended = &choice["finish_reason"];
    let whole = ended.is_null() || ended == "stop";
    choice["message"]["content"].as_str().filter(|_| whole)
}

#[cfg(test)]
mod tests {
    use super::Dialect::{Anthropic, OpenAi, OpenAiCompatible};
    use super::*;
    use crate::authority::scope::AgentScope;
    use crate::config::Env;
    use crate::host::HostName;
    use crate::policy::{Scheme, Target};
    use crate::provider::Providers;

    fn anthropic(text: &str) -> Value {
        json!({"type": "message", "role": "assistant", "stop_reason": "end_turn", "content": [{"type": "text", "text": text}]})
    }

    fn openai(text: &str) -> Value {
        json!({"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]})
    }

    fn read(dialect: Dialect, answer: &Value) -> Option<(bool, String)> {
        let opinion = dialect.opinion(answer.to_string().as_bytes());
        opinion.map(|opinion| (opinion.allow, opinion.reason))
    }

    /// This text as each API's answer has it.
    fn read_each(text: &str) -> [Option<(bool, String)>; 3] {
        [
            read(Anthropic, &anthropic(text)),
            read(OpenAi, &openai(text)),
            read(OpenAiCompatible, &openai(text)),
        ]
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
            assert_eq!(read_each(text), [said.clone(), said.clone(), said]);
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
            assert_eq!(read_each(text), [None, None, None], "{text}");
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
            assert_eq!(read(Anthropic, &answer), None, "{pointer} {value}");
        }
        for (pointer, value) in [
            ("/choices", json!([])),
            ("/choices/0/finish_reason", json!("length")),
            ("/choices/0/message/content", Value::Null),
        ] {
            let mut answer = openai(text);
            *answer.pointer_mut(pointer).unwrap() = value.clone();
            assert_eq!(read(OpenAi, &answer), None, "{pointer} {value}");
        }
        for body in ["", "{", "[]", "{}", "allow"] {
            for dialect in [Anthropic, OpenAi, OpenAiCompatible] {
                assert_eq!(dialect.opinion(body.as_bytes()), None, "{body}");
            }
        }
    }

    #[test]
    fn an_answer_of_another_api_is_no_verdict() {
        let text = r#"{"verdict":"allow"}"#;
        assert_eq!(read(Anthropic, &openai(text)), None);
        for dialect in [OpenAi, OpenAiCompatible] {
            assert_eq!(read(dialect, &anthropic(text)), None, "{dialect:?}");
        }
    }

    #[test]
    fn each_provider_is_asked_in_its_dialect() {
        let providers = Providers::from_env(&Env::from_pairs([])).unwrap();
        let agent = AgentScope::for_test("a", "agent");
        let host = HostName::parse("a.example").unwrap();
        let target = Target::new(Scheme::Https, host, 443, Some("GET"), Some("/"));
        let question = Question {
            agent: &agent,
            policy: "Only reads.",
            target: &target,
            body: None,
        };
        for (slug, dialect, url, limit) in [
            (
                "anthropic",
                Anthropic,
                "https://api.anthropic.com/v1/messages",
                "max_tokens",
            ),
            (
                "openai",
                OpenAi,
                "https://api.openai.com/v1/chat/completions",
                "max_completion_tokens",
            ),
            (
                "mistral",
                OpenAiCompatible,
                "https://api.mistral.ai/v1/chat/completions",
                "max_tokens",
            ),
        ] {
            let provider = providers.get(slug).unwrap();
            let found = Dialect::from_provider(&provider.provider_id);
            assert_eq!((found, found.url(provider).as_str()), (dialect, url));
            let body = dialect.body("m", question);
            assert_eq!(body["model"], "m");
            let limits = ["max_tokens", "max_completion_tokens"];
            let sent = limits.into_iter().filter(|name| body.get(name).is_some());
            assert_eq!(sent.collect::<Vec<_>>(), [limit], "{slug}");
            let system = body.get("system").or(body.pointer("/messages/0/content"));
            assert!(system.unwrap().as_str().unwrap().ends_with("Only reads."));
            let versioned = !dialect.headers().is_empty();
            assert_eq!(versioned, dialect == Anthropic);
        }
    }
}
