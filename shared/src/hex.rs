//! Bytes in hexadecimal.

use std::fmt::Write;

/// In lower case.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Exactly `N` bytes, in either case.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, at) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_exactly_that_many_bytes_is_none() {
        assert_eq!(encode(&[0, 255]), "00ff");
        assert_eq!(decode("00Ff"), Some([0, 255]));
        for bad in ["", "00f", "00ff0", "00fg", "0x00", "\u{e9}\u{e9}"] {
            assert_eq!(decode::<2>(bad), None, "{bad}");
        }
    }
}
