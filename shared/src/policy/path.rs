//! A path in every reading that a server may give it.

use std::borrow::Cow;

/// A path as one kind of server reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathReading {
    /// Decoded; upper and lower case as they are sent.
    pub exact: String,
    /// In lower case, for servers that take upper and lower case for the same.
    pub lower: String,
}

impl PathReading {
    /// The reading of a server that reads the path as this.
    pub(super) fn new(exact: String) -> Self {
        Self {
            lower: exact.to_lowercase(),
            exact,
        }
    }

    /// Each reading of a path that is as it will be sent: encoded, without query. Empty where a server may
    /// read any path.
    pub(super) fn all(path: &str) -> Vec<Self> {
        // Servers follow dot segments before or after they decode and merge what is around them, so a
        // path with any leads anywhere.
        let Some(resolved) = resolved(path).map(Self::new) else {
            return Vec::new();
        };
        let mut readings = vec![Self::new(as_sent(path))];
        if resolved != readings[0] {
            readings.push(resolved);
        }
        readings
    }
}

/// The path decoded once, except separators, which only some servers decode.
fn as_sent(path: &str) -> String {
    decode(path, |byte| !matches!(byte, b'/' | b'\\')).into_owned()
}

/// The path as the most lenient server reads it: decoded to the end, with separators of either kind, without
/// parameters and empty segments. `None` where it has dot segments, or forms that few servers decode.
fn resolved(path: &str) -> Option<String> {
    let mut text = path.to_owned();
    // Each round removes characters, and nobody decodes more often than this.
    for _ in 0..8 {
        if is_oddly_encoded(&text) {
            return None;
        }
        match decode(&text, |_| true) {
            Cow::Borrowed(_) => break,
            Cow::Owned(decoded) => text = decoded,
        }
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split(['/', '\\']) {
        match segment.split(';').next().unwrap_or_default() {
            "" => {}
            "." | ".." => return None,
            plain => segments.push(plain),
        }
    }
    Some(format!("/{}", segments.join("/")))
}

/// The path with those of its encoded bytes decoded for which `wanted` holds; borrowed if there are none.
fn decode(path: &str, wanted: impl Fn(u8) -> bool) -> Cow<'_, str> {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let (mut at, mut changed) = (0, false);
    while at < bytes.len() {
        let encoded = (bytes[at] == b'%')
            .then(|| byte(bytes.get(at + 1..at + 3)?))
            .flatten()
            .filter(|byte| wanted(*byte));
        match encoded {
            Some(byte) => {
                decoded.push(byte);
                (at, changed) = (at + 3, true);
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    if changed {
        Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
    } else {
        Cow::Borrowed(path)
    }
}

/// Whether some server would read a separator where others do not: `%u002f`, or a character that is
/// written in more bytes of UTF-8 than it needs (RFC 3629 section 3).
fn is_oddly_encoded(path: &str) -> bool {
    let bytes = path.as_bytes();
    let encoded = |at: usize| {
        (bytes.get(at) == Some(&b'%'))
            .then(|| byte(bytes.get(at + 1..at + 3)?))
            .flatten()
    };
    (0..bytes.len()).any(|at| {
        let unicode = matches!(bytes.get(at..at + 2), Some(b"%u" | b"%U"))
            && bytes
                .get(at + 2..at + 6)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let overlong = match (encoded(at), encoded(at + 3)) {
            (Some(0xc0 | 0xc1), _) => true,
            (Some(0xe0), Some(next)) => next < 0xa0,
            (Some(0xf0), Some(next)) => next < 0x90,
            _ => false,
        };
        unicode || overlong
    })
}

/// A byte of two hexadecimal digits.
fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_sent_and_as_the_most_lenient_server_would() {
        let readings = |path: &str| -> Vec<String> {
            let readings = PathReading::all(path);
            readings.into_iter().map(|path| path.exact).collect()
        };
        for (path, read) in [
            ("/v1/chat", vec!["/v1/chat"]),
            ("/v1/%63hat", vec!["/v1/chat"]),
            ("/v1/../admin", vec![]),
            ("/v1/%2e%2e/admin", vec![]),
            ("/v1/%252e%252e/admin", vec![]),
            ("/v1/x%2f./admin", vec![]),
            ("/v1/..;x/admin", vec![]),
            ("/v1/%c0%af..", vec![]),
            ("/v1%c0%afadmin", vec![]),
            ("/v1/%e0%80%afadmin", vec![]),
            ("/v1/%25c0%25afadmin", vec![]),
            ("/v1%u002fadmin", vec![]),
            ("/v1/5%us", vec!["/v1/5%us"]),
            ("/v1/%c3%a9", vec!["/v1/\u{e9}"]),
            ("/v1/...", vec!["/v1/..."]),
            ("/v1%2fadmin", vec!["/v1%2fadmin", "/v1/admin"]),
            ("/v1//admin", vec!["/v1//admin", "/v1/admin"]),
            ("/v1\\admin", vec!["/v1\\admin", "/v1/admin"]),
            ("/v1;x=1/admin", vec!["/v1;x=1/admin", "/v1/admin"]),
            ("/100%/%zz", vec!["/100%/%zz"]),
            ("/%", vec!["/%"]),
            ("/%ff", vec!["/\u{fffd}"]),
            ("/\u{e9}%", vec!["/\u{e9}%"]),
        ] {
            assert_eq!(readings(path), read, "{path}");
        }
    }
}
