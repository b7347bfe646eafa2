//! Names of secrets, and the permits to read them. A tenant's secrets are named by their kind:
//!
//! | kind | name | permit |
//! |---|---|---|
//! | spent at providers | `{prefix}org/{organization}/keys/...` | `KeyPermit` |
//! | a chat connection's | `{prefix}org/{organization}/chat/...` | `ChatPermit` |
//! | signs outcomes | `{prefix}org/{organization}/callback-signing` | `CallbackPermit` |

use crate::config::{ConfigError, Env, malformed};
use crate::error::{Code, Error};
use crate::id::{OrganizationId, ProviderId};

/// Secrets Manager's bound on a name.
const MAX_NAME: usize = 512;

/// A secret's name, and the JSON member that a ref picks from it, if it picks one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName {
    pub(super) id: String,
    pub(super) json_key: Option<String>,
}

/// Permission to read one secret. The check that grants it returns it.
///
/// ```compile_fail
/// struct Forged;
/// impl postern::secret::Permit for Forged {}
/// ```
pub trait Permit: sealed::Named {}

mod sealed {
    pub trait Named {
        fn name(&self) -> &super::SecretName;
    }
}

macro_rules! permits {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(SecretName);

        impl sealed::Named for $name {
            fn name(&self) -> &SecretName {
                &self.0
            }
        }

        impl Permit for $name {}
    )*};
}

permits! {
    /// Permission to use a credential at a provider. A chat secret or a signing key cannot stand in for one:
    /// ```compile_fail
    /// fn spend(permit: postern::secret::KeyPermit) {}
    /// fn forge(permit: postern::secret::ChatPermit) { spend(permit) }
    /// ```
    KeyPermit;
    /// Permission to speak for a chat connection.
    ChatPermit;
    /// Permission to sign an organization's outcomes.
    CallbackPermit;
    /// Permission to read a secret of the operator's, which the environment names.
    OperatorSecret;
}

impl OperatorSecret {
    /// The secret that a variable names.
    ///
    /// # Errors
    /// Where the variable is missing, or is not a secret's id or ARN.
    pub fn from_env(env: &Env, variable: &'static str) -> Result<Self, ConfigError> {
        SecretName::parse(env.secret_ref(variable)?)
            .map(Self)
            .ok_or_else(|| malformed(variable, "must be a secret's id or ARN"))
    }
}

impl SecretName {
    /// Reads `<secret id>` or `<secret id>#<json key>`.
    fn parse(secret_ref: &str) -> Option<Self> {
        let (id, json_key) = match secret_ref.split_once('#') {
            Some((_, "")) => return None,
            Some((id, key)) => (id, Some(key.to_owned())),
            None => (secret_ref, None),
        };
        let visible = id.bytes().all(|byte| byte.is_ascii_graphic());
        (!id.is_empty() && id.len() <= MAX_NAME && visible).then(|| Self {
            id: id.to_owned(),
            json_key,
        })
    }

    /// Reads a ref whose secret lies under `folder`, which ends in a slash. The name that is compared is the
    /// name that will be read.
    fn under(folder: &str, secret_ref: &str) -> Result<Self, Error> {
        let outside = || Error::from(Code::SecretRefOutsideOrganization);
        let name = Self::parse(secret_ref).ok_or_else(outside)?;
        let own = name.id.strip_prefix(folder).ok_or_else(outside)?;
        // To Secrets Manager such a name is flat text, but not to every implementation of its API.
        if own.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(outside());
        }
        Ok(name)
    }

    fn whole(id: String) -> Self {
        Self { id, json_key: None }
    }
}

/// The names under which tenants' secrets live.
#[derive(Debug, Clone)]
pub struct SecretNames {
    prefix: String,
}

impl SecretNames {
    /// Names that begin with this prefix.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// The permit for a ref to one of this organization's credentials.
    ///
    /// # Errors
    /// `secret_ref_outside_organization` for every other name.
    pub fn key(&self, organization: &OrganizationId, secret_ref: &str) -> Result<KeyPermit, Error> {
        let folder = format!("{}org/{organization}/keys/", self.prefix);
        named(SecretName::under(&folder, secret_ref), &folder).map(KeyPermit)
    }

