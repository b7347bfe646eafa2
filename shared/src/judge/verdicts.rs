//! The judge's recent verdicts in this environment: a bounded cache that evicts the least recently used, and
//! one call for all who ask the same question at the same time.

use super::{JudgeError, Provenance, Question};
use crate::digest;
use crate::host::HostName;
use crate::id::OrganizationId;
use crate::moment::Moment;
use crate::policy::Scheme;
use lru::LruCache;
use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::OnceCell;

/// Most questions whose verdicts are kept.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(2000).expect("2000 is not zero");

/// What a verdict is about. The organization is part of it: two organizations that ask the same question
/// under the same policy never share a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    organization: OrganizationId,
    /// SHA-256 of the policy's text, the model and the prompt's version.
    policy: [u8; 32],
    scheme: Scheme,
    host: HostName,
    port: u16,
    /// Every method that a server may take the request for; empty where a tunnel hides it.
    methods: Vec<String>,
    path: Option<String>,
    query: Option<String>,
    /// SHA-256 of the body, if the judge sees it.
    body: Option<[u8; 32]>,
}

impl Key {
    /// The key of a question to this model.
    pub(super) fn new(question: &Question<'_>, model: &str) -> Self {
        let target = question.target;
        Self {
            organization: question.agent.organization().clone(),
            policy: digest::sha256_of_parts(&[question.policy, model, super::prompt::VERSION]),
            scheme: target.scheme,
            host: target.host.clone(),
            port: target.port,
            methods: target.methods().to_vec(),
            path: target.path().map(str::to_owned),
            query: target.query().map(str::to_owned),
            body: question.body.map(digest::sha256),
        }
    }

    /// The key in the database: SHA-256 of all its parts.
    pub(super) fn hash(&self) -> [u8; 32] {
        let policy = digest::to_hex(&self.policy);
        let port = self.port.to_string();
        let body = self.body.map(|body| digest::to_hex(&body));
        digest::sha256_of_parts(&[
            self.organization.as_str(),
            &policy,
            self.scheme.as_str(),
            self.host.as_str(),
            &port,
            &self.methods.join(","),
            self.path.as_deref().map_or("hidden", |_| "path"),
            self.path.as_deref().unwrap_or_default(),
            self.query.as_deref().map_or("none", |_| "query"),
            self.query.as_deref().unwrap_or_default(),
            body.as_deref().unwrap_or("unseen"),
        ])
    }
}

/// One call for a key, which all who ask at the same time share (single flight), and then its verdict.
#[derive(Clone, Default)]
pub(super) struct Flight(Arc<OnceCell<CachedVerdict>>);

/// How a call ended, and for how long that may be reused.
pub(super) struct CachedVerdict {
    /// Whether the judge allowed the request.
    pub allow: Result<bool, JudgeError>,
    /// Where the verdict came from when it was cached.
    pub provenance: Provenance,
    /// When it was cached.
    pub since: Moment,
    /// How long after `since` it may be reused.
    pub life: Duration,
}

impl Flight {
    /// The verdict of this flight. Concurrent callers share one `call`; if its caller is dropped, the next
    /// takes over.
    ///
    /// # Errors
    /// What the call failed with.
    pub(super) async fn join(
        &self,
        call: impl Future<Output = CachedVerdict>,
    ) -> (Result<bool, JudgeError>, Provenance) {
        let verdict = self.0.get_or_init(|| call).await;
        (verdict.allow.clone(), verdict.provenance)
    }

    fn is_over(&self) -> bool {
        self.0
            .get()
            .is_some_and(|verdict| verdict.since.elapsed() >= verdict.life)
    }
}

/// The flights by their keys.
pub(super) struct Verdicts(Mutex<LruCache<Key, Flight>>);

