//! A request that is about to be sent, in every reading that a server may give it.

use super::path::PathReading;
use crate::host::HostName;
use http::Uri;

/// Most methods that a request may be taken for. A request that names more is denied.
pub(super) const MAX_POSSIBLE_METHODS: usize = 16;
/// Most characters of a method. The longest that is registered has 17.
pub const MAX_METHOD_LENGTH: usize = 32;

/// The protocol that the host is called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The scheme as URLs write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of a URL that names none.
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

/// A request that is about to be sent. What a tunnel or a header hides is `None` or empty.
#[derive(Debug, Clone)]
pub struct Target {
    /// The protocol.
    pub scheme: Scheme,
    /// The host.
    pub host: HostName,
    /// The TCP port.
    pub port: u16,
    path: Option<String>,
    /// Without the credential's parameter. Rules do not look at it; a judge does.
    query: Option<String>,
    /// Methods that a server may take the request for, its own first.
    methods: Vec<String>,
    paths: Vec<PathReading>,
}

/// One way in which a server may read a request. `None` is any method, any path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    /// The method, in upper case.
    pub method: Option<&'a str>,
    /// The path.
    pub path: Option<&'a PathReading>,
}

impl Target {
    /// A request of this method to this address, which is as it will be sent. `None` where the address is not
    /// http(s), or its host is invalid.
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

    /// A request of this method to this path, which is as it will be sent: encoded, without query. `None` is
    /// what a tunnel hides.
    pub fn new(
        scheme: Scheme,
        host: HostName,
        port: u16,
        method: Option<&str>,
        path: Option<&str>,
    ) -> Self {
        Self {
            scheme,
            host,
            port,
            methods: method.map(str::to_ascii_uppercase).into_iter().collect(),
            paths: path.map(PathReading::all).unwrap_or_default(),
            path: path.map(str::to_owned),
            query: None,
        }
    }

    /// The same request with this query, which holds no credential. An empty query counts as none.
    pub fn with_query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into()).filter(|query| !query.is_empty());
        self
    }

    /// The same request with a header that tells the server to take it for another method, or for one of
    /// several, separated by commas.
    pub fn with_possible_method(mut self, method: &str) -> Self {
        for method in method.split(',') {
            // One more than the limit is enough to be denied.
            if self.methods.len() > MAX_POSSIBLE_METHODS {
                break;
            }
            let method = method.trim().to_ascii_uppercase();
            if !self.methods.contains(&method) {
                self.methods.push(method);
            }
        }
        self
    }

    /// The same request with a header that tells the server to take another path: nobody knows which.
    pub fn with_unknown_path(mut self) -> Self {
        self.path = None;
        self.paths.clear();
        self
    }

    /// The methods that a server may take it for, its own first; empty where a tunnel hides them.
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// Its own method; `None` where a tunnel hides it.
    pub fn method(&self) -> Option<&str> {
        self.methods.first().map(String::as_str)
    }

    /// The path as it is sent; `None` where it is hidden.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The query as it is sent, without a credential; `None` where it is empty.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Whether its methods are too many or too long. Nobody sends such a request with a purpose that should be
    /// served.
    pub(super) fn has_odd_methods(&self) -> bool {
        let long = |method: &String| method.len() > MAX_METHOD_LENGTH;
        self.methods.len() > MAX_POSSIBLE_METHODS || self.methods.iter().any(long)
    }

    /// Each way in which a server may read the request.
    pub(super) fn readings(&self) -> impl Iterator<Item = Reading<'_>> {
        let methods = or_hidden(self.methods.iter().map(String::as_str));
        methods.flat_map(|method| {
            or_hidden(self.paths.iter()).map(move |path| Reading { method, path })
        })
    }
}

/// Each of the items, or `None` once if there are no items.
fn or_hidden<T>(items: impl ExactSizeIterator<Item = T>) -> impl Iterator<Item = Option<T>> {
    let hidden = (items.len() == 0).then_some(None);
    items.map(Some).chain(hidden)
}
