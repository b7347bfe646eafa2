//! A sealed secret: its name, its row, and the rows that one statement returned.

use crate::id::OrganizationId;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::fmt;

/// Maximum length of a name.
const MAX_NAME: usize = 128;
/// What begins the name of each kind, and the one name that is a kind of its own.
const FOLDERS: [&str; 3] = ["keys/", "chat/", "oauth/"];
const CALLBACK_SIGNING: &str = "callback-signing";

/// A text that is not the name of a sealed secret. It holds the rule, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to 128 of A-Z a-z 0-9 _ - . /, without an empty, . or .. segment, and begin with keys/, chat/ or \
     oauth/, or be callback-signing"
)]
pub struct InvalidSealedName;

/// The name of a sealed secret, unique within its organization. It begins with the secret's kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct SealedName(String);

impl SealedName {
    /// The name, if the text obeys the rule.
    ///
    /// # Errors
    /// The text is not a name.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidSealedName> {
        let text = text.into();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
        let segments = |name: &str| name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        let kind = |name: &str| {
            name == CALLBACK_SIGNING || FOLDERS.iter().any(|folder| name.starts_with(folder))
        };
        let named =
            text.len() <= MAX_NAME && text.bytes().all(plain) && segments(&text) && kind(&text);
        named.then_some(Self(text)).ok_or(InvalidSealedName)
    }

    /// The name of the key that signs an organization's outcomes.
    pub(super) fn callback_signing() -> Self {
        Self(CALLBACK_SIGNING.into())
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SealedName {
    type Error = InvalidSealedName;
    fn try_from(text: String) -> Result<Self, InvalidSealedName> {
        Self::parse(text)
    }
}

impl fmt::Display for SealedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which sealed secret: whose, and of what name. Both are bound into what is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SealedId {
    /// The organization that owns it.
    pub organization: OrganizationId,
    /// Its name.
    pub name: SealedName,
}

impl fmt::Display for SealedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sealed secret {} of organization {}",
            self.name, self.organization
        )
    }
}

/// What the row of a sealed secret holds. It says nothing without the keyring.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Sealed {
    /// Counts the writes, from a number that the time gives the first.
    pub version: i64,
    /// The key of the ring that it is sealed with.
    pub key_id: String,
    /// The nonce, the ciphertext and the tag.
    #[serde(deserialize_with = "hex")]
    pub sealed: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed(version {}, key {})", self.version, self.key_id)
    }
}

fn hex<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    crate::digest::bytes_from_hex(&text).ok_or_else(|| D::Error::custom("must be hexadecimal"))
}

/// Rows of sealed secrets, as one statement returned them. A permit finds its own row among them, by the identity
/// that it permits to read; nothing hands a permit a row.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Vec<WrittenRow>")]
pub struct SealedRows(Vec<SealedRow>);

#[derive(Debug, Clone)]
struct SealedRow {
    id: SealedId,
    sealed: Sealed,
}

/// A row as it is written. Its name may be one that no ref can name.
#[derive(Deserialize)]
struct WrittenRow {
    organization_id: OrganizationId,
    name: String,
    #[serde(flatten)]
    sealed: Sealed,
}

impl From<Vec<WrittenRow>> for SealedRows {
    fn from(rows: Vec<WrittenRow>) -> Self {
        let named = |row: WrittenRow| {
            let id = SealedId {
                organization: row.organization_id,
                name: SealedName::parse(row.name).ok()?,
            };
            Some((id, row.sealed))
        };
        rows.into_iter().filter_map(named).collect()
    }
}

impl SealedRows {
    /// The row of this secret, if it is among these.
    pub(super) fn of(&self, id: &SealedId) -> Option<&Sealed> {
        self.0
            .iter()
            .find(|row| row.id == *id)
            .map(|row| &row.sealed)
    }
}

impl FromIterator<(SealedId, Sealed)> for SealedRows {
    fn from_iter<T: IntoIterator<Item = (SealedId, Sealed)>>(rows: T) -> Self {
        let row = |(id, sealed)| SealedRow { id, sealed };
        Self(rows.into_iter().map(row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_begins_with_its_kind_and_has_plain_segments() {
        for good in [
            "keys/openai",
            "keys/team/openai.v2_x-1",
            "chat/slack",
            "oauth/github",
            "callback-signing",
            "keys/...",
            &format!("keys/{}", "x".repeat(123)),
        ] {
            assert_eq!(SealedName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "keys",
            "keys/",
            "keys//x",
            "keys/x/",
            "keys/./x",
            "keys/../chat/x",
            "keys/..",
            "/keys/x",
            "other/x",
            "callback-signing/x",
            "callback-signing2",
            "Keys/x",
            "keys/a b",
            "keys/a#b",
            "keys/ünï",
            "keys/a\n",
            "sealed:keys/x",
            &format!("keys/{}", "x".repeat(124)),
        ] {
            assert_eq!(SealedName::parse(bad), Err(InvalidSealedName), "{bad:?}");
        }
    }

    #[test]
    fn a_row_is_found_by_its_organization_and_its_name_alone() {
        let rows = json!([{"organization_id": "a", "name": "keys/x", "version": 3, "key_id": "k", "sealed": "00ff"}]);
        let rows: SealedRows = serde_json::from_value(rows).unwrap();
        let id = |organization: &str, name: &str| SealedId {
            organization: OrganizationId::parse(organization).unwrap(),
            name: SealedName::parse(name).unwrap(),
        };
        let found = rows.of(&id("a", "keys/x")).unwrap();
        assert_eq!((found.version, found.sealed.as_slice()), (3, &[0, 255][..]));
        assert!(rows.of(&id("b", "keys/x")).is_none());
        assert!(rows.of(&id("a", "keys/y")).is_none());
    }
}
