//! A policy's rules, ready to be matched: what a request needs is found by its host.

use super::rule::{Action, HostRule, InvalidRule, Rule, WrittenRule};
use super::target::{HostName, PathReading, Target};
use serde_json::Value;
use std::collections::HashMap;

/// Most rules of one policy.
pub const MOST_RULES: usize = 1000;

/// SHA-256 of the rules as the database holds them.
pub type RulesHash = [u8; 32];

/// Why rules are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRules {
    #[error("must be a list of at most {MOST_RULES} rules")]
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
    below: HashMap<String, Vec<u32>>,
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
        let list = rules.as_array().filter(|list| list.len() <= MOST_RULES);
        let list = list.ok_or(InvalidRules::NoList)?;
        let mut set = Self {
            hash,
            rules: Vec::with_capacity(list.len()),
            exactly: HashMap::new(),
            below: HashMap::new(),
        };
        for (at, rule) in list.iter().enumerate() {
            let written =
                WrittenRule::deserialize(rule).map_err(|error| InvalidRules::Malformed {
                    at,
                    text: error.to_string(),
                })?;
            let rule =
                Rule::check(written).map_err(|invalid| InvalidRules::Invalid { at, invalid })?;
            let index = u32::try_from(at).unwrap_or(u32::MAX);
            match &rule.host {
                HostRule::Exactly(host) => set.exactly.entry(host.clone()).or_default().push(index),
                HostRule::Below(domain) => {
                    set.below
                        .entry(domain.as_str().to_owned())
                        .or_default()
                        .push(index);
                }
            }
            set.rules.push(rule);
        }
        Ok(set)
    }

    /// Rules that are about to be written: of two for the very same requests, the later could not
    /// decide anything.
    ///
    /// # Errors
    /// As `parse`, and where rules contradict each other.
    pub fn check(rules: &Value) -> Result<(), InvalidRules> {
        let set = Self::parse([0; 32], rules)?;
        for indices in set.exactly.values().chain(set.below.values()) {
            for (n, later) in indices.iter().enumerate() {
                let rule = &set.rules[*later as usize];
                let against = |earlier: &&u32| {
                    let earlier = &set.rules[**earlier as usize];
                    earlier.same_requests(rule) && earlier.action != rule.action
                };
                if let Some(earlier) = indices[..n].iter().find(against) {
                    return Err(InvalidRules::Contradiction {
                        earlier: *earlier as usize,
                        later: *later as usize,
                    });
                }
            }
        }
        Ok(())
    }

    pub fn hash(&self) -> &RulesHash {
        &self.hash
    }

    pub fn rule(&self, index: usize) -> Option<&Rule> {
        self.rules.get(index)
    }

    pub fn len(&self) -> usize {
        self.rules.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules that may decide this reading, in their order, to the first that does; whether one does.
    pub(super) fn deciding<'a>(
        &'a self,
        target: &Target,
        reading: (Option<&str>, Option<&PathReading>),
        mut found: impl FnMut(usize, &'a Action),
    ) -> bool {
        for index in self.of_host(&target.host) {
            let rule = &self.rules[index as usize];
            match of_method(rule, reading.0).and(of_path(rule, reading.1)) {
                Match::No => {}
                Match::Maybe => found(index as usize, &rule.action),
                Match::Yes => {
                    found(index as usize, &rule.action);
                    return true;
                }
            }
        }
        false
    }

    /// The rules whose host it is, in their order.
    fn of_host(&self, host: &HostName) -> Candidates<'_> {
        let mut lists = Vec::new();
        lists.extend(self.exactly.get(host).map(Vec::as_slice));
        if host.is_name() && !self.below.is_empty() {
            let mut name = host.as_str();
            while let Some((_, above)) = name.split_once('.') {
                lists.extend(self.below.get(above).map(Vec::as_slice));
                name = above;
            }
        }
        Candidates(lists)
    }
}

use serde::Deserialize;

/// Sorted lists of different indices, merged.
struct Candidates<'a>(Vec<&'a [u32]>);

impl Iterator for Candidates<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let list = self.0.iter_mut().filter(|list| !list.is_empty());
        let list = list.min_by_key(|list| list[0])?;
        let (first, rest) = list.split_first()?;
        *list = rest;
        Some(*first)
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
        (Some(prefix), Some(path)) if !begins(&path.lower, &prefix.lower) => Match::No,
        (Some(prefix), Some(path)) if begins(&path.exact, &prefix.exact) => Match::Yes,
        (Some(_), Some(_)) => Match::Maybe,
    }
}

/// Whether the path begins with the prefix, on a boundary between segments.
fn begins(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