    /// The permit for a ref to one of this organization's chat secrets.
    ///
    /// # Errors
    /// `secret_ref_outside_organization` for every other name.
    pub fn chat(
        &self,
        organization: &OrganizationId,
        secret_ref: &str,
    ) -> Result<ChatPermit, Error> {
        let folder = format!("{}org/{organization}/chat/", self.prefix);
        named(SecretName::under(&folder, secret_ref), &folder).map(ChatPermit)
    }

    /// The permit for the key that signs the organization's outcomes.
    pub(crate) fn callbacks(&self, organization: &OrganizationId) -> CallbackPermit {
        let id = format!("{}org/{organization}/callback-signing", self.prefix);
        CallbackPermit(SecretName::whole(id))
    }

    /// The permit for the ref of a placeholder row without an organization.
    pub(crate) fn legacy(&self, secret_ref: &str) -> Result<KeyPermit, Error> {
        SecretName::under(&format!("{}legacy/", self.prefix), secret_ref).map(KeyPermit)
    }

    /// The permit for the operator's own key for a provider. Whether the organization may use it is checked before.
    pub(crate) fn system(&self, provider: &ProviderId) -> KeyPermit {
        let id = format!("{}system/{provider}", self.prefix);
        KeyPermit(SecretName::whole(id))
    }
}

/// Adds to the refusal where the secret must be. The caller may know its own folder.
fn named(name: Result<SecretName, Error>, folder: &str) -> Result<SecretName, Error> {
    name.map_err(|error| {
        let message = format!(
            "the field `secret_ref` must name a secret under {folder}, as {folder}name or {folder}name#member"
        );
        Error::new(error.code, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(id: &str) -> OrganizationId {
        OrganizationId::parse(id).unwrap()
    }

    #[test]
    fn a_ref_reads_only_its_own_kind_of_its_own_organization() {
        let names = SecretNames::new("postern/");
        for own in [
            "openai",
            "openai#key",
            "team/openai",
            "openai#k/../x",
            "a.b=c",
        ] {
            let key = format!("postern/org/a/keys/{own}");
            assert!(names.key(&org("a"), &key).is_ok(), "{own}");
            assert!(names.chat(&org("a"), &key).is_err(), "{own}");
            let chat = format!("postern/org/a/chat/{own}");
            assert!(names.chat(&org("a"), &chat).is_ok(), "{own}");
            assert!(names.key(&org("a"), &chat).is_err(), "{own}");
        }
        for foreign in [
            "postern/org/b/keys/openai",
            "postern/org/a",
            "postern/org/a/",
            "postern/org/a/openai",
            "postern/org/a/callback-signing",
            "postern/org/a/keys",
            "postern/org/a/keys/",
            "postern/org/a/keys/#key",
            "postern/org/a/keys/openai#",
            "postern/org/ab/keys/openai",
            "postern/org/a/keys/../../b/keys/openai",
            "postern/org/a/keys/./x",
            "postern/org/a/keys//x",
            "postern/org/a#/keys/x",
            "postern/org/b#postern/org/a/keys/x",
            "postern/legacy/x",
            "postern/system/openai",
            "prod/db",
            "arn:aws:secretsmanager:eu-central-1:1:secret:postern/org/a/keys/x",
            "",
        ] {
            for refused in [
                names.key(&org("a"), foreign).unwrap_err(),
                names.chat(&org("a"), foreign).unwrap_err(),
            ] {
                assert_eq!(
                    refused.code,
                    Code::SecretRefOutsideOrganization,
                    "{foreign}"
                );
            }
        }
    }

    #[test]
    fn the_name_that_is_compared_is_the_name_that_is_read() {
        let names = SecretNames::new("postern/");
        let permit = names.key(&org("a"), "postern/org/a/keys/x#k#l").unwrap();
        assert_eq!(permit.0.id, "postern/org/a/keys/x");
        assert_eq!(permit.0.json_key.as_deref(), Some("k#l"));
    }
}
