//! Addresses to which outcomes are posted. The agent's egress policy must allow them, so that a callback cannot
//! be used to get round the policy.

use crate::policy::{Action, DecidedBy, Mode, Policies, Target};
use crate::wire::AllowedPrivate;
use http::Uri;

/// Maximum length of an address, in bytes.
const MAX_URL: usize = 2048;

/// An address from an agent, in the form that upstreams' addresses have. It has not been checked against the
/// policies, so nothing may be sent to it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackAddress {
    text: String,
    uri: Uri,
}

/// An address to which the agent's policies allow a POST. It can only be made by that check:
/// ```compile_fail
/// let uri: http::Uri = "https://evil.example/".parse().unwrap();
/// let forged = postern::question::CallbackUrl(uri);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackUrl(CallbackAddress);

impl CallbackAddress {
    /// Reads an address. The IP addresses of its host are checked when it is called. `allowed` lists the private
    /// addresses that it may name.
    ///
    /// # Errors
    /// The rule that the address breaks.
    pub fn parse(url: &str, allowed: &AllowedPrivate) -> Result<Self, &'static str> {
        if url.len() > MAX_URL {
            return Err("must be at most 2048 characters");
        }
        let uri: Uri = url.parse().map_err(|_| "must be a URL")?;
        let plain = uri
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'));
        if !plain || url.contains('#') {
            return Err("must be a URL without user or fragment");
        }
        allowed
            .permit(&uri)
            .map_err(|_| "must be a public https address")?;
        let text = url.to_owned();
        Ok(Self { text, uri })
    }

    /// The address, if the enforced policies allow a POST to it. A rule that would ask the judge or a person
    /// counts as a denial.
    ///
    /// # Errors
    /// What denied it.
    pub fn permitted(self, policies: &Policies) -> Result<CallbackUrl, DecidedBy> {
        let Some(target) = Target::from_uri(&self.uri, "POST") else {
            return Err(DecidedBy::NoRule);
        };
        let ruling = policies.ruling(&target, Mode::Enforced);
        match ruling.action {
            Action::Allow => Ok(CallbackUrl(self)),
            Action::Deny | Action::Judge(_) | Action::Ask(_) => Err(ruling.by),
        }
    }
}

impl CallbackUrl {
    /// The address as the agent wrote it.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The address to call.
    pub fn uri(&self) -> &Uri {
        &self.0.uri
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Owner, PolicyRow};
    use serde_json::json;

    fn permitted(rules: Option<serde_json::Value>, observe: bool) -> bool {
        let row = rules.map(|rules| PolicyRow {
            owner: Owner::Organization,
            observe,
            hash: [0; 32],
            rules: Some(rules),
        });
        let policies = Policies::resolve(row.into_iter().collect(), &[]);
        let url = "https://agents.example.com/answers?of=1";
        let address = CallbackAddress::parse(url, &AllowedPrivate::default()).unwrap();
        address
            .permitted(&policies)
            .is_ok_and(|url| url.as_str() == "https://agents.example.com/answers?of=1")
    }

    #[test]
    fn where_a_policy_is_enforced_a_rule_must_allow_the_post() {
        let rule = |action: &str| json!([{"host": "agents.example.com", "action": action}]);
        assert!(permitted(None, false));
        assert!(permitted(Some(rule("allow")), false));
        assert!(permitted(Some(rule("deny")), true));
        for rules in [
            json!([]),
            rule("deny"),
            json!([{"host": "agents.example.com", "action": "judge", "policy": "All is well."}]),
            json!([{"host": "agents.example.com", "action": "ask",
                "ask": {"connection_id": "c", "user_id": "u", "channel_id": "x"}}]),
            json!([{"host": "agents.example.com", "methods": ["GET"], "action": "allow"}]),
            json!([{"host": "agents.example.com", "path_prefix": "/other", "action": "allow"}]),
        ] {
            assert!(!permitted(Some(rules.clone()), false), "{rules}");
        }
    }
}
