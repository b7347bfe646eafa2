//! SHA-256, and bytes in hexadecimal.

use aws_lc_rs::digest::{Context, SHA256, digest};
use std::fmt::Write;

/// SHA-256 of these parts in this order. Each part is hashed with its length, so two different lists never
/// hash as the same text.
pub(crate) fn sha256_of_parts(parts: &[&str]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// SHA-256 of the bytes as they are.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// The bytes in lower-case hexadecimal.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Reads exactly `N` bytes of hexadecimal, in either case. Any other text is `None`.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, at) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Reads bytes of hexadecimal, however many. Any other text is `None`.
pub(crate) fn bytes_from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_part_ends_counts() {
        let of = sha256_of_parts;
        assert_ne!(of(&["a|b", "c"]), of(&["a", "b|c"]));
        assert_ne!(of(&["ab", ""]), of(&["a", "b"]));
        assert_ne!(of(&["ab"]), of(&["ab", ""]));
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
    }

    #[test]
    fn hexadecimal_is_read_only_at_its_exact_length() {
        assert_eq!(to_hex(&[0, 255]), "00ff");
        assert_eq!(from_hex("00Ff"), Some([0, 255]));
        for bad in ["", "00f", "00ff0", "00fg", "0x00", "\u{e9}\u{e9}"] {
            assert_eq!(from_hex::<2>(bad), None, "{bad}");
        }
        assert_eq!(bytes_from_hex("00Ff7a"), Some(vec![0, 255, 122]));
        assert_eq!(bytes_from_hex(""), Some(vec![]));
        for bad in ["00f", "0", "00fg", "+1", "\u{e9}\u{e9}"] {
            assert_eq!(bytes_from_hex(bad), None, "{bad}");
        }
    }
}
