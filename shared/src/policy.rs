//! Egress policies: where an organization's agents may spend its secrets. What rules decide is pure;
//! what they leave to a model or to a person is `gate`'s.

mod judgement;
mod rule;
mod ruleset;
mod target;

pub use judgement::{Basis, Judgement, Verdict};
pub use rule::{Approver, InvalidRule, Judged, Sees};
pub use ruleset::{InvalidRules, MAX_RULES, RuleSet, RulesHash};
pub use target::{Scheme, Target};

use rule::Action;
use serde_json::Value;
use std::{fmt, sync::Arc};
use time::OffsetDateTime;

/// Most methods as of which a request may be taken.
const MAX_METHODS: usize = 16;
/// The longest method that is registered has 17 characters.
pub const MAX_METHOD: usize = 32;

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
    pub by: DecidedBy,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruled<'a> {
    Allow,
    Deny,
    Judge(&'a Judged),
    Ask(&'a Approver),
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecidedBy {
    /// There is no policy.
    NoPolicy,
    /// All policies only observe.
    NotEnforced,
    Rule(Owner, usize),
    /// No rule is for the request.
    NoRule,
    /// Servers may read the request in different ways, of which the rules say different things.
    Ambiguous,
    /// The rules cannot be read.
    Unreadable(Owner),
}

impl fmt::Display for DecidedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPolicy => f.write_str("no policy is set"),
            Self::NotEnforced => {
                f.write_str("no policy is enforced; those that are set only observe")
            }
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

    /// What the rules say: the first that is for the request decides, in every way in which it may be
    /// read; where these differ, and where no rule is for it, it is denied.
    pub fn ruling<'a>(&'a self, target: &Target, mode: Mode) -> Ruling<'a> {
        let counts = |policy: &&Policy| mode == Mode::Observed || !policy.observe;
        if !self.0.iter().any(|policy| counts(&policy)) {
            let by = if self.is_empty() {
                DecidedBy::NoPolicy
            } else {
                DecidedBy::NotEnforced
            };
            return Ruling {
                ruled: Ruled::Allow,
                by,
            };
        }
        let ambiguous = Ruling {
            ruled: Ruled::Deny,
            by: DecidedBy::Ambiguous,
        };
        // Nobody names so many, or such long ones, with a purpose that is to be served.
        let long = |method: &String| method.len() > MAX_METHOD;
        if target.methods().len() > MAX_METHODS || target.methods().iter().any(long) {
            return ambiguous;
        }
        let mut first: Option<Ruling<'a>> = None;
        let mut differ = false;
        for reading in target.readings() {
            let mut found = |ruled: Ruled<'a>, by: DecidedBy| match &first {
                None => first = Some(Ruling { ruled, by }),
                Some(first) => differ |= first.ruled != ruled,
            };
            let mut decided = false;
            for policy in self.0.iter().filter(counts) {
                let Some(rules) = &policy.rules else {
                    found(Ruled::Deny, DecidedBy::Unreadable(policy.owner));
                    decided = true;
                    break;
                };
                decided = rules.deciding(target, reading, |index, action| {
                    found(
                        Ruled::from_action(action),
                        DecidedBy::Rule(policy.owner, index),
                    );
                });
                if decided {
                    break;
                }
            }
            if !decided {
                found(Ruled::Deny, DecidedBy::NoRule);
            }
        }
        match first {
            Some(ruling) if !differ => ruling,
            Some(_) | None => ambiguous,
        }
    }
}

impl<'a> Ruled<'a> {
    fn from_action(action: &'a Action) -> Self {
        match action {
            Action::Allow => Self::Allow,
            Action::Deny => Self::Deny,
            Action::Judge(policy) => Self::Judge(policy),
            Action::Ask(asked) => Self::Ask(asked),
        }
    }
}

#[cfg(test)]
mod tests;
