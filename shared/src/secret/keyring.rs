//! The keys that seal secrets: the secret that `SEALING_KEYS_SECRET_ID` names.

use crate::error::{Code, Error};
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde::Deserialize;
use std::{collections::HashMap, fmt};

/// A key's length in bytes: 256 bits.
const KEY: usize = 32;
/// Maximum length of a key's id.
const MAX_ID: usize = 64;

/// One key of the ring. Memory that held it is overwritten.
pub(super) type Key = SecretBox<[u8; KEY]>;

/// The keys that seal secrets, by id, and the id of the one that seals new ones.
pub struct Keyring {
    current: String,
    keys: HashMap<String, Key>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring(current {})", self.current)
    }
}

/// Why there is no keyring. It names what is wrong, and never a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// `SEALING_KEYS_SECRET_ID` is not set.
    #[error("SEALING_KEYS_SECRET_ID is not set")]
    NotConfigured,
    /// Secrets Manager did not give it.
    #[error("the keyring could not be read: {0}")]
    Unreadable(String),
    /// The secret's value is not a keyring.
    #[error("the secret of SEALING_KEYS_SECRET_ID is not a keyring: {0}")]
    Malformed(String),
}

impl From<KeyringError> for Error {
    /// The error for the operator, who may know what is wrong with the keyring.
    fn from(error: KeyringError) -> Self {
        match error {
            KeyringError::NotConfigured => Code::SealingKeysRequired.into(),
            KeyringError::Malformed(_) => Self::new(Code::SecretUnavailable, error.to_string()),
            KeyringError::Unreadable(_) => Self::new(
                Code::SecretUnavailable,
                "the secret of SEALING_KEYS_SECRET_ID could not be read; check its name and the function's rights",
            )
            .because(error),
        }
    }
}

impl Keyring {
    /// Reads `{"current": id, "keys": {id: base64 of 32 bytes}}`.
    ///
    /// # Errors
    /// `Malformed`, with what is wrong.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            current: String,
            keys: HashMap<String, SecretString>,
        }
        let malformed = |what: String| KeyringError::Malformed(what);
        // Serde's own words may quote a key.
        let Written { current, keys } = serde_json::from_str(text).map_err(|error| {
            malformed(format!(
                r#"it must be {{"current": id, "keys": {{id: base64 of 32 bytes}}}} (line {}, column {})"#,
                error.line(),
                error.column()
            ))
        })?;
        let mut ring = HashMap::with_capacity(keys.len());
        for (id, key) in keys {
            if !is_id(&id) {
                return Err(malformed(
                    "a key's id must be 1 to 64 of A-Z a-z 0-9 _ . -".into(),
                ));
            }
            let Some(key) = decode(&key) else {
                return Err(malformed(format!("key {id} is not base64 of 32 bytes")));
            };
            ring.insert(id, key);
        }
        if !ring.contains_key(&current) {
            return Err(malformed("`current` names no key of `keys`".into()));
        }
        Ok(Self {
            current,
            keys: ring,
        })
    }

    /// The id of the key that seals.
    pub fn current(&self) -> &str {
        &self.current
    }

    /// The key of this id.
    pub(super) fn key(&self, id: &str) -> Option<&Key> {
        self.keys.get(id)
    }
}

fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(plain)
}

fn decode(text: &SecretString) -> Option<Key> {
    Key::try_init_with(|| {
        let mut key = [0; KEY];
        let length = STANDARD
            .decode_slice(text.expose_secret(), &mut key)
            .ok()
            .filter(|length| *length == KEY);
        length.map(|_| key).ok_or(())
    })
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_has_a_current_key_of_32_bytes() {
        let ring = Keyring::parse(&format!(
            r#"{{"current": "b", "keys": {{"a": "{0}", "b": "{0}"}}}}"#,
            STANDARD.encode([7; 32])
        ))
        .unwrap();
        assert_eq!(ring.current(), "b");
        assert!(ring.key("a").is_some() && ring.key("c").is_none());
        assert_eq!(format!("{ring:?}"), "Keyring(current b)");
    }

    #[test]
    fn what_is_wrong_is_named_and_no_key_is() {
        let good = STANDARD.encode([7; 32]);
        let short = STANDARD.encode([7; 31]);
        let long = STANDARD.encode([7; 33]);
        let with = |key: &str| format!(r#"{{"current": "a", "keys": {{"a": "{key}"}}}}"#);
        for (text, named) in [
            (String::new(), "line"),
            (good.clone(), "line"),
            (format!("\"{good}\""), "line"),
            (
                format!(r#"{{"current": "a", "keys": {{"a": {good}}}}}"#),
                "line",
            ),
            (format!(r#"{{"current": "{good}"}}"#), "line"),
            (
                format!(r#"{{"current": "a", "keys": {{"a": ["{good}"]}}}}"#),
                "line",
            ),
            (
                format!(r#"{{"current": "a", "keys": {{"{good}": "{good}"}}}}"#),
                "id",
            ),
            (
                format!(r#"{{"current": "b", "keys": {{"a": "{good}"}}}}"#),
                "`current`",
            ),
            (r#"{"current": "a", "keys": {}}"#.into(), "`current`"),
            (with(&short), "key a"),
            (with(&long), "key a"),
            (with("hunter2"), "key a"),
            (with(""), "key a"),
        ] {
            let error = Keyring::parse(&text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
            for key in [&good, &short, &long, "hunter2"] {
                assert!(!error.contains(key), "{error}");
            }
        }
    }
}
