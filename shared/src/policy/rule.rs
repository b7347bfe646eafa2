//! A rule as operators write it, and the checked rule that is made of it once.

use super::matcher::{HostPattern, Matcher, PathPrefix};
use crate::host::HostName;
use crate::id::{ChannelId, ConnectionId, ConversationId, UserId};
use serde::Deserialize;
use std::fmt;

/// Most bytes of a path prefix.
const MAX_PREFIX: usize = 1024;
/// Most characters of a policy in words.
const MAX_POLICY: usize = 4000;
/// Most methods of a rule.
const MAX_METHODS: usize = 20;

/// A rule as operators write it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRule {
    /// A host, or `*.` and a domain for every name below it.
    pub host: String,
    /// 1 to 20 methods; any method if it is absent.
    #[serde(default)]
    pub methods: Option<Vec<String>>,
    /// The beginning of the decoded path, at most 1024 bytes; any path if it is absent.
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// What happens to the request.
    pub action: WrittenAction,
    /// For `judge`: the policy in words, at most 4000 characters.
    #[serde(default)]
    pub policy: Option<String>,
    /// For `judge`: what the model is shown; `request` if it is absent.
    #[serde(default)]
    pub judge_sees: Option<JudgeInput>,
    /// For `ask`: who is asked.
    #[serde(default)]
    pub ask: Option<Approver>,
}

/// An action without its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WrittenAction {
    /// The request may be sent.
    Allow,
    /// It may not be sent.
    Deny,
    /// A model decides.
    Judge,
    /// A person decides.
    Ask,
}

/// What a judge is shown of a request. A verdict is reused for requests that are the same in this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeInput {
    /// Method, host, port, path and query.
    #[default]
    Request,
    /// The same, and the whole body.
    Body,
}

/// A rule by which a model decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgeRule {
    /// The policy, in the operator's words.
    pub policy: String,
    /// What the model is shown of the request.
    pub input: JudgeInput,
}

/// Who is asked, and where in chat.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    /// The connection to the chat platform.
    pub connection_id: ConnectionId,
    /// The person, as the platform names users.
    pub user_id: UserId,
    /// The channel that the card is posted to.
    pub channel_id: ChannelId,
    /// The thread in that channel.
    #[serde(default)]
    pub conversation_id: Option<ConversationId>,
}

/// Why a rule is invalid: which field, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRule {
    /// The field's name.
    pub field: &'static str,
    /// What the field must be.
    pub rule: String,
}

impl InvalidRule {
    fn new(field: &'static str, rule: impl fmt::Display) -> Self {
        Self {
            field,
            rule: rule.to_string(),
        }
    }
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It may be sent.
    Allow,
    /// It may not be sent.
    Deny,
    /// A model decides.
    Judge(JudgeRule),
    /// A person decides.
    Ask(Approver),
}

impl Action {
    /// The action as operators write it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Judge(_) => "judge",
            Self::Ask(_) => "ask",
        }
    }
}

/// A rule that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// Which requests it is for.
    pub matches: Matcher,
    /// What happens to them.
    pub action: Action,
}

impl Rule {
    /// Checks each field of a rule.
    ///
    /// # Errors
    /// The first field that is invalid.
    pub(super) fn check(written: WrittenRule) -> Result<Self, InvalidRule> {
        let path = written.path_prefix.as_deref().map(path_prefix);
        Ok(Self {
            matches: Matcher {
                // `/` matches every path, so it is no restriction.
                path: path.transpose()?.flatten(),
                host: host(&written.host)?,
                methods: written.methods.as_deref().map(methods).transpose()?,
            },
            action: action(written)?,
        })
    }
}

fn host(written: &str) -> Result<HostPattern, InvalidRule> {
    let invalid = |rule| InvalidRule::new("host", rule);
    match written.strip_prefix("*.") {
        None => HostName::parse(written)
            .map(HostPattern::Exactly)
            .map_err(invalid),
        Some(domain) => match HostName::parse(domain).map_err(invalid)? {
            domain if domain.is_name() => Ok(HostPattern::Below(domain)),
            _ => Err(InvalidRule::new(
                "host",
                "`*.` must stand before a domain name",
            )),
        },
    }
}

fn methods(written: &[String]) -> Result<Vec<String>, InvalidRule> {
    let token = |method: &String| method.parse::<http::Method>().is_ok();
    if written.is_empty() || written.len() > MAX_METHODS || !written.iter().all(token) {
        return Err(InvalidRule::new(
            "methods",
            format_args!("must be 1 to {MAX_METHODS} methods of HTTP"),
        ));
    }
    let mut methods: Vec<String> = written.iter().map(|own| own.to_ascii_uppercase()).collect();
    methods.sort();
    methods.dedup();
    Ok(methods)
}

/// `None` is any path.
fn path_prefix(written: &str) -> Result<Option<PathPrefix>, InvalidRule> {
    let invalid = |rule: &str| Err(InvalidRule::new("path_prefix", rule));
    if !written.starts_with('/') || written.len() > MAX_PREFIX {
        return invalid("must begin with / and be at most 1024 bytes");
    }
    let trimmed = written.trim_end_matches('/');
    let odd = |c: char| c.is_control() || c.is_whitespace() || "?#%\\;*".contains(c);
    let dots = |segment: &str| matches!(segment, "" | "." | "..");
    if written.contains(odd) || trimmed.split('/').skip(1).any(dots) {
        return invalid(
            "must be written decoded, without empty or dot segments, query, spaces or any of ? # % \\ ; *",
        );
    }
    Ok((!trimmed.is_empty()).then(|| PathPrefix::new(trimmed)))
}

fn action(written: WrittenRule) -> Result<Action, InvalidRule> {
    use WrittenAction::{Allow, Ask, Deny, Judge};
    if written.judge_sees.is_some() && written.action != Judge {
        return Err(InvalidRule::new(
            "judge_sees",
            "must be absent where the action is not `judge`",
        ));
    }
    let input = written.judge_sees.unwrap_or_default();
    match (written.action, written.policy, written.ask) {
        (Allow, None, None) => Ok(Action::Allow),
        (Deny, None, None) => Ok(Action::Deny),
        (Judge, Some(text), None) => {
            policy(text).map(|policy| Action::Judge(JudgeRule { policy, input }))
        }
        (Ask, None, Some(ask)) => Ok(Action::Ask(ask)),
        (Judge, None, _) => Err(InvalidRule::new(
            "policy",
            "is required where the action is `judge`",
        )),
        (Ask, _, None) => Err(InvalidRule::new(
            "ask",
            "is required where the action is `ask`",
        )),
        (Allow | Deny | Ask, Some(_), _) => Err(InvalidRule::new(
            "policy",
            "must be absent where the action is not `judge`",
        )),
        (Allow | Deny | Judge, _, Some(_)) => Err(InvalidRule::new(
            "ask",
            "must be absent where the action is not `ask`",
        )),
    }
}

fn policy(text: String) -> Result<String, InvalidRule> {
    let shown = !text.trim().is_empty() && !text.contains('\0');
    if shown && text.chars().count() <= MAX_POLICY {
        return Ok(text);
    }
    Err(InvalidRule::new(
        "policy",
        format_args!("must be 1 to {MAX_POLICY} characters"),
    ))
}
