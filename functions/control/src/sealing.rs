//! Sealed secrets: written, and sealed again under the current key. No value is given back.

use crate::command::{PutSecret, Reseal};
use postern::secret::{Freshness, Keyring, Sealed, SealedId, SealedName};
use postern::store::{StaleSecret, Written};
use postern::{Code, Error, Secrets, Store};
use serde_json::{Value, json};

/// Rows that one search for stale ones returns.
const PAGE: i64 = 100;
/// Rows that cannot be opened in one run. They are looked at in each run, so many of them would bound nothing.
const MOST_FAILED: u32 = 1000;
/// How often a write is tried whose row others change at the same time.
const TRIES: usize = 10;

/// Sealed secrets, as the operator's commands change them.
pub(crate) struct Sealing<'a> {
    pub store: &'a Store,
    pub secrets: &'a Secrets,
}

impl Sealing<'_> {
    /// `put_secret`. A value that the row holds already changes nothing.
    ///
    /// # Errors
    /// `sealing_keys_required`, `secret_unavailable`, `unknown_organization`, `database_unavailable`.
    pub(crate) async fn put(&self, put: PutSecret) -> Result<Written, Error> {
        let ring = self.keyring().await?;
        let value = put.value.as_secret();
        let id = SealedId {
            organization: put.organization_id,
            name: put.name,
        };
        for _ in 0..TRIES {
            let former = self.store.sealed_secret(&id).await?;
            let Some(row) = ring.replace(&id, former.as_ref(), value)? else {
                return Ok(Written::Done);
            };
            let written = self
                .store
                .sealed_secret_put(&id, former.as_ref(), &row)
                .await?;
            if let Some(written) = written {
                return Ok(written);
            }
        }
        Err(Error::new(
            Code::DatabaseUnavailable,
            "others write this secret at the same time; retry shortly",
        ))
    }

    /// `reseal`. Looks at each row that is not under the current key, until it has sealed `limit` of them again, or has
    /// met a thousand that cannot be opened.
    ///
    /// # Errors
    /// `sealing_keys_required`, `secret_unavailable`, `database_unavailable`.
    pub(crate) async fn reseal(&self, reseal: &Reseal) -> Result<Value, Error> {
        let ring = self.keyring().await?;
        let (mut resealed, mut failed) = (0_u32, 0_u32);
        let mut last: Option<StaleSecret> = None;
        loop {
            let page = self
                .store
                .sealed_secrets_stale(ring.current(), last.as_ref(), PAGE)
                .await?;
            if page.is_empty() {
                break;
            }
            for stale in page {
                if resealed == reseal.limit || failed == MOST_FAILED {
                    return Ok(json!({"resealed": resealed, "failed": failed, "remaining": true}));
                }
                match self.renew(&ring, &stale).await? {
                    Renewed::Done => resealed += 1,
                    Renewed::ByAnother => {}
                    Renewed::Failed => failed += 1,
                }
                last = Some(stale);
            }
        }
        Ok(json!({"resealed": resealed, "failed": failed, "remaining": false}))
    }

    async fn renew(&self, ring: &Keyring, stale: &StaleSecret) -> Result<Renewed, Error> {
        let failed = |version: Option<i64>, cause: &str| {
            tracing::error!(
                event = "reseal_failed",
                organization_id = stale.organization.as_str(),
                name = stale.name,
                version,
                key_id = stale.key_id,
                cause
            );
            Renewed::Failed
        };
        let name = match SealedName::parse(stale.name.as_str()) {
            Ok(name) => name,
            Err(rule) => return Ok(failed(None, &rule.to_string())),
        };
        let id = SealedId {
            organization: stale.organization.clone(),
            name,
        };
        let Some(former) = self.store.sealed_secret(&id).await? else {
            return Ok(Renewed::ByAnother);
        };
        if former.key_id == ring.current() {
            return Ok(Renewed::ByAnother);
        }
        let row: Sealed = match ring.renew(&id, &former)? {
            Ok(row) => row,
            Err(unopened) => return Ok(failed(Some(former.version), &unopened.to_string())),
        };
        let written = self.store.sealed_secret_put(&id, Some(&former), &row);
        Ok(match written.await? {
            Some(Written::Done) => Renewed::Done,
            Some(
                Written::UnknownOrganization
                | Written::UnknownAgent
                | Written::Taken
                | Written::TooMany,
            )
            | None => Renewed::ByAnother,
        })
    }

    /// The keyring as it is now, so that a new key is used as soon as it is current.
    async fn keyring(&self) -> Result<Keyring, Error> {
        Ok(self.secrets.keyring(Freshness::Fresh).await?)
    }
}

/// What became of a row that was not under the current key.
enum Renewed {
    Done,
    /// Another wrote or deleted it meanwhile.
    ByAnother,
    /// It cannot be opened. It stays as it is.
    Failed,
}
