//! Delivers outcomes to agents, signed as Standard Webhooks (standardwebhooks.com). Delivery is at least once,
//! with the same `webhook-id` in each attempt. Pauses between attempts grow, and attempts end after a day.

use super::Interactions;
use crate::base::Base;
use crate::error::Error;
use crate::id::OrganizationId;
use crate::policy::Policies;
use crate::question::{CallbackAddress, CallbackUrl};
use crate::secret::{Freshness, Permit, SecretNames, Secrets};
use crate::store::{Delivery, Store, StoreError};
use crate::wire::client::GuardedClient;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use secrecy::{ExposeSecret, SecretString};
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook,
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use time::OffsetDateTime;
use tokio::time::Instant;

/// Timeout of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Minimum length of a signing key, in bytes.
const MIN_KEY: usize = 24;
/// The pause after the first attempt. Each later pause is five times as long, up to `MAX_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(4 * 60 * 60);
/// How long a delivery is attempted, and the longest `Retry-After` that is honoured.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The state of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivered {
    /// The receiver accepted it.
    Done,
    /// It will be tried again.
    Later,
    /// It will not be tried again.
    Over,
}

/// The result of one attempt.
enum Attempt {
    /// The receiver answered with a status of 200 to 299.
    Accepted,
    /// The receiver answered 410: it wants no further attempts.
    Gone,
    /// The egress policy no longer allows it; the reason.
    Denied(String),
    /// Any other failure. The next attempt is not made before `retry_after`.
    Failed { why: String, retry_after: Duration },
}

/// Delivers outcomes to callback addresses, through the guarded client.
pub(super) struct Deliverer {
    store: Arc<Store>,
    secrets: Arc<Secrets>,
    names: SecretNames,
    client: Arc<GuardedClient<Full<Bytes>>>,
}

impl Deliverer {
    /// A deliverer that calls receivers through `client`.
    pub(super) fn new(base: &Base, client: Arc<GuardedClient<Full<Bytes>>>) -> Self {
        Self {
            store: Arc::clone(&base.store),
            secrets: Arc::clone(&base.secrets),
            names: base.names.clone(),
            client,
        }
    }

    /// Makes one attempt at a delivery and records the result. An attempt that is cut off at `until` is not
    /// recorded; the delivery is due again when its lease ends.
    ///
    /// # Errors
    /// The result could not be recorded. The delivery will be tried again.
    pub(super) async fn deliver(
        &self,
        delivery: &Delivery,
        until: Instant,
    ) -> Result<Delivered, StoreError> {
        let bound = Instant::now() + ATTEMPT_TIMEOUT;
        let attempt = match tokio::time::timeout_at(bound.min(until), self.attempt(delivery)).await
        {
            Ok(attempt) => attempt,
            Err(_) if until < bound => return Ok(Delivered::Later),
            Err(_) => failed("no answer in time"),
        };
        match attempt {
            Attempt::Accepted => {
                self.store.delivery_done(delivery).await?;
                Ok(Delivered::Done)
            }
            Attempt::Gone => {
                warn("delivery_given_up", delivery, "the receiver answered 410");
                self.store.delivery_given_up(delivery).await?;
                Ok(Delivered::Over)
            }
            Attempt::Denied(why) => {
                warn("delivery_denied", delivery, &why);
                self.store.delivery_given_up(delivery).await?;
                Ok(Delivered::Over)
            }
            Attempt::Failed { why, retry_after } => {
                warn("delivery_failed", delivery, &why);
                let pause = pause(delivery.attempts());
                self.store
                    .delivery_failed(delivery, pause, retry_after)
                    .await?;
                Ok(Delivered::Later)
            }
        }
    }

    async fn attempt(&self, delivery: &Delivery) -> Attempt {
        let url = match CallbackAddress::parse(delivery.url(), self.client.allowed()) {
            Ok(address) => address,
            Err(rule) => return failed(format!("the callback address {rule}")),
        };
        // The policy may have changed since the address was stored.
        let (organization, agent) = (delivery.organization(), delivery.agent());
        let url = match self.store.policies_of(organization, agent).await {
            Ok(rows) => url.permitted(&Policies::resolve(rows, &[])),
            Err(error) => return failed(error.to_string()),
        };
        let url = match url {
            Ok(url) => url,
            Err(by) => return Attempt::Denied(by.to_string()),
        };
        let secret = match Box::pin(self.signing_key(organization)).await {
            Ok(secret) => secret,
            Err(error) => return failed(error.cause().unwrap_or_default()),
        };
        let request = match signed(
            delivery,
            &url,
            &secret,
            OffsetDateTime::now_utc().unix_timestamp(),
        ) {
            Ok(request) => request,
            Err(why) => return failed(why),
        };
        let response = match self.client.send(request).await {
            Ok(response) => response,
            Err(error) => return failed(error.into_error().cause().unwrap_or_default()),
        };
        match response.status() {
            status if status.is_success() => Attempt::Accepted,
            StatusCode::GONE => Attempt::Gone,
            status => Attempt::Failed {
                why: format!("status {}", status.as_u16()),
                retry_after: retry_after(
                    response.headers().get(header::RETRY_AFTER),
                    SystemTime::now(),
                ),
            },
        }
    }

