//! Names of secrets, and the permits to read them. A tenant's secrets are named by their kind:
//!
//! | kind | name | permit |
//! |---|---|---|
//! | spent at providers | `{prefix}org/{organization}/keys/...` | `KeyPermit` |
//! | a chat connection's | `{prefix}org/{organization}/chat/...` | `ChatPermit` |
//! | signs outcomes | `{prefix}org/{organization}/callback-signing` | `CallbackPermit` |
//!
//! Or sealed in the database, under names of the same kinds: `sealed:keys/...`, `sealed:chat/...`, and
//! `callback-signing`.

use super::sealed::{Sealed, SealedId, SealedName, SealedRows};
use crate::config::{ConfigError, Env, malformed};
use crate::error::{Code, Error};
use crate::id::{OrganizationId, ProviderId};

/// Secrets Manager's bound on a name.
const MAX_NAME: usize = 512;

/// What begins a ref to a sealed secret. No name in Secrets Manager does: its alphabet has no colon.
const SEALED: &str = "sealed:";

/// Where a secret is, and the JSON member that a ref picks from it, if it picks one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName {
    pub(super) home: Home,
    pub(super) json_key: Option<String>,
}

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Home {
    /// Secrets Manager, under this id or ARN.
    Manager { id: String },
    /// The database. The row is there once the permit has found it.
    Sealed { id: SealedId, row: Option<Sealed> },
}

impl std::fmt::Display for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Manager { id } => write!(f, "secret {id}"),
            Self::Sealed { id, row: None } => write!(f, "{id}"),
            Self::Sealed { id, row: Some(row) } => write!(f, "{id}, version {}", row.version),
        }
    }
}

/// Permission to read one secret. The check that grants it returns it.
///
/// ```compile_fail
/// struct Forged;
/// impl postern::secret::Permit for Forged {}
/// ```
pub trait Permit: private::Named + Sized {
    /// The sealed secret that it permits to read; `None` for one in Secrets Manager.
    fn sealed(&self) -> Option<&SealedId> {
        match &self.name().home {
            Home::Sealed { id, .. } => Some(id),
            Home::Manager { .. } => None,
        }
    }

    /// The permit, with the row of its own secret if that is among these.
    #[must_use]
    fn found_in(mut self, rows: &SealedRows) -> Self {
        if let Home::Sealed { id, row } = &mut self.name_mut().home {
            *row = rows.of(id).cloned();
        }
        self
    }

    /// Whether the secret is where it is said to be, as far as is known: a sealed one needs its row.
    fn is_found(&self) -> bool {
        !matches!(&self.name().home, Home::Sealed { row: None, .. })
    }
}

pub(super) mod private {
    pub trait Named {
        fn name(&self) -> &super::SecretName;
        fn name_mut(&mut self) -> &mut super::SecretName;
    }
}

