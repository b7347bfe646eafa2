//! Egress policies: where an organization's agents may spend its secrets. Everything here is pure; `gate`
//! asks the model or the person that a rule names.

mod judgement;
mod matcher;
mod path;
mod rule;
mod ruleset;
mod ruling;
mod target;

pub use judgement::{Basis, Judgement};
pub use rule::{Action, Approver, InvalidRule, JudgeInput, JudgeRule};
pub use ruleset::{InvalidRules, MAX_RULES, RuleSet, RulesHash};
pub use ruling::{DecidedBy, Ruling};
pub use target::{MAX_METHOD_LENGTH, Scheme, Target};

use serde_json::Value;
use std::sync::Arc;
use time::OffsetDateTime;

/// A policy as the database holds it.
#[derive(Debug, Clone)]
pub struct PolicyRow {
    /// Whose policy it is.
    pub owner: Owner,
    /// Whether it only observes: what it would decide is logged and not enforced.
    pub observe: bool,
    /// SHA-256 of the rules.
    pub hash: RulesHash,
    /// The rules. `None` when the caller already knows this hash.
    pub rules: Option<Value>,
}

/// What a person decided about a pattern, such as a host, for an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Allowed until this time, or without end.
    Allowed(Option<OffsetDateTime>),
    /// Denied.
    Denied,
    /// Nobody has decided, or the grant is over.
    None,
}

/// Whose policy it is. The order is that in which policies decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// One agent's own.
    Agent,
    /// The organization's, for all its agents.
    Organization,
}

impl Owner {
    /// The owner as answers and logs write it.
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
    /// `None` where the rules cannot be read: such a policy denies.
    rules: Option<Arc<RuleSet>>,
}

/// Which policies count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Policies that are enforced.
    Enforced,
    /// All policies, as if those that only observe were enforced.
    Observed,
}

impl Policies {
    /// The policies of these rows. `known` has the rule sets that rows leave out.
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

    /// The rule sets of the policies that can be read.
    pub fn rule_sets(&self) -> Vec<Arc<RuleSet>> {
        let sets = self.0.iter().filter_map(|policy| policy.rules.as_ref());
        sets.map(Arc::clone).collect()
    }

    /// Whether there is no policy, not even one that only observes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a policy only observes.
    pub fn observes(&self) -> bool {
        self.0.iter().any(|policy| policy.observe)
    }
}

#[cfg(test)]
mod tests;
