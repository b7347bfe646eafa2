//! What the judge said lately, in this environment: bounded, the least recently used out first, and one
//! call for all that ask the same at once.

use super::{Heard, JudgeError, Opinion};
use crate::id::OrganizationId;
use crate::policy::{HostName, Scheme, Target};
use crate::scope::AgentScope;
use aws_lc_rs::digest::{Context, SHA256};
use lru::LruCache;
use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::OnceCell, time::Instant};

const MOST: NonZeroUsize = NonZeroUsize::new(2000).expect("2000 is not zero");

/// What a verdict is about, the organization first: two that ask the same under the same words never
/// share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    organization: OrganizationId,
    /// SHA-256 of the policy's text, the model and the prompt's version.
    policy: [u8; 32],
    scheme: Scheme,
    host: HostName,
    port: u16,
    method: String,
    path: String,
}

impl Key {
    pub fn of(agent: &AgentScope, policy: &str, model: &str, target: &Target) -> Self {
        let parts = [policy, model, super::prompt::VERSION];
        Self {
            organization: agent.organization().clone(),
            policy: hash(&parts),
            scheme: target.scheme,
            host: target.host.clone(),
            port: target.port,
            method: target.method().unwrap_or_default().to_owned(),
            path: target.path().unwrap_or_default().to_owned(),
        }
    }

    /// The same for the database, beside the organization's column.
    pub fn hash(&self) -> [u8; 32] {
        let policy = crate::hex::encode(&self.policy);
        let port = self.port.to_string();
        hash(&[
            self.organization.as_str(),
            &policy,
            self.scheme.as_str(),
            self.host.as_str(),
            &port,
            &self.method,
            &self.path,
        ])
    }
}

/// SHA-256 of parts, each with its length, so that no two lists of parts are one text.
fn hash(parts: &[&str]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Where what is said of one key goes, once.
#[derive(Clone, Default)]
pub struct Place(Arc<OnceCell<Said>>);

/// What was said, and until when it may be reused.
pub struct Said {
    pub opinion: Result<Opinion, JudgeError>,
    pub heard: Heard,
    pub until: Instant,
}

impl Place {
    /// What was said, while it may be reused.
    pub fn said(&self) -> Option<Result<Opinion, JudgeError>> {
        self.0.get().map(|said| said.opinion.clone())
    }

    /// What was said, or what `ask` says. Of many at once one asks; when it goes away, the next does.
    pub async fn say(
        &self,
        ask: impl Future<Output = Said>,
    ) -> (Result<Opinion, JudgeError>, Heard) {
        let said = self.0.get_or_init(|| ask).await;
        (said.opinion.clone(), said.heard)
    }

    fn is_over(&self) -> bool {
        self.0
            .get()
            .is_some_and(|said| Instant::now() >= said.until)
    }
}

/// The places, by their keys.
pub struct Verdicts(Mutex<LruCache<Key, Place>>);

impl Verdicts {
    pub fn new() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }

    /// The key's place; a new one where what was said is too old.
    pub fn place(&self, key: &Key) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(key).filter(|place| !place.is_over()) {
            return place.clone();
        }
        let place = Place::default();
        places.put(key.clone(), place.clone());
        place
    }

    /// Forgets the place, unless the key has another by now.
    pub fn forget(&self, key: &Key, place: &Place) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places
            .peek(key)
            .is_some_and(|own| Arc::ptr_eq(&own.0, &place.0))
        {
            places.pop(key);
        }
    }
}