macro_rules! permits {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(SecretName);

        impl private::Named for $name {
            fn name(&self) -> &SecretName {
                &self.0
            }

            fn name_mut(&mut self) -> &mut SecretName {
                &mut self.0
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
        managed(env.secret_ref(variable)?)
            .map(|(id, json_key)| Self(SecretName::managed(id, json_key)))
            .ok_or_else(|| malformed(variable, "must be a secret's id or ARN"))
    }

    /// The same, or `None` where the variable is not set.
    ///
    /// # Errors
    /// The variable is not a secret's id or ARN.
    pub fn optional(env: &Env, variable: &'static str) -> Result<Option<Self>, ConfigError> {
        match env.get(variable)? {
            None => Ok(None),
            Some(_) => Self::from_env(env, variable).map(Some),
        }
    }
}

/// Splits a ref into the secret's id and the JSON key, if it has one.
fn split(secret_ref: &str) -> Option<(&str, Option<&str>)> {
    match secret_ref.split_once('#') {
        Some((_, "")) => None,
        Some((id, key)) => Some((id, Some(key))),
        None => Some((secret_ref, None)),
    }
}

/// Reads `<secret id>` or `<secret id>#<json key>`, as Secrets Manager names secrets.
fn managed(secret_ref: &str) -> Option<(&str, Option<&str>)> {
    let (id, json_key) = split(secret_ref)?;
    let visible = id.bytes().all(|byte| byte.is_ascii_graphic());
    (!id.is_empty() && id.len() <= MAX_NAME && visible).then_some((id, json_key))
}

impl SecretName {
    fn managed(id: &str, json_key: Option<&str>) -> Self {
        let home = Home::Manager { id: id.to_owned() };
        Self::at(home, json_key)
    }

    fn at(home: Home, json_key: Option<&str>) -> Self {
        Self {
            home,
            json_key: json_key.map(str::to_owned),
        }
    }

    /// Reads a ref whose secret lies under `folder`, which ends in a slash. The name that is compared is the
    /// name that will be read.
    fn under(folder: &str, secret_ref: &str) -> Option<Self> {
        let (id, json_key) = managed(secret_ref)?;
        let own = id.strip_prefix(folder)?;
        // To Secrets Manager such a name is flat text, but not to every implementation of its API.
        let plain = !own.split('/').any(|part| matches!(part, "" | "." | ".."));
        plain.then(|| Self::managed(id, json_key))
    }

    /// Reads a ref to a sealed secret of this organization and of the kind that `folder` begins.
    fn sealed(organization: &OrganizationId, folder: &str, secret_ref: &str) -> Option<Self> {
        let (name, json_key) = split(secret_ref.strip_prefix(SEALED)?)?;
        let name = SealedName::parse(name).ok()?;
        name.as_str().strip_prefix(folder)?;
        let id = SealedId {
            organization: organization.clone(),
            name,
        };
        let home = Home::Sealed { id, row: None };
        Some(Self::at(home, json_key))
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
        self.of_kind(organization, "keys/", secret_ref)
            .map(KeyPermit)
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
        self.of_kind(organization, "chat/", secret_ref)
            .map(ChatPermit)
    }

    /// Reads a ref to a secret of this organization and of this kind, in either home.
    fn of_kind(
        &self,
        organization: &OrganizationId,
        kind: &str,
        secret_ref: &str,
    ) -> Result<SecretName, Error> {
        let folder = format!("{}org/{organization}/{kind}", self.prefix);
        let name = if secret_ref.starts_with(SEALED) {
            SecretName::sealed(organization, kind, secret_ref)
        } else {
            SecretName::under(&folder, secret_ref)
        };
        // The caller may know its own folder.
        name.ok_or_else(|| {
            let message = format!(
                "the field `secret_ref` must name a secret under {folder}, as {folder}name or {folder}name#member, or \
                 a sealed one, as {SEALED}{kind}name or {SEALED}{kind}name#member"
            );
            Error::new(Code::SecretRefOutsideOrganization, message)
        })
    }

    /// The permit for the key in Secrets Manager that signs the organization's outcomes.
    pub(crate) fn callbacks(&self, organization: &OrganizationId) -> CallbackPermit {
        let id = format!("{}org/{organization}/callback-signing", self.prefix);
        CallbackPermit(SecretName::managed(&id, None))
    }

    /// The permit for the sealed key that signs the organization's outcomes, where it has one.
    pub(crate) fn sealed_callbacks(&self, organization: &OrganizationId) -> CallbackPermit {
        let id = SealedId {
            organization: organization.clone(),
            name: SealedName::callback_signing(),
        };
        CallbackPermit(SecretName::at(Home::Sealed { id, row: None }, None))
    }

    /// The permit for the ref of a placeholder row without an organization. Such a row has no sealed secret: each
    /// of those belongs to an organization.
    pub(crate) fn legacy(&self, secret_ref: &str) -> Result<KeyPermit, Error> {
        SecretName::under(&format!("{}legacy/", self.prefix), secret_ref)
            .map(KeyPermit)
            .ok_or_else(|| Code::SecretRefOutsideOrganization.into())
    }

    /// The permit for the operator's own key for a provider. Whether the organization may use it is checked before.
    pub(crate) fn system(&self, provider: &ProviderId) -> KeyPermit {
        let id = format!("{}system/{provider}", self.prefix);
        KeyPermit(SecretName::managed(&id, None))
    }
}

#[cfg(test)]
mod tests;
