//! Reads secrets, and caches the values of Secrets Manager for a while. AWS's own caching client is not used: it renews an old
//! value while the secret can still be described, even when it is scheduled for deletion, and it brings a
//! second HTTP stack.

use super::name::{Home, OperatorSecret, Permit, SecretName};
use crate::error::{Code, Error};
use crate::moment::Moment;
use crate::secret::SecretsConfig;
use aws_config::{BehaviorVersion, retry::RetryConfig, timeout::TimeoutConfig};
use lru::LruCache;
use secrecy::{ExposeSecret, SecretString};
use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Most secrets that one environment keeps; the least recently used goes first.
const CACHE_SIZE: NonZeroUsize = NonZeroUsize::new(1000).expect("1000 is not zero");
/// Bound on one read, retries included; a request then gets 503.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// How old a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As old as `SECRETS_CACHE_TTL_MS` lets it be.
    Cached,
    /// Read after the call began.
    Fresh,
    /// Read after the call began, unless a read of this kind happened within this time; then that one's value.
    FreshOnceIn(Duration),
}

/// For a key that its provider refused: read it again, at most once in ten seconds whatever agents provoke.
pub const AFTER_A_REFUSAL: Freshness = Freshness::FreshOnceIn(Duration::from_secs(10));

/// Reads secrets from Secrets Manager, each at most once at a time.
pub struct Secrets {
    client: aws_sdk_secretsmanager::Client,
    ttl: Duration,
    slots: Mutex<LruCache<String, Arc<Slot>>>,
    /// The secret that holds the keyring, if sealed secrets are in use.
    pub(super) sealing_keys: Option<OperatorSecret>,
}

/// One secret's place in the cache.
#[derive(Default)]
struct Slot {
    held: Mutex<Option<Held>>,
    /// Locked while the secret is read, so that a burst of requests makes one call. A caller that finds a
    /// young enough value never waits for it. It holds the time of the last read for `FreshOnceIn`.
    reading: tokio::sync::Mutex<Option<Moment>>,
}

struct Held {
    value: SecretString,
    read_at: Moment,
}

impl Slot {
    /// The value, where it was read less than `age` ago.
    fn value(&self, age: Duration) -> Option<SecretString> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held.as_ref().filter(|held| held.read_at.elapsed() < age)?;
        Some(held.value.clone())
    }

    fn hold(&self, value: SecretString, read_at: Moment) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(Held { value, read_at });
    }
}

impl Secrets {
    /// A client for the environment's region and credentials. Makes no call.
    pub async fn new(config: &SecretsConfig) -> Self {
        Self::from_sdk(
            &aws_config::load_defaults(BehaviorVersion::latest()).await,
            config,
        )
    }

    /// A client with the SDK's configuration and our own timeouts.
    pub fn from_sdk(sdk: &aws_config::SdkConfig, config: &SecretsConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(READ_TIMEOUT / 2)
            .operation_timeout(READ_TIMEOUT)
            .build();
        let bounded = aws_sdk_secretsmanager::config::Builder::from(sdk)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .build();
        Self {
            client: aws_sdk_secretsmanager::Client::from_conf(bounded),
            ttl: config.cache_ttl,
            slots: Mutex::new(LruCache::new(CACHE_SIZE)),
            sealing_keys: config.sealing_keys.clone(),
        }
    }

    /// The secret's value, or the JSON member that the ref names, without surrounding white space. A sealed secret
    /// is as fresh as the row that its permit has found.
    ///
    /// # Errors
    /// `secret_unavailable` where the secret is missing, deleted, refused or slow, does not open, or lacks that
    /// member.
    pub async fn read(
        &self,
        permit: &impl Permit,
        freshness: Freshness,
    ) -> Result<SecretString, Error> {
        let SecretName { home, json_key } = permit.name();
        let value = match home {
            Home::Manager { id } => self.value(id, freshness).await,
            // Boxed: it is rare, and deep enough to make every future that holds this one deep.
            Home::Sealed { id, row } => Box::pin(self.open(id, row.as_ref())).await,
        };
        let picked = value.and_then(|value| pick(value, json_key.as_deref()));
        picked.map_err(|cause| Code::SecretUnavailable.because(format!("read {home}: {cause}")))
    }

    pub(super) async fn value(
        &self,
        id: &str,
        freshness: Freshness,
    ) -> Result<SecretString, String> {
        let asked = Moment::now();
        let slot = self.slot(id);
        if freshness == Freshness::Cached
            && let Some(value) = slot.value(self.ttl)
        {
            return Ok(value);
        }
        // The timeout includes waiting for another caller's read, so that a burst fails together.
        let read = async {
            let mut read_again = slot.reading.lock().await;
            // A value that another caller read after this call began is fresh.
            let age = match freshness {
                Freshness::Cached => self.ttl.max(asked.elapsed()),
                Freshness::FreshOnceIn(time)
                    if read_again.is_some_and(|last| last.elapsed() < time) =>
                {
                    Duration::MAX
                }
                Freshness::Fresh | Freshness::FreshOnceIn(_) => asked.elapsed(),
            };
            if let Some(value) = slot.value(age) {
                return Ok(value);
            }
            let read_at = Moment::now();
            if let Freshness::FreshOnceIn(_) = freshness {
                *read_again = Some(read_at);
            }
            let value = self.get(id).await?;
            slot.hold(value.clone(), read_at);
            Ok(value)
        };
        tokio::time::timeout(READ_TIMEOUT, read)
            .await
            .unwrap_or_else(|_| Err("timed out".into()))
    }

    fn slot(&self, id: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(id) {
            return Arc::clone(slot);
        }
        let slot = Arc::<Slot>::default();
        slots.put(id.to_owned(), Arc::clone(&slot));
        slot
    }

    async fn get(&self, id: &str) -> Result<SecretString, String> {
        // Boxed: the SDK's future is deep, and every future that holds this one would be too.
        let read = Box::pin(self.client.get_secret_value().secret_id(id).send());
        let output = read.await.map_err(|error| describe(&error))?;
        let text = output.secret_string.ok_or("it has no string value")?;
        // A trailing newline from a shell pipe is the most common mistake.
        Ok(SecretString::from(text.trim()))
    }
}

/// The value, or the member of it that a ref names.
pub(super) fn pick(value: SecretString, json_key: Option<&str>) -> Result<SecretString, String> {
    match json_key {
        None => Ok(value),
        Some(key) => {
            member(&value, key).ok_or_else(|| "it has no string member of the ref's key".to_owned())
        }
    }
}

fn member(value: &SecretString, key: &str) -> Option<SecretString> {
    let mut object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(value.expose_secret()).ok()?;
    match object.remove(key)? {
        serde_json::Value::String(text) => Some(SecretString::from(text.trim())),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => None,
    }
}

/// The SDK's error with its causes. A failed read has no value, so none of them holds a secret.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line = format!("{line}: {cause}");
        next = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_key_picks_one_string_member() {
        let value = SecretString::from(r#"{"key":" v\n","n":1}"#);
        assert_eq!(member(&value, "key").unwrap().expose_secret(), "v");
        for (value, key) in [(&value, "n"), (&value, "absent"), (&"plain".into(), "key")] {
            assert!(member(value, key).is_none());
        }
    }

    #[test]
    fn a_value_is_as_old_as_its_read() {
        let slot = Slot::default();
        assert!(slot.value(Duration::MAX).is_none());
        slot.hold("v".into(), Moment::now());
        assert!(slot.value(Duration::from_secs(60)).is_some());
        assert!(slot.value(Duration::ZERO).is_none());
    }
}
