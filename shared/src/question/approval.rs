//! Approvals: a tool or a host, the arguments, and the digest of both.

use crate::host::HostName;
use aws_lc_rs::digest::{SHA256, digest as hash};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;
use std::str::FromStr;

/// The four decisions, in the order of their buttons. SQL in the store uses the same names.
const OPTIONS: [&str; 4] = ["1h", "24h", "always", "deny"];

/// The prefix of the ids of approvals that a policy requires. Agents may not use it for their own ids.
pub const OWN_IDS: &str = "egress.";

/// The prefix of an approval's subject that is a host. A tool's name never contains a colon.
pub(super) const HOST: &str = "host:";

/// The four decisions, as the options of an approval.
pub fn options() -> Vec<String> {
    OPTIONS.map(str::to_owned).into()
}

/// What a person is asked to approve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// What the decision covers.
    #[serde(rename = "tool")]
    pub subject: Subject,
    /// The arguments that the card shows: any JSON, or an empty object if the agent sent none.
    #[serde(default = "no_arguments")]
    pub args: Value,
}

/// The arguments of an approval without arguments: an empty object.
pub fn no_arguments() -> Value {
    Value::Object(Map::new())
}

impl Approval {
    /// SHA-256, in lowercase hexadecimal, of the canonical JSON (RFC 8785) of `{tool, args}`. The answer contains
    /// it, so that it is valid only for what was shown.
    pub fn digest(&self) -> String {
        let shown = json!({"tool": self.subject, "args": self.args});
        let canonical = serde_json_canonicalizer::to_vec(&shown)
            .expect("only numbers that are not finite have no canonical form, and JSON has none");
        crate::digest::to_hex(hash(&SHA256, &canonical).as_ref())
    }
}

/// The subject of an approval: `{server}/{tool}` if an agent asks, `host:{host}` if a policy does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Subject {
    /// A call of a tool.
    Tool(Tool),
    /// All requests to a host.
    Host(HostName),
}

/// The text is neither a tool nor a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {{server}}/{{tool}} or host:{{host}}")]
pub struct InvalidSubject;

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(tool) => tool.fmt(f),
            Self::Host(host) => write!(f, "{HOST}{host}"),
        }
    }
}

impl FromStr for Subject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        match host(text) {
            Some(host) => Ok(Self::Host(host)),
            None => text.parse().map(Self::Tool).map_err(|_| InvalidSubject),
        }
    }
}

impl TryFrom<String> for Subject {
    type Error = InvalidSubject;

    fn try_from(text: String) -> Result<Self, InvalidSubject> {
        text.parse()
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

/// The host of `host:{host}`; `None` unless the host is in its normal form, so that no two texts mean the same
/// decision.
pub(super) fn host(text: &str) -> Option<HostName> {
    let written = text.strip_prefix(HOST)?;
    let host = HostName::parse(written).ok()?;
    (host.as_str() == written).then_some(host)
}

/// A tool, `{server}/{tool}`. Only plain characters are allowed, so that no name can act as a wildcard or a path
/// in a grant's pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    server: String,
    name: String,
}

/// The text is not the name of a tool. The message states the rule and never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be {{server}}/{{tool}}: 1 to 64 and 1 to 128 of A-Z a-z 0-9 _ . -, neither part . or .."
)]
pub struct InvalidTool;

impl Tool {
    /// The tool of this name at this server.
    ///
    /// # Errors
    /// `server` or `name` breaks the rule that `InvalidTool` states.
    pub fn new(server: &str, name: &str) -> Result<Self, InvalidTool> {
        let part = |part: &str, longest: usize| {
            (1..=longest).contains(&part.len())
                && !matches!(part, "." | "..")
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        };
        if !part(server, 64) || !part(name, 128) {
            return Err(InvalidTool);
        }
        let (server, name) = (server.to_owned(), name.to_owned());
        Ok(Self { server, name })
    }

    /// The server that offers the tool.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The tool's name at that server.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server, self.name)
    }
}

impl FromStr for Tool {
    type Err = InvalidTool;

    fn from_str(text: &str) -> Result<Self, InvalidTool> {
        let (server, name) = text.split_once('/').ok_or(InvalidTool)?;
        Self::new(server, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(subject: &str, args: Value) -> String {
        let subject = subject.parse().unwrap();
        Approval { subject, args }.digest()
    }

    #[test]
    fn a_tool_is_a_server_and_a_name_without_wildcards() {
        let longest = format!("{}/{}", "s".repeat(64), "t".repeat(128));
        for good in [
            "github/create_issue",
            "a/b",
            "A-1._/x.y",
            "..a/...",
            &longest,
        ] {
            let tool: Result<Tool, _> = good.parse();
            assert_eq!(tool.map(|tool| tool.to_string()).as_deref(), Ok(good));
        }
        let long = format!("{}/t", "s".repeat(65));
        for bad in [
            "", "a", "/", "a/", "/b", "a/*", "*/b", "a/b/c", "a b/c", "a/b\n", "\u{e9}/b", &long,
            "../b", "./b", "a/..", "a/.",
        ] {
            assert_eq!(bad.parse::<Tool>(), Err(InvalidTool), "{bad}");
            assert_eq!(bad.parse::<Subject>(), Err(InvalidSubject), "{bad}");
        }
    }

    #[test]
    fn a_subject_is_a_tool_or_a_host_in_its_one_form() {
        for good in ["git/push", "host:a.example", "host:127.0.0.1", "host:[::1]"] {
            let subject: Subject = good.parse().unwrap();
            assert_eq!(subject.to_string(), good);
            assert_eq!(
                matches!(subject, Subject::Host(_)),
                good.starts_with("host:")
            );
        }
        for bad in [
            "host:",
            "host:A.example",
            "host:a.example.",
            "host:*",
            "host:a/b",
        ] {
            assert_eq!(bad.parse::<Subject>(), Err(InvalidSubject), "{bad}");
        }
    }

    #[test]
    fn the_digest_is_of_the_canonical_form() {
        // echo -n '{"args":{"a":[1,true,null],"b":"\u20ac"},"tool":"git/push"}' | sha256sum, the sign itself
        // written as UTF-8.
        let args = json!({"b": "\u{20ac}", "a": [1.0, true, null]});
        assert_eq!(
            digest("git/push", args.clone()),
            "e666bea761a596d792e613a4254c8f28d03bf74b224c62b07ce9b07da8f88501"
        );
        assert_ne!(
            digest("git/push", json!({"b": "\u{20ac}"})),
            digest("git/push", args.clone())
        );
        assert_ne!(digest("host:git", args.clone()), digest("git/push", args));
    }
}
