//! Egress policies: where an organization's agents may spend its secrets. What rules decide is pure;
//! what they leave to a model or to a person is `gate`'s.

mod rule;
mod ruleset;
mod target;

pub use rule::{Action, Asked, HostRule, InvalidRule, Prefix, Rule, WrittenRule};
pub use ruleset::{InvalidRules, MOST_RULES, RuleSet, RulesHash};
pub use target::{HostName, InvalidHost, Scheme, Target};

use serde_json::Value;
use std::{fmt, sync::Arc};
use time::OffsetDateTime;

/// A policy as the database holds it. Its rules are left out where the asker has shown that it knows them.
#[derive(Debug, Clone)]
pub struct PolicyRow {
    pub owner: Owner,
    pub observe: bool,
    pub hash: RulesHash,
    pub rules: Option<Value>,
}

/// How a pattern stands for an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Until then; without end where there is none.
    Allowed(Option<OffsetDateTime>),
    Denied,
    /// Nobody has decided, or the grant is over.
    None,
}

/// That a request's egress was decided, and is allowed. Only `gate` finds so.
#[derive(Debug)]
pub struct Passed(pub(crate) ());

/// Whose policy it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    Agent,
    Organization,
}

impl Owner {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Organization => "organization",
        }
    }
}

/// The policies that an agent is under, its own before its organization's.
#[derive(Debug, Default)]
pub struct Policies(Vec<Policy>);

#[derive(Debug)]
struct Policy {
    owner: Owner,
    observe: bool,
    /// None where its rules cannot be read: such a policy denies.
    rules: Option<Arc<RuleSet>>,
}

/// What the rules say of a request, and which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling<'a> {
    pub ruled: Ruled<'a>,
    pub by: By,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruled<'a> {
    Allow,
    Deny,
    Judge(&'a str),
    Ask(&'a Asked),
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// There is no policy.
    NoPolicy,
    Rule(Owner, usize),
    /// No rule is for the request.
    NoRule,
    /// Servers may read the request in different ways, of which the rules say different things.
    Ambiguous,
    /// The rules cannot be read.
    Unreadable(Owner),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPolicy => f.write_str("no policy is set"),
            Self::Rule(owner, index) => write!(f, "rule {index} of the {}'s policy", owner.as_str()),
            Self::NoRule => f.write_str("no rule of the policy is for this request"),
            Self::Ambiguous => f.write_str(
                "servers may read this request in more than one way, and the policy decides them differently",
            ),
            Self::Unreadable(owner) => {
                write!(f, "the {}'s policy cannot be read; write it again", owner.as_str())
            }
        }
    }
}

/// Whose rules count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Those that are enforced.
    Enforced,
    /// All, as if those that only observe were enforced.
    Observed,
}

impl Policies {
    /// The policies of these rows, with the rule sets that the asker knew where a row leaves them out.
    pub fn resolve(mut rows: Vec<PolicyRow>, known: &[Arc<RuleSet>]) -> Self {
        rows.sort_by_key(|row| row.owner);
        let policy = |row: PolicyRow| {
            let rules = match &row.rules {
                None => known
                    .iter()
                    .find(|set| *set.hash() == row.hash)
                    .map(Arc::clone),
                Some(rules) => match RuleSet::parse(row.hash, rules) {
                    Ok(set) => Some(Arc::new(set)),
                    Err(error) => {
                        tracing::error!(event = "policy_unreadable", owner = row.owner.as_str(), cause = %error);
                        None
                    }
                },
            };
            Policy {
                owner: row.owner,
                observe: row.observe,
                rules,
            }
        };
        Self(rows.into_iter().map(policy).collect())
    }

