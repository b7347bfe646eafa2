//! The pattern under which a person's decision is stored in `grants`.

use super::approval::{self, Subject, Tool};
use crate::host::HostName;
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// The column `pattern` of `grants`: what an agent is allowed or denied.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum GrantPattern {
    /// `host:{host}`: all requests to a host.
    Host(HostName),
    /// `/mcp/{server}/tools/{tool}`: calls of a tool.
    Tool(Tool),
    /// Any other text. Postern never writes one, but a row that was written by hand may have one, and it can be
    /// read and revoked like the others.
    Other(String),
}

/// The text is not a pattern. The message states the rule and never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a text without spaces and control characters")]
pub struct InvalidPattern;

impl From<Subject> for GrantPattern {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::Host(host) => Self::Host(host),
            Subject::Tool(tool) => Self::Tool(tool),
        }
    }
}

impl fmt::Display for GrantPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A host's pattern is the same text as its approval's subject.
            Self::Host(host) => write!(f, "{}{host}", approval::HOST),
            Self::Tool(tool) => write!(f, "/mcp/{}/tools/{}", tool.server(), tool.name()),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl FromStr for GrantPattern {
    type Err = InvalidPattern;

    /// Reads a pattern. Formatting it gives the same text again. The caller must limit the length.
    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        if let Some(host) = approval::host(text) {
            return Ok(Self::Host(host));
        }
        let path = text.strip_prefix("/mcp/");
        let tool = path.and_then(|path| path.split_once("/tools/"));
        if let Some((server, name)) = tool
            && let Ok(tool) = Tool::new(server, name)
        {
            return Ok(Self::Tool(tool));
        }
        let plain = text.chars().all(|c| !c.is_control() && c != ' ');
        if text.is_empty() || !plain {
            return Err(InvalidPattern);
        }
        Ok(Self::Other(text.to_owned()))
    }
}

impl TryFrom<String> for GrantPattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_host_a_tool_or_another_text_and_is_written_as_it_was_read() {
        let kind = |text: &str| match text.parse().unwrap() {
            GrantPattern::Host(_) => "host",
            GrantPattern::Tool(_) => "tool",
            GrantPattern::Other(_) => "other",
        };
        for (text, expected) in [
            ("host:a.example", "host"),
            ("host:127.0.0.1", "host"),
            ("host:[::1]", "host"),
            ("/mcp/git/tools/push", "tool"),
            ("/mcp/tools/tools/tools", "tool"),
            // Another form of a host is not the host's own: no approval is filed under it.
            ("host:A.example", "other"),
            ("host:127.1", "other"),
            ("host:a.example:443", "other"),
            ("host:", "other"),
            ("/mcp/*/tools/push", "other"),
            ("/mcp/../tools/push", "other"),
            ("/mcp/git/tools/a/b", "other"),
            ("git/push", "other"),
            ("\u{fc}nl\u{ed}sted", "other"),
        ] {
            assert_eq!(kind(text), expected, "{text}");
            let pattern: GrantPattern = text.parse().unwrap();
            assert_eq!(pattern.to_string(), text);
        }
        for bad in ["", "a b", "a\n", "\0", "host:a b"] {
            assert_eq!(bad.parse::<GrantPattern>(), Err(InvalidPattern), "{bad:?}");
        }
    }

    #[test]
    fn the_pattern_of_an_approval_is_the_one_that_the_schema_generates() {
        for (subject, pattern) in [
            ("git/push", "/mcp/git/tools/push"),
            ("tools/tools", "/mcp/tools/tools/tools"),
            ("host:a.example", "host:a.example"),
        ] {
            let subject: Subject = subject.parse().unwrap();
            assert_eq!(GrantPattern::from(subject).to_string(), pattern);
        }
    }
}
