//! What the rules say of a request, and which of them said it.

use super::matcher::Match;
use super::rule::Action;
use super::{Mode, Owner, Policies, Target};
use std::fmt;

pub(super) static ALLOW: Action = Action::Allow;
pub(super) static DENY: Action = Action::Deny;

/// What the rules say of a request, and which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling<'a> {
    /// What happens to the request.
    pub action: &'a Action,
    /// What decided.
    pub by: DecidedBy,
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecidedBy {
    /// There is no policy.
    NoPolicy,
    /// All policies only observe.
    NotEnforced,
    /// The rule at this index of this policy.
    Rule(Owner, usize),
    /// No rule is for the request.
    NoRule,
    /// Servers may read the request in different ways, and the rules say different things of these.
    Ambiguous,
    /// The rules of this policy cannot be read.
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

impl Policies {
    /// What the rules say. In each way in which a server may read the request, the first rule that is for it
    /// decides. Where no rule is for it, and where the readings differ, it is denied.
    pub fn ruling<'a>(&'a self, target: &Target, mode: Mode) -> Ruling<'a> {
        let counts = || {
            let all = self.0.iter();
            all.filter(|policy| mode == Mode::Observed || !policy.observe)
        };
        let ruling = |action, by| Ruling { action, by };
        if self.is_empty() {
            return ruling(&ALLOW, DecidedBy::NoPolicy);
        }
        if counts().next().is_none() {
            return ruling(&ALLOW, DecidedBy::NotEnforced);
        }
        let ambiguous = ruling(&DENY, DecidedBy::Ambiguous);
        if target.has_odd_methods() {
            return ambiguous;
        }
        let mut first: Option<Ruling<'a>> = None;
        let mut differ = false;
        let mut found = |action: &'a Action, by| match &first {
            None => first = Some(ruling(action, by)),
            Some(first) => differ |= first.action != action,
        };
        'readings: for reading in target.readings() {
            for policy in counts() {
                let Some(rules) = &policy.rules else {
                    found(&DENY, DecidedBy::Unreadable(policy.owner));
                    continue 'readings;
                };
                for (index, action, is_for) in rules.matching(&target.host, reading) {
                    found(action, DecidedBy::Rule(policy.owner, index));
                    if is_for == Match::Yes {
                        continue 'readings;
                    }
                }
            }
            found(&DENY, DecidedBy::NoRule);
        }
        match first {
            Some(ruling) if !differ => ruling,
            Some(_) | None => ambiguous,
        }
    }
}