    /// The key that signs the organization's outcomes: its sealed one if it has one, else that in Secrets Manager. A
    /// sealed one that cannot be read is an error.
    async fn signing_key(&self, organization: &OrganizationId) -> Result<SecretString, Error> {
        if self.secrets.seals() {
            let sealed = self.names.sealed_callbacks(organization);
            let sealed = self.store.located(sealed).await?;
            if sealed.is_found() {
                return self.secrets.read(&sealed, Freshness::Cached).await;
            }
        }
        let managed = self.names.callbacks(organization);
        self.secrets.read(&managed, Freshness::Cached).await
    }
}

impl Interactions {
    /// Makes one attempt at a delivery and records the result. A failure to record it is logged.
    pub(super) async fn deliver(&self, delivery: &Delivery, until: Instant) {
        if let Err(error) = self.deliverer.deliver(delivery, until).await {
            log_store(delivery, &error);
        }
    }
}

/// Logs that the result of an attempt could not be recorded.
pub(super) fn log_store(delivery: &Delivery, error: &StoreError) {
    tracing::error!(
        event = "delivery_not_recorded",
        organization_id = delivery.organization().as_str(),
        interaction_id = delivery.interaction().as_str(),
        cause = %error
    );
}

/// A failure without a `Retry-After`.
fn failed(why: impl Into<String>) -> Attempt {
    Attempt::Failed {
        why: why.into(),
        retry_after: Duration::ZERO,
    }
}

fn warn(event: &'static str, delivery: &Delivery, cause: &str) {
    tracing::warn!(
        event,
        organization_id = delivery.organization().as_str(),
        interaction_id = delivery.interaction().as_str(),
        attempts = delivery.attempts(),
        cause
    );
}

/// The request, signed with each of the organization's keys. The secret holds one key or, during a rotation, a
/// JSON list of keys. `now` is in Unix seconds.
fn signed(
    delivery: &Delivery,
    url: &CallbackUrl,
    secret: &SecretString,
    now: i64,
) -> Result<Request<Full<Bytes>>, &'static str> {
    const MALFORMED: &str =
        "the organization's callback-signing secret is not whsec_ and base64 of at least 24 bytes";
    let keys: Vec<SecretString> = match serde_json::from_str(secret.expose_secret()) {
        Ok(keys) => keys,
        Err(_) => vec![secret.clone()],
    };
    let body = delivery.payload().to_string();
    let mut signatures = Vec::with_capacity(keys.len());
    for key in &keys {
        let key = key.expose_secret().trim();
        if !is_long_enough(key) {
            return Err(MALFORMED);
        }
        let webhook = Webhook::new(key).map_err(|_| MALFORMED)?;
        let signature = webhook.sign(delivery.id(), now, body.as_bytes());
        signatures.push(signature.map_err(|_| MALFORMED)?);
    }
    if signatures.is_empty() {
        return Err(MALFORMED);
    }
    Request::post(url.uri())
        .header(header::CONTENT_TYPE, "application/json")
        .header(
            header::USER_AGENT,
            concat!("postern/", env!("CARGO_PKG_VERSION")),
        )
        .header(HEADER_WEBHOOK_ID, delivery.id())
        .header(HEADER_WEBHOOK_TIMESTAMP, now)
        .header(HEADER_WEBHOOK_SIGNATURE, signatures.join(" "))
        .body(Full::from(body))
        .map_err(|_| "the callback address is not valid")
}

/// Whether the key has at least the 24 bytes that Standard Webhooks requires.
fn is_long_enough(key: &str) -> bool {
    let encoded = key.strip_prefix("whsec_").unwrap_or(key);
    STANDARD
        .decode(encoded)
        .is_ok_and(|key| key.len() >= MIN_KEY)
}

/// The pause after this many attempts, before jitter: 5 s, 25 s, 2 min, 10 min, 52 min, 4 h.
fn pause(attempts: u32) -> Duration {
    let factor = 5_u32.saturating_pow(attempts.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(factor).min(MAX_PAUSE)
}

/// The pause that `Retry-After` asks for, in seconds or as a date (RFC 9110, section 10.2.3). Zero if it is absent
/// or malformed; at most a day.
fn retry_after(value: Option<&HeaderValue>, now: SystemTime) -> Duration {
    let Some(value) = value.and_then(|value| value.to_str().ok()) else {
        return Duration::ZERO;
    };
    let asked = match value.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value)
            .ok()
            .and_then(|at| at.duration_since(now).ok())
            .unwrap_or_default(),
    };
    asked.min(LIFE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_fewer_than_24_bytes_is_no_key() {
        let key = |length: usize| format!("whsec_{}", STANDARD.encode(vec![1; length]));
        assert!(is_long_enough(&key(24)) && is_long_enough(&key(64)));
        for short in [key(0), key(23), "whsec_".into(), "whsec_%%%".into()] {
            assert!(!is_long_enough(&short), "{short}");
        }
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        let pauses: Vec<u64> = (0..8).map(|attempts| pause(attempts).as_secs()).collect();
        assert_eq!(pauses, [5, 5, 25, 125, 625, 3125, 14400, 14400]);
        assert_eq!(pause(u32::MAX), MAX_PAUSE);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let asked = |value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            retry_after(Some(&value), now).as_secs()
        };
        assert_eq!(asked("120"), 120);
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:37 GMT"), 60);
        assert_eq!(asked("Sun, 06 Nov 1994 08:48:37 GMT"), 0);
        assert_eq!((asked("soon"), asked("-1")), (0, 0));
        assert_eq!(asked("99999999999"), LIFE.as_secs());
        assert_eq!(retry_after(None, now), Duration::ZERO);
    }
}
