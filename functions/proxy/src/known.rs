//! Rule sets that this environment has read before, so that the database need not send them again. What
//! counts is decided by the database each time; this only spares the text.

use lru::LruCache;
use postern::policy::{RuleSet, RulesHash};
use postern::{AgentId, OrganizationId, PlaceholderHash};
use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

/// Askers that are remembered. A policy of a thousand rules takes about 200 kB.
const MOST: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");

/// Who asks, as far as a request shows it before anything is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asker {
    pub organization: Option<OrganizationId>,
    pub agent: Option<AgentId>,
    pub placeholders: Vec<PlaceholderHash>,
}

/// The rule sets by who was under them last.
pub struct Known(Mutex<LruCache<Asker, Vec<Arc<RuleSet>>>>);

impl Known {
    pub fn new() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }

    pub fn of(&self, asker: &Asker) -> Vec<Arc<RuleSet>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(asker).cloned().unwrap_or_default()
    }

    /// Remembers what the asker is under now, if anything.
    pub fn remember(&self, asker: Asker, sets: Vec<Arc<RuleSet>>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.is_empty() {
            known.pop(&asker);
        } else {
            known.put(asker, sets);
        }
    }
}

/// The hashes of sets, as the store takes them.
pub fn hashes(sets: &[Arc<RuleSet>]) -> Vec<&RulesHash> {
    sets.iter().map(|set| set.hash()).collect()
}
