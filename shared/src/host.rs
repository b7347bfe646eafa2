//! Host names and addresses, in one form.

use std::fmt;
use url::Host;

/// A text that is no host name and no address. It holds the rule, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidHost(&'static str);

/// A host as policies compare it: lower case, Punycode, no trailing dot, addresses in their one form
/// (the WHATWG URL standard's host parser).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// # Errors
    /// Where it is neither a name nor an address, or holds more than that, such as a port.
    pub fn parse(host: &str) -> Result<Self, InvalidHost> {
        const RULE: InvalidHost =
            InvalidHost("must be a host name or an address, without scheme, port, user or path");
        // The parser would decode percent-encoding, which no host is written in.
        if host.is_empty() || host.len() > 255 || host.contains('%') {
            return Err(RULE);
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        match Host::parse(host).map_err(|_| RULE)? {
            Host::Domain(name) if !is_domain(&name) => Err(RULE),
            host @ (Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) => Ok(Self(host.to_string())),
        }
    }

    /// The host in its one form. An IPv6 address is in brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a name, which may have domains above it, and not an address.
    pub fn is_name(&self) -> bool {
        !self.0.starts_with('[') && self.0.parse::<std::net::Ipv4Addr>().is_err()
    }

    /// The domains above a name, the nearest first.
    pub fn above(&self) -> impl Iterator<Item = Self> {
        let mut name = self.is_name().then_some(self.0.as_str());
        std::iter::from_fn(move || {
            let (_, above) = name?.split_once('.')?;
            name = Some(above);
            Some(Self(above.to_owned()))
        })
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether each label is of letters, digits, `-` and `_`. The URL standard would allow more.
fn is_domain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    let label = |label: &str| !label.is_empty() && label.bytes().all(plain);
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_form() {
        for (written, form) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.COM.", "api.example.com"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("127.1", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("[::0001]", "[::1]"),
            ("\u{ff41}pi.example.com", "api.example.com"),
        ] {
            let parsed = HostName::parse(written).map(|host| host.to_string());
            assert_eq!(parsed.as_deref(), Ok(form), "{written}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a b",
            "a/b",
            "a:443",
            "u@a",
            "*",
            "*.a",
            "a%2eb",
            "https://a",
            "[::1",
            "a..",
            &"x".repeat(256),
        ] {
            assert!(HostName::parse(bad).is_err(), "{bad}");
        }
    }
}
