//! What an approval is about: a tool's name, its arguments, and what of both was approved.

use aws_lc_rs::digest::{SHA256, digest as hash};
use serde_json::{Value, json};

/// The four decisions, in the order of their buttons. The store knows them by the same names.
const OPTIONS: [&str; 4] = ["1h", "24h", "always", "deny"];

/// What the ids of approvals that a policy asks for begin with. No agent's own begins so.
pub const OWN_IDS: &str = "egress.";

pub fn options() -> Vec<String> {
    OPTIONS.map(str::to_owned).into()
}

/// Whether this is `{server}/{tool}`, so that no name can become a wildcard or a path in a grant's
/// pattern.
pub fn is_tool(name: &str) -> bool {
    let part = |part: &str, longest: usize| {
        (1..=longest).contains(&part.len())
            && !matches!(part, "." | "..")
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
    };
    name.split_once('/')
        .is_some_and(|(server, tool)| part(server, 64) && part(tool, 128))
}

/// Lowercase hexadecimal SHA-256 of the canonical JSON (RFC 8785) of `{tool, args}`.
pub fn digest(tool: &str, args: &Value) -> String {
    let shown = json!({"tool": tool, "args": args});
    // Only a map with other than text for keys cannot be written, and JSON has none.
    let canonical = serde_json_canonicalizer::to_vec(&shown).unwrap_or_default();
    crate::digest::to_hex(hash(&SHA256, &canonical).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(is_tool(good), "{good}");
        }
        let long = format!("{}/t", "s".repeat(65));
        for bad in [
            "", "a", "/", "a/", "/b", "a/*", "*/b", "a/b/c", "a b/c", "a/b\n", "\u{e9}/b", &long,
            "../b", "./b", "a/..", "a/.",
        ] {
            assert!(!is_tool(bad), "{bad}");
        }
    }

    #[test]
    fn the_digest_is_of_the_canonical_form() {
        // echo -n '{"args":{"a":[1,true,null],"b":"\u20ac"},"tool":"git/push"}' | sha256sum, the sign itself
        // written as UTF-8.
        let args = json!({"b": "\u{20ac}", "a": [1.0, true, null]});
        assert_eq!(
            digest("git/push", &args),
            "e666bea761a596d792e613a4254c8f28d03bf74b224c62b07ce9b07da8f88501"
        );
        assert_ne!(
            digest("git/push", &json!({"b": "\u{20ac}"})),
            digest("git/push", &args)
        );
    }
}
