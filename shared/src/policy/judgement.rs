//! What policies come to for one request: the judgement that `gate` enforces and that `explain` shows.

use super::ruling::{ALLOW, DENY};
use super::{Action, DecidedBy, Grant, Mode, Policies, Target};

/// What the policies say of a request. It is pure: a model or a person that they name is not asked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement<'a> {
    /// What happens to the request.
    pub action: &'a Action,
    /// What decided.
    pub by: DecidedBy,
    /// Whether a rule or a person's grant decided.
    pub basis: Basis,
    /// One sentence for the agent and the operator.
    pub reason: String,
}

/// What a judgement rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The rules, or their absence.
    Rule,
    /// A person's standing grant or denial.
    Grant,
}

impl Policies {
    /// Judges a request. `grant` is what a person decided about its host; `of_provider` says whether the host
    /// belongs to a configured provider, which is allowed where there is no policy.
    pub fn judge(
        &self,
        target: &Target,
        grant: Grant,
        of_provider: bool,
        mode: Mode,
    ) -> Judgement<'_> {
        let ruling = self.ruling(target, mode);
        let by = ruling.by;
        let (action, basis, reason) = match (ruling.action, grant) {
            _ if self.is_empty() => {
                let (action, belongs) = if of_provider {
                    (&ALLOW, "belongs")
                } else {
                    (&DENY, "does not belong")
                };
                let reason = format!("{by}, and the host {belongs} to a configured provider");
                (action, Basis::Rule, reason)
            }
            (Action::Allow | Action::Deny, _) => (ruling.action, Basis::Rule, by.to_string()),
            (Action::Judge(_), _) => {
                let reason = format!("{by}: a model decides");
                (ruling.action, Basis::Rule, reason)
            }
            (Action::Ask(_), Grant::Allowed(_)) => {
                let reason = format!("{by}: a person allowed this host");
                (&ALLOW, Basis::Grant, reason)
            }
            (Action::Ask(_), Grant::Denied) => {
                let reason = format!("{by}: a person denied this host");
                (&DENY, Basis::Grant, reason)
            }
            (Action::Ask(_), Grant::None) => {
                let reason = format!("{by}: a person is asked");
                (ruling.action, Basis::Rule, reason)
            }
        };
        Judgement {
            action,
            by,
            basis,
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Owner, PolicyRow};
    use super::*;
    use crate::host::HostName;
    use crate::policy::Scheme;
    use serde_json::{Value, json};

    fn judged(
        rules: Option<Value>,
        observe: bool,
        grant: Grant,
        of_provider: bool,
        mode: Mode,
    ) -> String {
        let row = rules.map(|rules| PolicyRow {
            owner: Owner::Organization,
            observe,
            hash: [0; 32],
            rules: Some(rules),
        });
        let policies = Policies::resolve(row.into_iter().collect(), &[]);
        let host = HostName::parse("a.example").unwrap();
        let target = Target::new(Scheme::Https, host, 443, Some("GET"), Some("/"));
        let judgement = policies.judge(&target, grant, of_provider, mode);
        format!("{}: {}", judgement.action.as_str(), judgement.reason)
    }

    #[test]
    fn without_a_policy_a_providers_host_is_allowed_and_no_other() {
        let judge = |of_provider| judged(None, false, Grant::Denied, of_provider, Mode::Enforced);
        assert_eq!(
            judge(true),
            "allow: no policy is set, and the host belongs to a configured provider"
        );
        assert_eq!(
            judge(false),
            "deny: no policy is set, and the host does not belong to a configured provider"
        );
    }

    #[test]
    fn a_dry_run_allows_what_it_would_deny() {
        let deny = || Some(json!([{"host": "a.example", "action": "deny"}]));
        let judge = |mode| judged(deny(), true, Grant::None, false, mode);
        assert_eq!(
            judge(Mode::Enforced),
            "allow: no policy is enforced; those that are set only observe"
        );
        assert_eq!(
            judge(Mode::Observed),
            "deny: rule 0 of the organization's policy"
        );
    }

    #[test]
    fn a_persons_decision_counts_only_where_a_rule_asks() {
        let rule = |action: &str| {
            let mut rule = json!({"host": "a.example", "action": action});
            match action {
                "judge" => rule["policy"] = json!("Only reads."),
                "ask" => {
                    rule["ask"] = json!({"connection_id": "c", "user_id": "u", "channel_id": "x"});
                }
                _ => {}
            }
            Some(json!([rule]))
        };
        let rule_0 = "rule 0 of the organization's policy";
        for (action, grant, judgement) in [
            ("allow", Grant::Denied, format!("allow: {rule_0}")),
            ("deny", Grant::Allowed(None), format!("deny: {rule_0}")),
            (
                "judge",
                Grant::Allowed(None),
                format!("judge: {rule_0}: a model decides"),
            ),
            (
                "ask",
                Grant::None,
                format!("ask: {rule_0}: a person is asked"),
            ),
            (
                "ask",
                Grant::Denied,
                format!("deny: {rule_0}: a person denied this host"),
            ),
            (
                "ask",
                Grant::Allowed(None),
                format!("allow: {rule_0}: a person allowed this host"),
            ),
        ] {
            let found = judged(rule(action), false, grant, false, Mode::Enforced);
            assert_eq!(found, judgement);
        }
    }
}
