//! Secrets Manager. No secret is read without a `Permit`, and a tenant's permit holds a name of
//! that tenant's own, so a forged row cannot reach another tenant's secret.

use crate::config::{ConfigError, Env, SecretsConfig, malformed};
use crate::error::{Code, Error};
use crate::id::{OrganizationId, ProviderId};
use aws_config::{BehaviorVersion, retry::RetryConfig, timeout::TimeoutConfig};
use aws_secretsmanager_caching::{SecretsManagerCachingClient, output::GetSecretValueOutputDef};
use secrecy::{ExposeSecret, SecretString};
use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroUsize,
    time::Duration,
};
use tokio::sync::Mutex;

/// Most secrets that one environment keeps; the least recently used goes first.
const CACHE_SIZE: NonZeroUsize = NonZeroUsize::new(1000).expect("1000 is not zero");
/// Bound on one read, retries included; a request then gets 503.
const READ_TIMEOUT: Duration = Duration::from_secs(3);
const FLIGHTS: usize = 64;

/// A secret of the operator's own, named by the environment.
#[derive(Debug, Clone)]
pub struct OperatorSecret(Permit);

impl OperatorSecret {
    /// The secret that a variable names.
    pub fn from_env(env: &Env, variable: &'static str) -> Result<Self, ConfigError> {
        Ok(Self(Permit::parse(env.required(variable)?).map_err(
            |_| malformed(variable, "must be a secret's id or ARN"),
        )?))
    }

    pub fn permit(&self) -> &Permit {
        &self.0
    }
}

/// Permission to read one secret, left behind by the check that granted it.
///
/// ```compile_fail
/// let forged = postern::Permit { id: "prod/db".into(), json_key: None };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    id: String,
    json_key: Option<String>,
}

/// A ref that is not of the form `<secret id>` or `<secret id>#<json key>`.
#[derive(Debug, thiserror::Error)]
#[error("not a secret ref")]
pub struct MalformedRef;

impl Permit {
    fn parse(secret_ref: &str) -> Result<Self, MalformedRef> {
        let (id, json_key) = match secret_ref.split_once('#') {
            Some((_, "")) => return Err(MalformedRef),
            Some((id, key)) => (id, Some(key.to_owned())),
            None => (secret_ref, None),
        };
        if id.is_empty() || id.len() > 512 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(MalformedRef);
        }
        Ok(Self {
            id: id.to_owned(),
            json_key,
        })
    }

    fn under(owner: &str, secret_ref: &str) -> Result<Self, Error> {
        let outside = || Error::from(Code::SecretRefOutsideOrganization);
        let own_name = secret_ref.strip_prefix(owner).ok_or_else(outside)?;
        // A name such as `org/a/../b` is one flat name to Secrets Manager, but not to every stand-in.
        if own_name.is_empty()
            || own_name.starts_with('#')
            || own_name.split(['/', '#']).any(|part| part == "..")
        {
            return Err(outside());
        }
        Self::parse(secret_ref).map_err(|error| outside().because(error))
    }
}

/// The names under which tenants' secrets live.
#[derive(Debug, Clone)]
pub struct SecretNames {
    prefix: String,
}

impl SecretNames {
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// A ref of this organization's own; any other is `secret_ref_outside_organization`.
    pub fn of_organization(
        &self,
        organization: &OrganizationId,
        secret_ref: &str,
    ) -> Result<Permit, Error> {
        Permit::under(&format!("{}org/{organization}/", self.prefix), secret_ref)
    }

    /// The key with which the organization's outcomes are signed.
    pub(crate) fn of_callbacks(&self, organization: &OrganizationId) -> Permit {
        Permit {
            id: format!("{}org/{organization}/callback-signing", self.prefix),
            json_key: None,
        }
    }

    /// A ref of a placeholder row that has no organization.
    pub(crate) fn of_legacy(&self, secret_ref: &str) -> Result<Permit, Error> {
        Permit::under(&format!("{}legacy/", self.prefix), secret_ref)
    }

    /// The operator's key for a provider, which an organization may be entitled to.
    pub(crate) fn of_system(&self, provider: &ProviderId) -> Permit {
        Permit {
            id: format!("{}system/{provider}", self.prefix),
            json_key: None,
        }
    }
}

/// Whether a value may come from the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    Cached,
    Fresh,
}

/// Reads secrets through AWS's own caching client.
pub struct Secrets {
    cache: SecretsManagerCachingClient,
    reuse: bool,
    // One read at a time for one name: a burst of cold requests makes one call.
    flights: [Mutex<()>; FLIGHTS],
    hasher: RandomState,
}

impl Secrets {
    /// A client for the environment's region and credentials. Makes no call.
    pub async fn new(
        config: &SecretsConfig,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Self::from_sdk(
            &aws_config::load_defaults(BehaviorVersion::latest()).await,
            config,
        )
    }

