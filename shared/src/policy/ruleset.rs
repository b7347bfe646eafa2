//! A policy's rules, indexed by host.

use super::matcher::{HostPattern, Match};
use super::rule::{Action, InvalidRule, Rule, WrittenRule};
use super::target::Reading;
use crate::host::HostName;
use serde_json::Value;
use std::collections::HashMap;

/// Most rules of one policy.
pub const MAX_RULES: usize = 1000;

/// SHA-256 of the rules as the database holds them.
pub type RulesHash = [u8; 32];

/// Why a list of rules is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRules {
    /// It is not a list, or too long.
    #[error("must be a list of at most {MAX_RULES} rules")]
    NoList,
    /// The rule at this index does not have a rule's fields.
    #[error("rule {at}: {text}")]
    Malformed {
        /// The rule's index, from 0.
        at: usize,
        /// What is wrong with it.
        text: String,
    },
    /// A field of the rule at this index is invalid.
    #[error("rule {at}: `{}` {}", .invalid.field, .invalid.rule)]
    Invalid {
        /// The rule's index, from 0.
        at: usize,
        /// The field, and its rule.
        invalid: InvalidRule,
    },
    /// Two rules are for the very same requests, with different actions.
    #[error(
        "rule {later} contradicts rule {earlier}: the same host, methods and path, another action; remove one"
    )]
    Contradiction {
        /// The index of the rule that decides.
        earlier: usize,
        /// The index of the rule that could never decide.
        later: usize,
    },
}

/// The rules of one policy, in their order.
#[derive(Debug)]
pub struct RuleSet {
    hash: RulesHash,
    rules: Vec<Rule>,
    exactly: HashMap<HostName, Vec<u32>>,
    below: HashMap<HostName, Vec<u32>>,
}

impl RuleSet {
    /// The rules as the database holds them, with their hash.
    ///
    /// # Errors
    /// The first rule that is invalid.
    pub fn parse(hash: RulesHash, rules: &Value) -> Result<Self, InvalidRules> {
        let list = rules.as_array().filter(|list| list.len() <= MAX_RULES);
        let list = list.ok_or(InvalidRules::NoList)?;
        let mut set = Self {
            hash,
            rules: Vec::with_capacity(list.len()),
            exactly: HashMap::new(),
            below: HashMap::new(),
        };
        for (at, rule) in list.iter().enumerate() {
            let written = read(rule).map_err(|text| InvalidRules::Malformed { at, text })?;
            let rule =
                Rule::check(written).map_err(|invalid| InvalidRules::Invalid { at, invalid })?;
            let list = match &rule.matches.host {
                HostPattern::Exactly(host) => set.exactly.entry(host.clone()),
                HostPattern::Below(domain) => set.below.entry(domain.clone()),
            };
            let index = u32::try_from(at).unwrap_or(u32::MAX);
            list.or_default().push(index);
            set.rules.push(rule);
        }
        set.complete();
        Ok(set)
    }

    /// Adds to each host's rules those of the domains above it, so that a request needs one list.
    fn complete(&mut self) {
        let above = |host: &HostName, below: &HashMap<HostName, Vec<u32>>| -> Vec<u32> {
            let lists = host.above().filter_map(|domain| below.get(&domain));
            lists.flatten().copied().collect()
        };
        for (host, list) in &mut self.exactly {
            list.extend(above(host, &self.below));
            list.sort_unstable();
        }
        let all: Vec<_> = self
            .below
            .keys()
            .map(|host| (host.clone(), above(host, &self.below)))
            .collect();
        for (domain, more) in all {
            let list = self.below.entry(domain).or_default();
            list.extend(more);
            list.sort_unstable();
        }
    }

    /// Checks rules that are about to be written. Of two for the very same requests, the later could never
    /// decide.
    ///
    /// # Errors
    /// The first rule that is invalid, or that contradicts an earlier one.
    pub fn check(rules: &Value) -> Result<(), InvalidRules> {
        let set = Self::parse([0; 32], rules)?;
        let mut first = HashMap::new();
        for (later, rule) in set.rules.iter().enumerate() {
            let earlier = *first.entry(&rule.matches).or_insert(later);
            if set.rules[earlier].action != rule.action {
                return Err(InvalidRules::Contradiction { earlier, later });
            }
        }
        Ok(())
    }

    /// The hash of the rules.
    pub fn hash(&self) -> &RulesHash {
        &self.hash
    }

    /// The rules that are for a request of this reading, or may be, in their order, with their indexes.
    pub(super) fn matching<'a>(
        &'a self,
        host: &HostName,
        reading: Reading<'_>,
    ) -> impl Iterator<Item = (usize, &'a Action, Match)> {
        self.of_host(host).iter().filter_map(move |index| {
            let index = *index as usize;
            let rule = &self.rules[index];
            let found = rule.matches.matches(reading);
            (found != Match::No).then_some((index, &rule.action, found))
        })
    }

    /// The indexes of the rules for this host, in their order. The nearest list is complete.
    fn of_host(&self, host: &HostName) -> &[u32] {
        let nearest = || host.above().find_map(|domain| self.below.get(&domain));
        let list = self.exactly.get(host).or_else(nearest);
        list.map_or(&[], Vec::as_slice)
    }
}

/// A rule as it is written.
///
/// # Errors
/// What is wrong with it, after the field's name where it is the field's own value.
fn read(rule: &Value) -> Result<WrittenRule, String> {
    serde_path_to_error::deserialize(rule).map_err(|error| {
        let field = error.path().to_string();
        let wrong = error.into_inner();
        match field.as_str() {
            "." => wrong.to_string(),
            field => format!("`{field}`: {wrong}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn invalid_rules_are_named() {
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
                "`ask.channel_id`",
            ),
            (
                json!([{"host": "a.example", "action": "ask", "ask": {"connection_id": "c", "user_id": "u", "channel_id": "x", "conversation_id": ""}}]),
                "`ask.conversation_id`",
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
            {"host": "a.example", "path_prefix": "/", "action": "deny"},
            {"host": "a.example", "action": "deny"},
            {"host": "a.example", "path_prefix": "/x", "action": "allow"},
            {"host": "a.example", "methods": ["GET"], "action": "allow"},
            {"host": "a.example", "methods": ["GET"], "path_prefix": "/x", "action": "deny"},
            {"host": "*.a.example", "methods": ["GET"], "action": "ask", "ask": ask},
            {"host": "*.a.example", "action": "judge", "policy": "only reads"},
            {"host": "[::1]", "action": "deny"},
            {"host": "10.0.0.1", "action": "deny"},
        ]);
        assert_eq!(RuleSet::check(&sound), Ok(()));
        assert_eq!(RuleSet::check(&json!([])), Ok(()));
    }
}
