//! A rule as it is written, and as it is checked once.

use crate::host::HostName;
use crate::id::{ChannelId, ConnectionId, ConversationId, UserId};
use serde::Deserialize;
use std::fmt;

const MAX_PREFIX: usize = 1024;
const MAX_POLICY: usize = 4000;
const MAX_METHODS: usize = 20;

/// A rule as operators write it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenRule {
    pub host: String,
    #[serde(default)]
    pub methods: Option<Vec<String>>,
    #[serde(default)]
    pub path_prefix: Option<String>,
    pub action: WrittenAction,
    #[serde(default)]
    pub policy: Option<String>,
    #[serde(default)]
    pub judge_sees: Option<Sees>,
    #[serde(default)]
    pub ask: Option<Approver>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenAction {
    Allow,
    Deny,
    Judge,
    Ask,
}

/// What of a request a judge is shown. A verdict is reused for requests that are the same in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sees {
    /// Method, host, port, path and query.
    #[default]
    Request,
    /// And the whole body.
    Body,
}

/// How a model decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The operator's words.
    pub policy: String,
    pub sees: Sees,
}

/// Who is asked, and where.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    pub connection_id: ConnectionId,
    pub user_id: UserId,
    pub channel_id: ChannelId,
    #[serde(default)]
    pub conversation_id: Option<ConversationId>,
}

/// Why a rule is none: its field, and what the field must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRule {
    pub field: &'static str,
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

/// Which hosts a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostRule {
    Exactly(HostName),
    /// Every name below this one, and not itself.
    Below(HostName),
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Allow,
    Deny,
    /// A model decides.
    Judge(Judged),
    /// A person decides.
    Ask(Approver),
}

/// A rule that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub host: HostRule,
    /// In upper case, sorted; any where there is none.
    pub methods: Option<Vec<String>>,
    /// Without the slash at its end; any path where there is none.
    pub path: Option<Prefix>,
    pub action: Action,
}

/// The beginning of a path, on a boundary between segments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Prefix {
    pub exact: Box<str>,
    pub lower: Box<str>,
}

impl Rule {
    /// # Errors
    /// The first field that is out of its bounds.
    pub fn check(written: WrittenRule) -> Result<Self, InvalidRule> {
        let path = written.path_prefix.as_deref().map(prefix).transpose()?;
        Ok(Self {
            host: host(&written.host)?,
            methods: written.methods.as_deref().map(methods).transpose()?,
            // What every path begins with is none.
            path: path.filter(|prefix| !prefix.exact.is_empty()),
            action: action(written)?,
        })
    }
}

fn host(written: &str) -> Result<HostRule, InvalidRule> {
    let invalid = |rule| InvalidRule::new("host", rule);
    match written.strip_prefix("*.") {
        None => HostName::parse(written)
            .map(HostRule::Exactly)
            .map_err(invalid),
        Some(domain) => match HostName::parse(domain).map_err(invalid)? {
            domain if domain.is_name() => Ok(HostRule::Below(domain)),
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

fn prefix(written: &str) -> Result<Prefix, InvalidRule> {
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
    Ok(Prefix {
        exact: trimmed.into(),
        lower: trimmed.to_lowercase().into(),
    })
}

fn action(written: WrittenRule) -> Result<Action, InvalidRule> {
    use WrittenAction::{Allow, Ask, Deny, Judge};
    if written.judge_sees.is_some() && written.action != Judge {
        return Err(InvalidRule::new(
            "judge_sees",
            "must be absent where the action is not `judge`",
        ));
    }
    let sees = written.judge_sees.unwrap_or_default();
    match (written.action, written.policy, written.ask) {
        (Allow, None, None) => Ok(Action::Allow),
        (Deny, None, None) => Ok(Action::Deny),
        (Judge, Some(text), None) => {
            policy(text).map(|policy| Action::Judge(Judged { policy, sees }))
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
