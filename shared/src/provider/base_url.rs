//! A provider's address, parsed once.

use crate::host::HostName;
use crate::policy::Target;
use http::{Uri, uri::Authority};
use percent_encoding::percent_decode_str;

/// The address to which a request's path is added.
#[derive(Debug, Clone)]
pub(super) struct BaseUrl {
    /// Its host in the one form, its port only where it is not the scheme's, and no slash at its end.
    text: String,
    /// Where its path begins in the text.
    path_at: usize,
    /// What a request to it would be compared with.
    target: Target,
}

impl BaseUrl {
    /// # Errors
    /// The rule, where the text does not obey it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "must be http(s)://host[:port][/path] without user, query, fragment or a segment of dots";
        let uri: Uri = text.parse().map_err(|_| RULE)?;
        let authority = uri.authority().ok_or(RULE)?;
        if !is_plain(authority) || uri.query().is_some() || text.contains(['#', '?']) {
            return Err(RULE);
        }
        if has_steps(uri.path()) {
            return Err(RULE);
        }
        let target = Target::from_uri(&uri, "GET").ok_or(RULE)?;
        let mut text = format!("{}://{}", target.scheme.as_str(), target.host);
        if target.port != target.scheme.default_port() {
            text += &format!(":{}", target.port);
        }
        let path_at = text.len();
        text += uri.path().trim_end_matches('/');
        Ok(Self {
            text,
            path_at,
            target,
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Its path, without a slash at its end; empty for the root.
    pub(super) fn path(&self) -> &str {
        &self.text[self.path_at..]
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn host(&self) -> &HostName {
        &self.target.host
    }

    /// Whether host and port are the same. The scheme is not compared: a tunnel does not show it.
    pub(super) fn is_at(&self, target: &Target) -> bool {
        (self.host(), self.target.port) == (&target.host, target.port)
    }
}

/// Whether a path has a segment that some servers and clients take for a step, such as `..`.
pub(super) fn has_steps(path: &str) -> bool {
    let is_step = |segment: &str| {
        let segment = percent_decode_str(segment).decode_utf8_lossy();
        matches!(segment.as_ref(), "." | "..")
    };
    path.split('/').any(is_step)
}

/// Whether an authority is a host and perhaps a valid port, without a user.
pub(super) fn is_plain(authority: &Authority) -> bool {
    let host = authority.host();
    match authority.as_str().strip_prefix(host) {
        Some("") => true,
        Some(port) => {
            let digits = port.strip_prefix(':').filter(|port| !port.starts_with('+'));
            digits.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_a_plain_address() {
        for (text, whole, path) in [
            ("https://a.example", "https://a.example", ""),
            ("https://A.example.:8443/", "https://a.example:8443", ""),
            ("https://a.example:443/v1", "https://a.example/v1", "/v1"),
            ("http://[::1]:81/x/y//", "http://[::1]:81/x/y", "/x/y"),
        ] {
            let base = BaseUrl::parse(text).unwrap();
            assert_eq!((base.text(), base.path()), (whole, path), "{text}");
        }
        for bad in [
            "",
            "a.example",
            "/x",
            "ftp://a.example",
            "https://u@a.example",
            "https://u:p@a.example",
            "https://a.example?x",
            "https://a.example/?",
            "https://a.example#x",
            "https://a.example/x#",
            "https://a b.example",
            "https://",
            "https://:443",
            "https://a.example/./x",
            "https://a.example/x/%2e.",
            "https://a.example:99999",
            "https://a.example:0",
            "https://a.example:x",
            "https://a.example:",
        ] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
