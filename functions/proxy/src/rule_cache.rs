//! Rule sets that this environment has read before, so that the database need not send them again. What
//! counts is decided by the database each time; this only spares the text.

use lru::LruCache;
use postern::authority::access::Request;
use postern::authority::scope::AgentScope;
use postern::policy::{Policies, PolicyRow, RuleSet, RulesHash};
use postern::{AgentId, OrganizationId, PlaceholderHash};
use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

/// Keys whose rule sets are remembered. A policy of a thousand rules takes about 200 kB.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");

/// Who sends a request, as far as the request shows it before anything is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    organization: Option<OrganizationId>,
    agent: Option<AgentId>,
    placeholders: Vec<PlaceholderHash>,
}

impl Key {
    /// The key of a request to a provider.
    pub(crate) fn from_request(request: &Request) -> Self {
        let worker = request.worker.as_ref().map(|worker| worker.agent());
        let agent = request.agent.as_ref().or(worker.map(AgentScope::agent));
        Self {
            organization: worker.map(|worker| worker.organization().clone()),
            agent: agent.cloned(),
            placeholders: request.placeholders.clone(),
        }
    }

    /// The key of an agent that a worker token proves.
    pub(crate) fn from_agent(agent: &AgentScope) -> Self {
        Self {
            organization: Some(agent.organization().clone()),
            agent: Some(agent.agent().clone()),
            placeholders: Vec::new(),
        }
    }
}

/// The rule sets that a key was under last.
pub(crate) struct RuleCache(Mutex<LruCache<Key, Vec<Arc<RuleSet>>>>);

impl RuleCache {
    /// A cache without rule sets.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }

    /// What is remembered of a key. Ask the database with its `hashes`, and `resolve` the answer.
    pub(crate) fn recall(&self, key: Key) -> Recalled<'_> {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sets = cache.get(&key).cloned().unwrap_or_default();
        Recalled {
            cache: self,
            key,
            sets,
        }
    }

    fn remember(&self, key: Key, sets: Vec<Arc<RuleSet>>) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.is_empty() {
            cache.pop(&key);
        } else {
            cache.put(key, sets);
        }
    }
}

/// The rule sets that one key was under last.
pub(crate) struct Recalled<'a> {
    cache: &'a RuleCache,
    key: Key,
    sets: Vec<Arc<RuleSet>>,
}

impl Recalled<'_> {
    /// The hashes of the sets. The database leaves out rules of these hashes.
    pub(crate) fn hashes(&self) -> Vec<&RulesHash> {
        self.sets.iter().map(|set| set.hash()).collect()
    }

    /// The policies of the database's rows, which are remembered from now on.
    pub(crate) fn resolve(self, rows: Vec<PolicyRow>) -> Policies {
        let policies = Policies::resolve(rows, &self.sets);
        self.cache.remember(self.key, policies.rule_sets());
        policies
    }
}
