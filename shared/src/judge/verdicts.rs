//! What the judge said lately, in this environment: bounded, the least recently used out first, and one
//! call for all that ask the same at once.

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
    /// All as of which it may be taken; none where a tunnel hides it.
    methods: Vec<String>,
    path: Option<String>,
    query: Option<String>,
    /// SHA-256 of the body, where the judge sees it.
    body: Option<[u8; 32]>,
}

impl Key {
    pub fn new(asked: &Question<'_>, model: &str) -> Self {
        let target = asked.target;
        Self {
            organization: asked.agent.organization().clone(),
            policy: digest::sha256_of_parts(&[asked.policy, model, super::prompt::VERSION]),
            scheme: target.scheme,
            host: target.host.clone(),
            port: target.port,
            methods: target.methods().to_vec(),
            path: target.path().map(str::to_owned),
            query: target.query().map(str::to_owned),
            body: asked.body.map(digest::sha256),
        }
    }

    /// The same for the database, beside the organization's column.
    pub fn hash(&self) -> [u8; 32] {
        let policy = crate::digest::to_hex(&self.policy);
        let port = self.port.to_string();
        let body = self.body.map(|body| crate::digest::to_hex(&body));
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

/// Where what is said of one key goes, once.
#[derive(Clone, Default)]
pub struct Place(Arc<OnceCell<Said>>);

/// What was said, and for how long it may be reused.
pub struct Said {
    pub allow: Result<bool, JudgeError>,
    pub heard: Provenance,
    pub since: Moment,
    pub life: Duration,
}

impl Place {
    /// What was said, or what `ask` says. Of many at once one asks; when it goes away, the next does.
    pub async fn say(
        &self,
        ask: impl Future<Output = Said>,
    ) -> (Result<bool, JudgeError>, Provenance) {
        let said = self.0.get_or_init(|| ask).await;
        (said.allow.clone(), said.heard)
    }

    fn is_over(&self) -> bool {
        self.0
            .get()
            .is_some_and(|said| said.since.elapsed() >= said.life)
    }
}

/// The places, by their keys.
pub struct Verdicts(Mutex<LruCache<Key, Place>>);

impl Verdicts {
    pub fn new() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }

    /// What was said of the key, while it may be reused.
    pub fn said(&self, key: &Key) -> Option<bool> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.get(key).filter(|place| !place.is_over())?;
        place.0.get()?.allow.clone().ok()
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
        let asked = Question {
            agent,
            policy,
            target,
            body,
        };
        Key::new(&asked, model)
    }

    fn key(n: usize) -> Key {
        let path = format!("/{n}");
        let target = target(Scheme::Https, "a.example", 443, Some("GET"), Some(&path));
        key_of(&agent("a"), "policy", "model", &target)
    }

    async fn say(place: &Place, life: Duration) -> Result<bool, JudgeError> {
        let said = async {
            Said {
                allow: Ok(true),
                heard: Provenance::Now,
                since: Moment::now(),
                life,
            }
        };
        place.say(said).await.0
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
            say(&verdicts.place(&key(n)), Duration::from_secs(300))
                .await
                .unwrap();
        }
        assert!(verdicts.said(&key(0)).is_some(), "it is used again");
        verdicts.place(&key(2000));
        assert!(verdicts.said(&key(0)).is_some());
        assert!(verdicts.said(&key(1)).is_none(), "the one that nobody used");
        assert!(verdicts.0.lock().unwrap().len() == 2000);
    }

    #[tokio::test]
    async fn what_was_said_counts_until_its_time_is_over_and_a_failure_is_forgotten() {
        let verdicts = Verdicts::new();
        let place = verdicts.place(&key(1));
        say(&place, Duration::from_millis(40)).await.unwrap();
        assert_eq!(verdicts.said(&key(1)), Some(true));
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(verdicts.said(&key(1)).is_none());
        let failed = verdicts.place(&key(2));
        failed
            .say(async {
                Said {
                    allow: Err(JudgeError::Timeout),
                    heard: Provenance::Now,
                    since: Moment::now(),
                    life: Duration::from_secs(300),
                }
            })
            .await
            .0
            .unwrap_err();
        let stands = || Arc::ptr_eq(&verdicts.place(&key(2)).0, &failed.0);
        verdicts.forget(&key(2), &place);
        assert!(stands(), "another's place is left alone");
        verdicts.forget(&key(2), &failed);
        assert!(!stands());
    }
}