    /// A client of the SDK's configuration, with bounds of our own.
    pub fn from_sdk(
        sdk: &aws_config::SdkConfig,
        config: &SecretsConfig,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(READ_TIMEOUT / 2)
            .operation_timeout(READ_TIMEOUT)
            .build();
        let bounded = aws_sdk_secretsmanager::config::Builder::from(sdk)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .build();
        let client = aws_sdk_secretsmanager::Client::from_conf(bounded);
        // A secret that cannot be read is an error, never the last value it had.
        let serve_stale = false;
        Ok(Self {
            cache: SecretsManagerCachingClient::new(
                client,
                CACHE_SIZE,
                config.cache_ttl,
                serve_stale,
            )?,
            reuse: !config.cache_ttl.is_zero(),
            flights: std::array::from_fn(|_| Mutex::new(())),
            hasher: RandomState::new(),
        })
    }

    /// The secret's value, or its JSON member where the ref names one.
    ///
    /// # Errors
    /// `secret_unavailable`: missing, refused, slow, or without that member.
    pub async fn read(&self, permit: &Permit, freshness: Freshness) -> Result<SecretString, Error> {
        let unavailable = |cause: String| {
            Error::from(Code::SecretUnavailable)
                .because(format!("read secret {}: {cause}", permit.id))
        };
        // The bound includes waiting for others' reads, so that a burst fails together.
        let output = tokio::time::timeout(READ_TIMEOUT, self.value(&permit.id, freshness))
            .await
            .map_err(|_| unavailable("timed out".into()))?
            .map_err(unavailable)?;
        let text = output
            .secret_string
            .ok_or_else(|| unavailable("it has no string value".into()))?;
        let value = SecretString::from(text);
        match &permit.json_key {
            None => Ok(value),
            Some(key) => member(&value, key),
        }
    }

    async fn value(
        &self,
        id: &str,
        freshness: Freshness,
    ) -> Result<GetSecretValueOutputDef, String> {
        let flight = &self.flights[self.hasher.hash_one(id) as usize % FLIGHTS];
        let _one_at_a_time = flight.lock().await;
        let fresh = freshness == Freshness::Fresh || !self.reuse;
        match self.get(id, fresh).await {
            // A value past its time is asked for by DescribeSecret, which a role may lack.
            Err(_) if !fresh => self.get(id, true).await,
            read => read,
        }
    }

    async fn get(&self, id: &str, fresh: bool) -> Result<GetSecretValueOutputDef, String> {
        // Boxed: the SDK's future is deep, and every future that holds this one would be too.
        let read = Box::pin(self.cache.get_secret_value(id, None, None, fresh));
        read.await.map_err(|error| describe(&*error))
    }
}

fn member(value: &SecretString, key: &str) -> Result<SecretString, Error> {
    let missing = || {
        Error::from(Code::SecretUnavailable)
            .because("the secret has no string member of the ref's key")
    };
    let mut object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(value.expose_secret()).map_err(|_| missing())?;
    match object.remove(key) {
        Some(serde_json::Value::String(text)) => Ok(SecretString::from(text)),
        Some(_) | None => Err(missing()),
    }
}

/// The SDK's error with its causes. None of them holds a secret's value: a failed read has none.
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

    fn org(id: &str) -> OrganizationId {
        OrganizationId::parse(id).unwrap()
    }

    #[test]
    fn a_ref_reads_only_under_its_own_organization() {
        let names = SecretNames::new("postern/");
        assert!(
            names
                .of_organization(&org("a"), "postern/org/a/openai")
                .is_ok()
        );
        assert!(
            names
                .of_organization(&org("a"), "postern/org/a/openai#key")
                .is_ok()
        );
        for foreign in [
            "postern/org/b/openai",
            "postern/org/a",
            "postern/org/a/",
            "postern/org/a/#key",
            "postern/org/ab/openai",
            "postern/org/a/../b/openai",
            "postern/legacy/x",
            "postern/system/openai",
            "prod/db",
            "arn:aws:secretsmanager:eu-central-1:1:secret:postern/org/a/x",
            "",
        ] {
            let refused = names.of_organization(&org("a"), foreign).unwrap_err();
            assert_eq!(
                refused.code,
                Code::SecretRefOutsideOrganization,
                "{foreign}"
            );
        }
    }

    #[test]
    fn a_json_key_picks_one_string_member() {
        let value = SecretString::from(r#"{"key":"v","n":1}"#);
        assert_eq!(member(&value, "key").unwrap().expose_secret(), "v");
        assert_eq!(
            member(&value, "n").unwrap_err().code,
            Code::SecretUnavailable
        );
        assert_eq!(
            member(&value, "absent").unwrap_err().code,
            Code::SecretUnavailable
        );
        assert_eq!(
            member(&SecretString::from("plain"), "key")
                .unwrap_err()
                .code,
            Code::SecretUnavailable
        );
    }
}
