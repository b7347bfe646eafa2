//! Sealing and opening: AES-256-GCM under a key of the organization's own. What a row says of itself is bound into
//! the seal, so a row that was moved, renamed or altered does not open.

use super::keyring::{Key, Keyring};
use super::sealed::{Sealed, SealedId};
use crate::error::{Code, Error};
use crate::id::OrganizationId;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use std::time::{SystemTime, UNIX_EPOCH};

/// Sets these keys apart from whatever else may be derived from the same ring.
const SALT: &[u8] = b"postern sealed secrets 1";

/// Why a row could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// The ring has no key of the row's id.
    #[error("its key is not in the keyring")]
    UnknownKey,
    /// The row is not as it was sealed for this organization, name, version and key.
    #[error("it was altered, or sealed as another")]
    Altered,
}

impl Keyring {
    /// The row that holds this value next. `None` if `former` holds it already. A former row that cannot be opened
    /// is replaced.
    ///
    /// # Errors
    /// `internal`.
    pub fn replace(
        &self,
        id: &SealedId,
        former: Option<&Sealed>,
        value: &SecretString,
    ) -> Result<Option<Sealed>, Error> {
        let same = |open: SecretString| open.expose_secret() == value.expose_secret();
        if former.is_some_and(|row| self.open(id, row).is_ok_and(same)) {
            return Ok(None);
        }
        let version = former.map_or_else(before_the_first, |row| row.version);
        self.seal(id, version, value).map(Some)
    }

    /// The row that holds the same value under the current key.
    ///
    /// # Errors
    /// The row could not be opened; or `internal`, in the outer result.
    pub fn renew(&self, id: &SealedId, row: &Sealed) -> Result<Result<Sealed, Unopened>, Error> {
        match self.open(id, row) {
            Ok(value) => self.seal(id, row.version, &value).map(Ok),
            Err(unopened) => Ok(Err(unopened)),
        }
    }

    /// Opens a row.
    pub(super) fn open(&self, id: &SealedId, row: &Sealed) -> Result<SecretString, Unopened> {
        let key = self.key(&row.key_id).ok_or(Unopened::UnknownKey)?;
        open(key, id, row).ok_or(Unopened::Altered)
    }

    /// Seals a value as the version after `former`, with the current key and a random nonce.
    fn seal(&self, id: &SealedId, former: i64, value: &SecretString) -> Result<Sealed, Error> {
        let sealed = || {
            let key = self.key(self.current())?;
            let mut row = Sealed {
                version: former.checked_add(1)?,
                key_id: self.current().to_owned(),
                sealed: Vec::new(),
            };
            row.sealed = seal(key, id, &row, value.expose_secret().as_bytes()).ok()?;
            Some(row)
        };
        sealed().ok_or_else(|| Code::Internal.because(format!("{id} could not be sealed")))
    }
}

/// The version before a new row's first. A name that is deleted and written again has other versions than before, so a
/// row of the former one is never taken for a row of this one: a million for each second.
fn before_the_first() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.unwrap_or_default().as_secs();
    i64::try_from(seconds)
        .unwrap_or_default()
        .saturating_mul(1_000_000)
}

/// The organization's own key, derived from one of the ring.
fn derive(key: &Key, organization: &OrganizationId) -> Result<LessSafeKey, Unspecified> {
    let extracted = Salt::new(HKDF_SHA256, SALT).extract(key.expose_secret());
    let info = [organization.as_str().as_bytes()];
    let derived = extracted.expand(&info, &AES_256_GCM)?;
    Ok(LessSafeKey::new(UnboundKey::from(derived)))
}

/// What a row says of itself, each part with its length.
fn identity(id: &SealedId, row: &Sealed) -> Aad<Vec<u8>> {
    let version = row.version.to_be_bytes();
    let parts: [&[u8]; 4] = [
        id.organization.as_str().as_bytes(),
        id.name.as_str().as_bytes(),
        &version,
        row.key_id.as_bytes(),
    ];
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    Aad::from(bytes)
}