    /// What is known of them from now on.
    pub fn known(&self) -> Vec<Arc<RuleSet>> {
        let sets = self.0.iter().filter_map(|policy| policy.rules.as_ref());
        sets.map(Arc::clone).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them only observes.
    pub fn observes(&self) -> bool {
        self.0.iter().any(|policy| policy.observe)
    }

    /// The rule that decides, if one does.
    pub fn rule(&self, by: By) -> Option<&Rule> {
        let By::Rule(owner, index) = by else {
            return None;
        };
        let policy = self.0.iter().find(|policy| policy.owner == owner)?;
        policy.rules.as_ref()?.rule(index)
    }

    /// What the rules say: the first that is for the request decides, in every way in which it may be
    /// read; where these differ, and where no rule is for it, it is denied.
    pub fn ruling<'a>(&'a self, target: &Target, mode: Mode) -> Ruling<'a> {
        let counts = |policy: &&Policy| mode == Mode::Observed || !policy.observe;
        if !self.0.iter().any(|policy| counts(&policy)) {
            return Ruling {
                ruled: Ruled::Allow,
                by: By::NoPolicy,
            };
        }
        let mut first: Option<Ruling<'a>> = None;
        let mut differ = false;
        for reading in target.readings() {
            let mut found = |ruled: Ruled<'a>, by: By| match &first {
                None => first = Some(Ruling { ruled, by }),
                Some(first) => differ |= first.ruled != ruled,
            };
            let mut decided = false;
            for policy in self.0.iter().filter(counts) {
                let Some(rules) = &policy.rules else {
                    found(Ruled::Deny, By::Unreadable(policy.owner));
                    decided = true;
                    break;
                };
                decided = rules.deciding(target, reading, |index, action| {
                    found(Ruled::of(action), By::Rule(policy.owner, index));
                });
                if decided {
                    break;
                }
            }
            if !decided {
                found(Ruled::Deny, By::NoRule);
            }
        }
        match first {
            Some(ruling) if !differ => ruling,
            Some(_) | None => Ruling {
                ruled: Ruled::Deny,
                by: By::Ambiguous,
            },
        }
    }
}