impl Verdicts {
    /// An empty cache.
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }

    /// Whether the judge allowed this, if it said so and that may still be reused.
    pub(super) fn cached(&self, key: &Key) -> Option<bool> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let flight = flights.get(key).filter(|flight| !flight.is_over())?;
        flight.0.get()?.allow.clone().ok()
    }

    /// The key's flight; a new one if its verdict is too old to be reused.
    pub(super) fn flight(&self, key: &Key) -> Flight {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key).filter(|flight| !flight.is_over()) {
            return flight.clone();
        }
        let flight = Flight::default();
        flights.put(key.clone(), flight.clone());
        flight
    }

    /// Forgets this flight, unless the key has a newer one.
    pub(super) fn forget(&self, key: &Key, flight: &Flight) {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if flights
            .peek(key)
            .is_some_and(|own| Arc::ptr_eq(&own.0, &flight.0))
        {
            flights.pop(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::scope::AgentScope;
    use crate::policy::Target;

    fn agent(organization: &str) -> AgentScope {
        AgentScope::for_test(organization, "agent")
    }

    fn target(
        scheme: Scheme,
        host: &str,
        port: u16,
        method: Option<&str>,
        path: Option<&str>,
    ) -> Target {
        Target::new(scheme, HostName::parse(host).unwrap(), port, method, path)
    }

    fn key_of(agent: &AgentScope, policy: &str, model: &str, target: &Target) -> Key {
        key_with(agent, policy, model, target, None)
    }

    fn key_with(
        agent: &AgentScope,
        policy: &str,
        model: &str,
        target: &Target,
        body: Option<&[u8]>,
    ) -> Key {
        let question = Question {
            agent,
            policy,
            target,
            body,
        };
        Key::new(&question, model)
    }

    fn key(n: usize) -> Key {
        let path = format!("/{n}");
        let target = target(Scheme::Https, "a.example", 443, Some("GET"), Some(&path));
        key_of(&agent("a"), "policy", "model", &target)
    }

    async fn land(flight: &Flight, allow: Result<bool, JudgeError>, life: Duration) {
        let call = async {
            CachedVerdict {
                allow,
                provenance: Provenance::Fresh,
                since: Moment::now(),
                life,
            }
        };
        let _ = flight.join(call).await;
    }

    #[test]
    fn a_key_is_of_all_that_is_asked_and_of_nothing_else() {
        let whole = || target(Scheme::Https, "a.example", 443, Some("GET"), Some("/x"));
        let keys = [
            key_of(&agent("a"), "policy", "model", &whole()),
            key_of(&agent("b"), "policy", "model", &whole()),
            key_of(&agent("a"), "policy!", "model", &whole()),
            key_of(&agent("a"), "policy", "model-2", &whole()),
            key_of(&agent("a"), "policym", "odel", &whole()),
            key_of(
                &agent("a"),
                "policy",
                "model",
                &whole().with_possible_method("DELETE"),
            ),
            key_of(
                &agent("a"),
                "policy",
                "model",
                &target(Scheme::Http, "a.example", 443, Some("GET"), Some("/x")),
            ),
            key_of(
                &agent("a"),
                "policy",
                "model",
                &target(Scheme::Https, "b.example", 443, Some("GET"), Some("/x")),
            ),
            key_of(
                &agent("a"),
                "policy",
                "model",
                &target(Scheme::Https, "a.example", 22, Some("GET"), Some("/x")),
            ),
            key_of(
                &agent("a"),
                "policy",
                "model",
                &target(Scheme::Https, "a.example", 443, Some("POST"), Some("/x")),
            ),
            key_of(
                &agent("a"),
                "policy",
                "model",
                &target(Scheme::Https, "a.example", 443, Some("GET"), Some("/y")),
            ),
            key_of(
                &agent("a"),
                "policy",
                "model",
                &target(Scheme::Https, "a.example", 443, None, None),
            ),
            key_of(
                &agent("a"),
                "policy",
                "model",
                &target(Scheme::Https, "a.example", 443, None, Some("")),
            ),
        ];
        let seeing = |body: &[u8]| key_with(&agent("a"), "policy", "model", &whole(), Some(body));
        let with_query = |query| key_of(&agent("a"), "policy", "model", &whole().with_query(query));
        let keys = keys.into_iter().chain([
            seeing(b""),
            seeing(b"x"),
            with_query("a=1"),
            with_query("a=2"),
        ]);
        let keys: Vec<Key> = keys.collect();
        for (n, one) in keys.iter().enumerate() {
            for (m, other) in keys.iter().enumerate() {
                assert_eq!(
                    (one == other, one.hash() == other.hash()),
                    (n == m, n == m),
                    "{n} {m}"
                );
            }
        }
        assert_eq!(
            key_of(&agent("a"), "policy", "model", &whole()).hash(),
            keys[0].hash()
        );
    }

    #[tokio::test]
    async fn two_thousand_are_kept_and_the_least_recently_used_goes_first() {
        let verdicts = Verdicts::new();
        for n in 0..2000 {
            land(
                &verdicts.flight(&key(n)),
                Ok(true),
                Duration::from_secs(300),
            )
            .await;
        }
        assert!(
            verdicts.cached(&key(0)).is_some(),
            "this makes it recently used"
        );
        verdicts.flight(&key(2000));
        assert!(verdicts.cached(&key(0)).is_some());
        assert!(
            verdicts.cached(&key(1)).is_none(),
            "the least recently used"
        );
        assert_eq!(verdicts.0.lock().unwrap().len(), 2000);
    }

    #[tokio::test]
    async fn a_verdict_counts_until_its_life_is_over_and_a_failure_is_forgotten() {
        let verdicts = Verdicts::new();
        let flight = verdicts.flight(&key(1));
        land(&flight, Ok(true), Duration::from_millis(40)).await;
        assert_eq!(verdicts.cached(&key(1)), Some(true));
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(verdicts.cached(&key(1)).is_none());
        let failed = verdicts.flight(&key(2));
        land(&failed, Err(JudgeError::Timeout), Duration::from_secs(300)).await;
        assert!(verdicts.cached(&key(2)).is_none());
        let stands = || Arc::ptr_eq(&verdicts.flight(&key(2)).0, &failed.0);
        verdicts.forget(&key(2), &flight);
        assert!(stands(), "another flight is left alone");
        verdicts.forget(&key(2), &failed);
        assert!(!stands());
    }
}
