//! Opens sealed secrets, with the keyring from Secrets Manager.

use super::cache::{AFTER_A_REFUSAL, Freshness, Secrets, pick};
use super::keyring::{Keyring, KeyringError};
use super::name::{Home, Permit, SecretName, private::Named};
use super::sealed::{Sealed, SealedId};
use super::sealing::Unopened;
use secrecy::{ExposeSecret, SecretString};

impl Secrets {
    /// Whether there are sealed secrets: `SEALING_KEYS_SECRET_ID` is set.
    pub fn seals(&self) -> bool {
        self.sealing_keys.is_some()
    }

    /// Reads into the cache what this permit will need, so that nothing waits for it later. A failure shows then.
    pub async fn read_ahead(&self, permit: &impl Permit) {
        let keys = self.sealing_keys.as_ref().map(Named::name);
        let (SecretName { home, .. }, keys) = (permit.name(), keys.map(|keys| &keys.home));
        if let (Home::Manager { id }, _) | (Home::Sealed { .. }, Some(Home::Manager { id })) =
            (home, keys)
        {
            let _ = self.value(id, Freshness::Cached).await;
        }
    }

    /// The keyring.
    ///
    /// # Errors
    /// It is not configured, cannot be read, or is malformed.
    pub async fn keyring(&self, freshness: Freshness) -> Result<Keyring, KeyringError> {
        let secret = self.sealing_keys.as_ref().map(Named::name);
        // The operator's secrets are in Secrets Manager.
        let Some(SecretName {
            home: Home::Manager { id },
            json_key,
        }) = secret
        else {
            return Err(KeyringError::NotConfigured);
        };
        let text = self.value(id, freshness).await;
        let text = text
            .and_then(|text| pick(text, json_key.as_deref()))
            .map_err(|cause| KeyringError::Unreadable(format!("read secret {id}: {cause}")))?;
        Keyring::parse(text.expose_secret())
    }

    /// The value of a sealed secret. A key that the cached ring lacks may be newer than it, so the ring is then read
    /// again, at most once in ten seconds.
    pub(super) async fn open(
        &self,
        id: &SealedId,
        row: Option<&Sealed>,
    ) -> Result<SecretString, String> {
        let row = row.ok_or("there is no such row")?;
        let cached = self.keyring(Freshness::Cached).await;
        let cached = cached.map_err(|error| error.to_string())?;
        match cached.open(id, row) {
            Err(Unopened::UnknownKey) => {
                let fresh = self.keyring(AFTER_A_REFUSAL).await;
                let fresh = fresh.map_err(|error| error.to_string())?;
                fresh.open(id, row)
            }
            opened @ (Ok(_) | Err(Unopened::Altered)) => opened,
        }
        .map_err(|unopened| unopened.to_string())
    }
}
