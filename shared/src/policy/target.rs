//! What is about to be sent, read in every way in which a server might read it.

use super::MAX_METHODS;
use crate::host::HostName;
use http::Uri;
use std::borrow::Cow;

/// How the host is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl std::str::FromStr for Scheme {
    type Err = &'static str;
    fn from_str(value: &str) -> Result<Self, Self::Err> {
        match value {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            _ => Err("must be `http` or `https`"),
        }
    }
}

/// What is about to be sent, and where. `None` is what a tunnel or a header hides.
#[derive(Debug, Clone)]
pub struct Target {
    pub scheme: Scheme,
    pub host: HostName,
    pub port: u16,
    path: Option<String>,
    /// Without the credential's parameter. No rule looks at it; a judge does.
    query: Option<String>,
    /// Methods as of which a server may take the request, its own first.
    methods: Vec<String>,
    paths: Vec<PathReading>,
}

/// A path as one kind of server reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathReading {
    pub exact: String,
    /// For servers that do not tell the cases apart.
    pub lower: String,
}

impl PathReading {
    fn new(exact: String) -> Self {
        Self {
            lower: exact.to_lowercase(),
            exact,
        }
    }
}

impl Target {
    /// A request of this method to this address, which is as it will be sent. None where it is not
    /// http(s), or its host is none.
    pub fn from_uri(uri: &Uri, method: &str) -> Option<Self> {
        let scheme: Scheme = uri.scheme_str()?.parse().ok()?;
        let host = HostName::parse(uri.host()?).ok()?;
        let port = uri.port_u16().unwrap_or(scheme.default_port());
        Some(Self::new(
            scheme,
            host,
            port,
            Some(method),
            Some(uri.path()),
        ))
    }

    /// A request of this method to this path, which is as it will be sent: encoded, without query.
    pub fn new(
        scheme: Scheme,
        host: HostName,
        port: u16,
        method: Option<&str>,
        path: Option<&str>,
    ) -> Self {
        let mut paths = Vec::new();
        // Servers follow dot segments before or after they decode and merge what is around them, so a
        // path with any leads anywhere.
        if let Some(resolved) = path.and_then(resolved) {
            let as_sent = path.map(as_sent).unwrap_or_default();
            paths.push(PathReading::new(as_sent));
            let resolved = PathReading::new(resolved);
            if resolved != paths[0] {
                paths.push(resolved);
            }
        }
        Self {
            scheme,
            host,
            port,
            methods: method.map(str::to_ascii_uppercase).into_iter().collect(),
            path: path.map(str::to_owned),
            query: None,
            paths,
        }
    }

    /// The same with this query, which holds no credential; none where it is empty.
    pub fn with_query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into()).filter(|query| !query.is_empty());
        self
    }

    /// The same where a header tells the server to take the request as of another method, or of one of
    /// several.
    pub fn with_possible_method(mut self, method: &str) -> Self {
        for method in method.split(',') {
            // One more than are served is enough to be refused.
            if self.methods.len() > MAX_METHODS {
                break;
            }
            let method = method.trim().to_ascii_uppercase();
            if !self.methods.contains(&method) {
                self.methods.push(method);
            }
        }
        self
    }

    /// The same where a header tells the server to take another path: nobody knows it.
    pub fn with_unknown_path(mut self) -> Self {
        self.path = None;
        self.paths.clear();
        self
    }

    /// The methods as of which it may be taken, its own first; none where a tunnel hides it.
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// Its own method.
    pub fn method(&self) -> Option<&str> {
        self.methods.first().map(String::as_str)
    }

    /// The path as it is sent; none where it is hidden.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The query as it is sent, without a credential.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Each way in which the request may be read; `None` is any method, any path.
    pub(super) fn readings(&self) -> impl Iterator<Item = (Option<&str>, Option<&PathReading>)> {
        let methods = or_hidden(self.methods.iter().map(String::as_str));
        methods.flat_map(|method| or_hidden(self.paths.iter()).map(move |path| (method, path)))
    }
}

/// Each of them, or once `None` where there is none.
fn or_hidden<T>(items: impl ExactSizeIterator<Item = T>) -> impl Iterator<Item = Option<T>> {
    let hidden = (items.len() == 0).then_some(None);
    items.map(Some).chain(hidden)
}

/// Decoded once, but for the separators that only some servers decode.
fn as_sent(path: &str) -> String {
    decode(path, |byte| !matches!(byte, b'/' | b'\\')).into_owned()
}

/// As the most obliging server reads it: decoded to the end, separators of either kind, without
/// parameters and empty segments. None where there are dot segments, or forms that few servers decode.
fn resolved(path: &str) -> Option<String> {
    let mut text = path.to_owned();
    // Each round takes characters away, and nobody decodes more often than this.
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

/// The path with those of its encoded bytes decoded that `wanted` takes; borrowed where there are none.
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

/// Whether some server would read a separator where others see none: `%u002f`, or a character that is
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
    fn a_path_is_read_as_sent_and_as_the_most_obliging_server_would() {
        let readings = |path: &str| -> Vec<String> {
            let host = HostName::parse("h").unwrap();
            let target = Target::new(Scheme::Https, host, 443, Some("get"), Some(path));
            assert!(target.readings().all(|(method, _)| method == Some("GET")));
            let paths = target
                .readings()
                .filter_map(|(_, path)| path.map(|path| path.exact.clone()));
            paths.collect()
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