impl<'a> Ruled<'a> {
    fn of(action: &'a Action) -> Self {
        match action {
            Action::Allow => Self::Allow,
            Action::Deny => Self::Deny,
            Action::Judge(policy) => Self::Judge(policy),
            Action::Ask(asked) => Self::Ask(asked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policies(own: Option<Value>, organization: Option<Value>) -> Policies {
        let row = |owner, rules: Value| PolicyRow {
            owner,
            observe: false,
            hash: [0; 32],
            rules: Some(rules),
        };
        let own = own.map(|rules| row(Owner::Agent, rules));
        let organization = organization.map(|rules| row(Owner::Organization, rules));
        Policies::resolve(organization.into_iter().chain(own).collect(), &[])
    }

    fn target(host: &str, method: &str, path: &str) -> Target {
        let host = HostName::parse(host).unwrap();
        Target::new(Scheme::Https, host, 443, Some(method), Some(path))
    }

    /// `allow`, `deny` and so on, of the organization's rules.
    fn says(rules: &Value, target: &Target) -> &'static str {
        match policies(None, Some(rules.clone()))
            .ruling(target, Mode::Enforced)
            .ruled
        {
            Ruled::Allow => "allow",
            Ruled::Deny => "deny",
            Ruled::Judge(_) => "judge",
            Ruled::Ask(_) => "ask",
        }
    }

    #[test]
    fn the_first_rule_that_is_for_the_request_decides() {
        let rules = json!([
            {"host": "api.example.com", "path_prefix": "/v1/admin", "action": "deny"},
            {"host": "api.example.com", "methods": ["get", "HEAD"], "action": "allow"},
            {"host": "*.example.com", "action": "judge", "policy": "be careful"},
        ]);
        for (host, method, path, said) in [
            ("api.example.com", "GET", "/v1/x", "allow"),
            ("API.EXAMPLE.COM.", "GET", "/v1/x", "allow"),
            ("api.example.com", "GET", "/v1/admin", "deny"),
            ("api.example.com", "GET", "/v1/admin/x", "deny"),
            ("api.example.com", "GET", "/v1/administrators", "allow"),
            ("api.example.com", "POST", "/v1/x", "judge"),
            ("a.b.example.com", "GET", "/", "judge"),
            ("example.com", "GET", "/", "deny"),
            ("api.example.com.evil.test", "GET", "/", "deny"),
            ("notexample.com", "GET", "/", "deny"),
            ("127.0.0.1", "GET", "/", "deny"),
        ] {
            assert_eq!(
                says(&rules, &target(host, method, path)),
                said,
                "{method} {host}{path}"
            );
        }
    }

    #[test]
    fn no_way_of_writing_a_path_goes_round_a_denial() {
        let rules = json!([
            {"host": "h.example", "path_prefix": "/v1/admin", "action": "deny"},
            {"host": "h.example", "action": "allow"},
        ]);
        for path in [
            "/v1/admin",
            "/v1/%61dmin",
            "/v1/%2561dmin",
            "/v1/ADMIN",
            "/v1//admin",
            "/v1/./admin",
            "/v1/x/../admin",
            "/v1/x/%2e%2e/admin",
            "/v1/%2e/admin",
            "/v1%2fadmin",
            "/v1%5cadmin",
            "/v1\\admin",
            "/v1;x/admin",
            "/v1/admin;x=1/y",
            "/v1/admin%2f..%2fadmin",
            "/./v1/admin/",
            "//v1/admin",
            "/v1/admin/../admin",
            "/V1/admin",
            "/v1/%41dmin",
            "/v1/x%2f..%2fadmin",
            "/../v1/admin",
        ] {
            assert_eq!(
                says(&rules, &target("h.example", "GET", path)),
                "deny",
                "{path}"
            );
        }
        for path in [
            "/v1/chat",
            "/v1/adminx",
            "/v1/a/admin",
            "/repos/a%2Fb",
            "/v1/chat;x",
            "/",
            "",
        ] {
            assert_eq!(
                says(&rules, &target("h.example", "GET", path)),
                "allow",
                "{path}"
            );
        }
    }

    #[test]
    fn no_way_of_writing_a_path_goes_round_an_allowance() {
        let rules = json!([{"host": "h.example", "path_prefix": "/v1/chat/", "action": "allow"}]);
        for path in [
            "/v1/chat",
            "/v1/chat/",
            "/v1/chat/x",
            "/v1/ch%61t/x",
            "/v1/chat//x",
            "/v1/chat/a/../b",
        ] {
            assert_eq!(
                says(&rules, &target("h.example", "GET", path)),
                "allow",
                "{path}"
            );
        }
        for path in [
            "/v1/chat/../files",
            "/v1/chat/%2e%2e/files",
            "/v1/chat%2f..%2f..%2ffiles",
            "/v1/Chat",
            "/v1/chatter",
            "/v1/x/../chat",
            "/v1/chat/..;/x",
        ] {
            assert_eq!(
                says(&rules, &target("h.example", "GET", path)),
                "deny",
                "{path}"
            );
        }
    }

    #[test]
    fn a_method_that_a_header_names_is_one_more_way_to_read_it() {
        let rules = json!([
            {"host": "h.example", "methods": ["DELETE"], "action": "deny"},
            {"host": "h.example", "action": "allow"},
        ]);
        let post = || target("h.example", "POST", "/x");
        assert_eq!(says(&rules, &post()), "allow");
        assert_eq!(says(&rules, &post().or_method(" delete ")), "deny");
        assert_eq!(says(&rules, &post().or_method("PATCH")), "allow");
        assert_eq!(says(&rules, &target("h.example", "delete", "/x")), "deny");
    }

    #[test]
    fn what_a_tunnel_hides_must_not_matter() {
        let tunnel = |host: &str| {
            let host = HostName::parse(host).unwrap();
            Target::new(Scheme::Https, host, 443, None, None)
        };
        let rules = json!([
            {"host": "mixed.example", "path_prefix": "/admin", "action": "deny"},
            {"host": "mixed.example", "action": "allow"},
            {"host": "part.example", "methods": ["GET"], "action": "allow"},
            {"host": "same.example", "methods": ["GET"], "action": "allow"},
            {"host": "same.example", "action": "allow"},
        ]);
        for (host, said) in [
            ("mixed.example", "deny"),
            ("part.example", "deny"),
            ("same.example", "allow"),
            ("other.example", "deny"),
        ] {
            assert_eq!(says(&rules, &tunnel(host)), said, "{host}");
        }
    }

    #[test]
    fn the_agents_own_policy_comes_before_the_organizations() {
        let own = json!([{"host": "a.example", "action": "deny"}]);
        let organization = json!([{"host": "a.example", "action": "allow"}, {"host": "b.example", "action": "allow"}]);
        let both = policies(Some(own), Some(organization));
        let ruling = |host| both.ruling(&target(host, "GET", "/"), Mode::Enforced);
        assert_eq!(
            (ruling("a.example").ruled, ruling("a.example").by),
            (Ruled::Deny, By::Rule(Owner::Agent, 0))
        );
        assert_eq!(
            (ruling("b.example").ruled, ruling("b.example").by),
            (Ruled::Allow, By::Rule(Owner::Organization, 1))
        );
        assert_eq!(
            (ruling("c.example").ruled, ruling("c.example").by),
            (Ruled::Deny, By::NoRule)
        );
        let none = Policies::default();
        assert_eq!(
            none.ruling(&target("c.example", "GET", "/"), Mode::Enforced)
                .by,
            By::NoPolicy
        );
    }

    #[test]
    fn a_policy_that_only_observes_decides_nothing() {
        let mut both = policies(Some(json!([{"host": "a.example", "action": "deny"}])), None);
        both.0[0].observe = true;
        let ruled = |mode| both.ruling(&target("a.example", "GET", "/"), mode).ruled;
        assert_eq!(
            (ruled(Mode::Enforced), ruled(Mode::Observed)),
            (Ruled::Allow, Ruled::Deny)
        );
    }

    #[test]
    fn a_policy_that_cannot_be_read_denies() {
        for rules in [
            json!({}),
            json!([{"host": "a.example"}]),
            json!([1]),
            json!("x"),
            Value::Null,
        ] {
            let broken = policies(
                Some(rules.clone()),
                Some(json!([{"host": "a.example", "action": "allow"}])),
            );
            let ruling = broken.ruling(&target("a.example", "GET", "/"), Mode::Enforced);
            assert_eq!(
                (ruling.ruled, ruling.by),
                (Ruled::Deny, By::Unreadable(Owner::Agent)),
                "{rules}"
            );
        }
        let unknown = PolicyRow {
            owner: Owner::Agent,
            observe: false,
            hash: [1; 32],
            rules: None,
        };
        let unknown = Policies::resolve(vec![unknown], &[]);
        assert_eq!(
            unknown
                .ruling(&target("a.example", "GET", "/"), Mode::Enforced)
                .ruled,
            Ruled::Deny
        );
    }

    #[test]
    fn rules_that_are_none_are_named() {
        let ask = json!({"connection_id": "c", "user_id": "u", "channel_id": "ch"});
        for (rules, named) in [
            (json!({}), "a list"),
            (
                json!(vec![json!({"host": "a.example", "action": "deny"}); 1001]),
                "1000",
            ),
            (json!([{"action": "deny"}]), "host"),
            (
                json!([{"host": "a.example", "action": "perhaps"}]),
                "perhaps",
            ),
            (
                json!([{"host": "a.example", "action": "deny", "extra": 1}]),
                "extra",
            ),
            (json!([{"host": "*", "action": "deny"}]), "host"),
            (json!([{"host": "*.", "action": "deny"}]), "host"),
            (json!([{"host": "*.10.0.0.1", "action": "deny"}]), "host"),
            (json!([{"host": "a.*.example", "action": "deny"}]), "host"),
            (json!([{"host": "a.example:443", "action": "deny"}]), "host"),
            (
                json!([{"host": "https://a.example", "action": "deny"}]),
                "host",
            ),
            (
                json!([{"host": "a.example", "methods": [], "action": "deny"}]),
                "methods",
            ),
            (
                json!([{"host": "a.example", "methods": ["G T"], "action": "deny"}]),
                "methods",
            ),
            (
                json!([{"host": "a.example", "path_prefix": "v1", "action": "deny"}]),
                "path_prefix",
            ),
            (
                json!([{"host": "a.example", "path_prefix": "/v1/%61", "action": "deny"}]),
                "path_prefix",
            ),
            (
                json!([{"host": "a.example", "path_prefix": "/v1/../x", "action": "deny"}]),
                "path_prefix",
            ),
            (
                json!([{"host": "a.example", "path_prefix": "/v1//x", "action": "deny"}]),
                "path_prefix",
            ),
            (json!([{"host": "a.example", "action": "judge"}]), "policy"),
            (
                json!([{"host": "a.example", "action": "judge", "policy": " "}]),
                "policy",
            ),
            (
                json!([{"host": "a.example", "action": "judge", "policy": "x".repeat(4001)}]),
                "policy",
            ),
            (
                json!([{"host": "a.example", "action": "allow", "policy": "x"}]),
                "policy",
            ),
            (json!([{"host": "a.example", "action": "ask"}]), "ask"),
            (
                json!([{"host": "a.example", "action": "deny", "ask": ask}]),
                "ask",
            ),
            (
                json!([{"host": "a.example", "action": "ask", "ask": {"connection_id": "c"}}]),
                "user_id",
            ),
            (
                json!([{"host": "a.example", "action": "ask", "ask": {"connection_id": "c", "user_id": "u", "channel_id": "a b"}}]),
                "channel_id",
            ),
            (
                json!([{"host": "a.example", "action": "allow"}, {"host": "A.example.", "action": "deny"}]),
                "contradicts rule 0",
            ),
            (
                json!([{"host": "a.example", "methods": ["GET", "PUT"], "path_prefix": "/x/", "action": "allow"},
                {"host": "a.example", "methods": ["put", "get"], "path_prefix": "/x", "action": "deny"}]),
                "rule 1 contradicts",
            ),
        ] {
            let error = RuleSet::check(&rules).unwrap_err().to_string();
            assert!(error.contains(named), "{named}: {error}");
        }
        let sound = json!([
            {"host": "a.example", "path_prefix": "/", "action": "allow"},
            {"host": "a.example", "action": "deny"},
            {"host": "*.a.example", "methods": ["GET"], "action": "ask", "ask": ask},
            {"host": "*.a.example", "action": "judge", "policy": "only reads"},
            {"host": "[::1]", "action": "deny"},
            {"host": "10.0.0.1", "action": "deny"},
        ]);
        assert_eq!(RuleSet::check(&sound), Ok(()));
        assert_eq!(RuleSet::check(&json!([])), Ok(()));
    }
}