fn seal(key: &Key, id: &SealedId, row: &Sealed, value: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce)?;
    // It never grows while it holds the value, so no copy of the value is left behind.
    let mut sealed = Vec::with_capacity(NONCE_LEN + value.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(value);
    let tag = derive(key, &id.organization)?.seal_in_place_separate_tag(
        Nonce::assume_unique_for_key(nonce),
        identity(id, row),
        &mut sealed[NONCE_LEN..],
    )?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

fn open(key: &Key, id: &SealedId, row: &Sealed) -> Option<SecretString> {
    let (nonce, rest) = row.sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut rest = Zeroizing::new(rest.to_vec());
    let key = derive(key, &id.organization).ok()?;
    let value = key
        .open_in_place(nonce, identity(id, row), &mut rest)
        .ok()?;
    std::str::from_utf8(value).ok().map(SecretString::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SealedName;
    use base64::{Engine, engine::general_purpose::STANDARD};

    const VALUE: &str = "sk-the-real-key";

    fn ring(current: &str) -> Keyring {
        let key = |byte| STANDARD.encode([byte; 32]);
        Keyring::parse(&format!(
            r#"{{"current": "{current}", "keys": {{"old": "{}", "new": "{}"}}}}"#,
            key(1),
            key(2)
        ))
        .unwrap()
    }

    fn id(organization: &str, name: &str) -> SealedId {
        SealedId {
            organization: OrganizationId::parse(organization).unwrap(),
            name: SealedName::parse(name).unwrap(),
        }
    }

    fn sealed(ring: &Keyring, former: Option<&Sealed>, value: &str) -> Sealed {
        ring.replace(&id("a", "keys/x"), former, &value.into())
            .unwrap()
            .unwrap()
    }

    /// The writes since the name was written first.
    fn count(row: &Sealed) -> i64 {
        row.version % 1_000_000
    }

    fn opened(id: &SealedId, row: &Sealed) -> Result<String, Unopened> {
        let value = ring("new").open(id, row)?;
        Ok(value.expose_secret().to_owned())
    }

    #[test]
    fn a_sealed_value_opens_as_it_was_and_no_two_seals_are_alike() {
        let row = sealed(&ring("new"), None, VALUE);
        assert_eq!((count(&row), row.key_id.as_str()), (1, "new"));
        assert_eq!(opened(&id("a", "keys/x"), &row).unwrap(), VALUE);
        assert!(
            !row.sealed
                .windows(4)
                .any(|part| part == &VALUE.as_bytes()[..4])
        );
        assert_ne!(sealed(&ring("new"), None, VALUE).sealed, row.sealed);
    }

    #[test]
    fn a_row_opens_as_what_it_was_sealed_as_and_as_nothing_else() {
        let own = id("a", "keys/x");
        let row = sealed(&ring("new"), None, VALUE);
        for other in [
            id("b", "keys/x"),
            id("a", "keys/y"),
            id("a", "chat/x"),
            // The same bytes, cut elsewhere.
            id("ak", "keys/x"),
        ] {
            assert_eq!(opened(&other, &row), Err(Unopened::Altered), "{other}");
        }
        for (altered, why) in [
            (
                Sealed {
                    version: row.version + 1,
                    ..row.clone()
                },
                Unopened::Altered,
            ),
            (
                Sealed {
                    version: 0,
                    ..row.clone()
                },
                Unopened::Altered,
            ),
            (
                Sealed {
                    key_id: "old".into(),
                    ..row.clone()
                },
                Unopened::Altered,
            ),
            (
                Sealed {
                    key_id: "gone".into(),
                    ..row.clone()
                },
                Unopened::UnknownKey,
            ),
            (
                Sealed {
                    sealed: vec![],
                    ..row.clone()
                },
                Unopened::Altered,
            ),
            (
                Sealed {
                    sealed: row.sealed[..NONCE_LEN].to_vec(),
                    ..row.clone()
                },
                Unopened::Altered,
            ),
        ] {
            assert_eq!(opened(&own, &altered), Err(why), "{altered:?}");
        }
        for at in 0..row.sealed.len() {
            let mut altered = row.clone();
            altered.sealed[at] ^= 1;
            assert_eq!(opened(&own, &altered), Err(Unopened::Altered), "{at}");
        }
        // The ciphertext of an older version does not stand for the newer one.
        let newer = sealed(&ring("new"), Some(&row), "another");
        let older = Sealed {
            sealed: row.sealed,
            ..newer
        };
        assert_eq!(opened(&own, &older), Err(Unopened::Altered));
    }

    #[test]
    fn each_part_of_the_identity_counts_and_where_it_ends() {
        let identity = |organization: &str, name: &str, version, key_id: &str| {
            let row = Sealed {
                version,
                key_id: key_id.into(),
                sealed: vec![],
            };
            identity(&id(organization, name), &row).as_ref().to_vec()
        };
        let all = [
            identity("a", "keys/x", 1, "k"),
            identity("b", "keys/x", 1, "k"),
            identity("a", "keys/y", 1, "k"),
            identity("a", "keys/x", 2, "k"),
            identity("a", "keys/x", 1, "l"),
            identity("ak", "keys/x", 1, "k"),
            identity("a", "keys/xk", 1, ""),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn each_organization_and_each_ring_has_keys_of_its_own() {
        let key = |byte: u8| Key::init_with(|| [byte; 32]);
        let (a, b) = (id("a", "keys/x"), id("b", "keys/x"));
        let row = Sealed {
            version: 1,
            key_id: "k".into(),
            sealed: vec![],
        };
        let sealed = seal(&key(1), &a, &row, b"value").unwrap();
        let open_with = |key: &Key, organization: &OrganizationId| {
            // The identity of `a` whatever the key, so only the key can fail.
            let mut rest = sealed[NONCE_LEN..].to_vec();
            let nonce = Nonce::try_assume_unique_for_key(&sealed[..NONCE_LEN]).unwrap();
            derive(key, organization)
                .unwrap()
                .open_in_place(nonce, identity(&a, &row), &mut rest)
                .is_ok()
        };
        assert!(open_with(&key(1), &a.organization));
        assert!(!open_with(&key(1), &b.organization));
        assert!(!open_with(&key(2), &a.organization));
    }

    #[test]
    fn the_same_value_is_not_sealed_again_and_another_is_the_next_version() {
        let own = id("a", "keys/x");
        let first = sealed(&ring("old"), None, VALUE);
        assert!(
            ring("new")
                .replace(&own, Some(&first), &VALUE.into())
                .unwrap()
                .is_none()
        );
        let second = sealed(&ring("new"), Some(&first), "another");
        assert_eq!((count(&second), second.key_id.as_str()), (2, "new"));
        // One that cannot be opened is replaced.
        let lost = Sealed {
            key_id: "gone".into(),
            ..second.clone()
        };
        assert_eq!(count(&sealed(&ring("new"), Some(&lost), "another")), 3);
        let renewed = ring("new").renew(&own, &first).unwrap().unwrap();
        assert_eq!((count(&renewed), renewed.key_id.as_str()), (2, "new"));
        assert_eq!(opened(&own, &renewed).unwrap(), VALUE);
        assert_eq!(
            ring("new").renew(&own, &lost).unwrap(),
            Err(Unopened::UnknownKey)
        );
        // A version that cannot be counted up is not written over.
        let last = Sealed {
            version: i64::MAX,
            ..lost
        };
        assert!(
            ring("new")
                .replace(&own, Some(&last), &VALUE.into())
                .is_err()
        );
    }
}
