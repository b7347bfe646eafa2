//! A policy's rules, ready to be matched: what a request needs is found by its host.

use super::rule::{Action, HostRule, InvalidRule, Rule, WrittenRule};
use super::target::{PathReading, Target};
use crate::host::HostName;
use serde_json::Value;
use std::collections::HashMap;

/// Most rules of one policy.
pub const MAX_RULES: usize = 1000;

/// SHA-256 of the rules as the database holds them.
pub type RulesHash = [u8; 32];

/// Why rules are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRules {
    #[error("must be a list of at most {MAX_RULES} rules")]
    NoList,
    #[error("rule {at}: {text}")]
    Malformed { at: usize, text: String },
    #[error("rule {at}: `{}` {}", .invalid.field, .invalid.rule)]
    Invalid { at: usize, invalid: InvalidRule },
    #[error(
        "rule {later} contradicts rule {earlier}: the same host, methods and path, another action; remove one"
    )]
    Contradiction { earlier: usize, later: usize },
}

/// The rules of one policy, in their order.
#[derive(Debug)]
pub struct RuleSet {
    hash: RulesHash,
    rules: Vec<Rule>,
    exactly: HashMap<HostName, Vec<u32>>,
    below: HashMap<HostName, Vec<u32>>,
}

/// Whether a rule is for a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    No,
    /// As some server may read it, or as far as a tunnel lets it be seen.
    Maybe,
    Yes,
}

impl RuleSet {
    /// Rules as the database holds them, under their hash.
    ///
    /// # Errors
    /// The first rule that is none.
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
            let list = match &rule.host {
                HostRule::Exactly(host) => set.exactly.entry(host.clone()),
                HostRule::Below(domain) => set.below.entry(domain.clone()),
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

    /// Rules that are about to be written: of two for the very same requests, the later could not
    /// decide anything.
    ///
    /// # Errors
    /// As `parse`, and where rules contradict each other.
    pub fn check(rules: &Value) -> Result<(), InvalidRules> {
        let set = Self::parse([0; 32], rules)?;
        let mut first = HashMap::new();
        for (later, rule) in set.rules.iter().enumerate() {
            let requests = (&rule.host, &rule.methods, &rule.path);
            let earlier = *first.entry(requests).or_insert(later);
            if set.rules[earlier].action != rule.action {
                return Err(InvalidRules::Contradiction { earlier, later });
            }
        }
        Ok(())
    }

    pub fn hash(&self) -> &RulesHash {
        &self.hash
    }

    /// The rules that may decide this reading, in their order, to the first that does; whether one does.
    pub(super) fn deciding<'a>(
        &'a self,
        target: &Target,
        reading: (Option<&str>, Option<&PathReading>),
        mut found: impl FnMut(usize, &'a Action),
    ) -> bool {
        for index in self.of_host(&target.host) {
            let index = *index as usize;
            let rule = &self.rules[index];
            match of_method(rule, reading.0).and(of_path(rule, reading.1)) {
                Match::No => {}
                Match::Maybe => found(index, &rule.action),
                Match::Yes => {
                    found(index, &rule.action);
                    return true;
                }
            }
        }
        false
    }

    /// The rules whose host it is, in their order: the nearest list is complete.
    fn of_host(&self, host: &HostName) -> &[u32] {
        let nearest = || host.above().find_map(|domain| self.below.get(&domain));
        let list = self.exactly.get(host).or_else(nearest);
        list.map_or(&[], Vec::as_slice)
    }
}

impl Match {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            (Self::Maybe, Self::Maybe | Self::Yes) | (Self::Yes, Self::Maybe) => Self::Maybe,
        }
    }
}

fn of_method(rule: &Rule, method: Option<&str>) -> Match {
    match (&rule.methods, method) {
        (None, _) => Match::Yes,
        (Some(_), None) => Match::Maybe,
        (Some(own), Some(method)) if own.iter().any(|own| own == method) => Match::Yes,
        (Some(_), Some(_)) => Match::No,
    }
}

fn of_path(rule: &Rule, path: Option<&PathReading>) -> Match {
    match (&rule.path, path) {
        (None, _) => Match::Yes,
        (Some(_), None) => Match::Maybe,
        (Some(prefix), Some(path)) if !begins(&path.lower, &prefix.lower) => {
            // Accents are written in more than one way, and some servers take them for the same.
            if prefix.lower.is_ascii() || path.lower.is_ascii() {
                Match::No
            } else {
                Match::Maybe
            }
        }
        (Some(prefix), Some(path)) if begins(&path.exact, &prefix.exact) => Match::Yes,
        (Some(_), Some(_)) => Match::Maybe,
    }
}

/// Whether the path begins with the prefix, on a boundary between segments. What tells most prefixes
/// apart is looked at first: where they end, and how.
fn begins(path: &str, prefix: &str) -> bool {
    let (path, prefix) = (path.as_bytes(), prefix.as_bytes());
    let Some(last) = prefix.len().checked_sub(1) else {
        return true;
    };
    let boundary = path.get(prefix.len()).is_none_or(|next| *next == b'/');
    boundary && path.get(last) == prefix.last() && path.starts_with(prefix)
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
