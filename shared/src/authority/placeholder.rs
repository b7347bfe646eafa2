//! What an agent holds instead of a credential. Only its hash is ever stored or compared.

use aws_lc_rs::digest;
use std::fmt;

/// The text that every placeholder begins with.
pub const MARK: &str = "postern_secret_";
const UUID_LEN: usize = 36;

/// A placeholder, `postern_secret_<uuid>`. `Debug` prints its type alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Placeholder(String);

/// SHA-256 of a placeholder's text: the key of its row.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlaceholderHash([u8; 32]);

/// The value in a place where a credential is read.
#[derive(Debug, PartialEq, Eq)]
pub enum Presented {
    /// A placeholder, alone or at the end of a longer value.
    Placeholder(Placeholder),
    /// It holds the mark, but does not end in a placeholder.
    Misplaced,
    /// Anything else.
    Other,
}

impl Placeholder {
    /// A new random one.
    pub fn mint() -> Self {
        Self(format!("{MARK}{}", uuid::Uuid::new_v4()))
    }

    /// Reads a credential's value. The placeholder is the whole value, or its end behind a prefix.
    pub fn read(value: &[u8]) -> Presented {
        let Some(at) = find(value, MARK.as_bytes()) else {
            return Presented::Other;
        };
        // A list of credentials in one header line is not one credential with a long prefix. Some clients insist on
        // a token that has a colon.
        let prefix_is_plain = value[..at]
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(b));
        match std::str::from_utf8(&value[at..]) {
            Ok(text) if prefix_is_plain && is_uuid(&text.as_bytes()[MARK.len()..]) => {
                Presented::Placeholder(Self(text.to_owned()))
            }
            Ok(_) | Err(_) => Presented::Misplaced,
        }
    }

    /// The placeholder in a text that holds one whole, whatever stands around it.
    pub fn within(text: &str) -> Option<Self> {
        let after = &text[text.find(MARK)? + MARK.len()..];
        let uuid = after.get(..UUID_LEN)?;
        is_uuid(uuid.as_bytes()).then(|| Self(format!("{MARK}{uuid}")))
    }

    /// The key of its row.
    pub fn hash(&self) -> PlaceholderHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref());
        PlaceholderHash(hash)
    }

    /// The text, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PlaceholderHash {
    /// The 32 bytes, as the database stores them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether the mark occurs anywhere in these bytes, percent-encoded or not.
pub fn mentions(bytes: &[u8]) -> bool {
    if find(bytes, MARK.as_bytes()).is_some() {
        return true;
    }
    bytes.contains(&b'%')
        && find(
            &percent_encoding::percent_decode(bytes).collect::<Vec<u8>>(),
            MARK.as_bytes(),
        )
        .is_some()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() == UUID_LEN
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

impl fmt::Debug for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Placeholder")
    }
}

impl fmt::Debug for PlaceholderHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlaceholderHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "postern_secret_1b4e28ba-2fa1-41d2-883f-0016d3cca427";

    #[test]
    fn it_stands_alone_or_behind_a_prefix_and_hashes_the_same() {
        let alone = Placeholder::read(TEXT.as_bytes());
        assert_eq!(alone, Presented::Placeholder(Placeholder(TEXT.into())));
        assert_eq!(
            Placeholder::read(format!("sk-ant-oat01-{TEXT}").as_bytes()),
            alone
        );
    }

    #[test]
    fn anything_after_the_uuid_is_misplaced_and_anything_else_is_no_placeholder() {
        for value in [
            format!("{TEXT}x"),
            format!("{TEXT} "),
            MARK.to_owned(),
            TEXT[..TEXT.len() - 1].to_owned(),
        ] {
            assert_eq!(
                Placeholder::read(value.as_bytes()),
                Presented::Misplaced,
                "{value}"
            );
        }
        assert_eq!(
            Placeholder::read(format!("junk,Bearer {TEXT}").as_bytes()),
            Presented::Misplaced
        );
        assert_eq!(
            Placeholder::read(format!("{TEXT}{TEXT}").as_bytes()),
            Presented::Misplaced
        );
        for value in ["", "sk-live", "postern_secre"] {
            assert_eq!(Placeholder::read(value.as_bytes()), Presented::Other);
        }
        assert_eq!(
            Placeholder::read(b"postern_secret_\xff\xfe"),
            Presented::Misplaced
        );
    }

    #[test]
    fn debug_does_not_print_it() {
        assert_eq!(format!("{:?}", Placeholder::mint()), "Placeholder");
    }

    #[test]
    fn the_mark_is_found_percent_encoded_too() {
        assert!(mentions(b"/x/postern_secret_1"));
        assert!(mentions(b"/x/%70ostern%5Fsecret_1"));
        assert!(!mentions(b"/x/%70oster"));
    }
}
