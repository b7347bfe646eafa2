//! The one HTTP client for everything that leaves: https to global addresses only, unless the
//! operator allows a host. The address that is checked is the address that is connected to.

use crate::config::{ConfigError, Env};
use crate::error::{Code, Error};
use http::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{
    Client,
    connect::{HttpConnector, dns::Name},
};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A list of `host` and `host:port`, comma-separated.
#[derive(Debug, Clone, Default)]
pub struct HostList(Vec<(String, Option<u16>)>);

impl HostList {
    /// The list in a variable; empty where it is not set.
    ///
    /// # Errors
    /// Where an entry is neither a host nor a host and a port.
    pub fn from_env(env: &Env, variable: &'static str) -> Result<Self, ConfigError> {
        env.authorities(variable).map(Self)
    }

    /// Whether the list names this host with this port, or with none.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        self.0
            .iter()
            .any(|(name, own)| name.eq_ignore_ascii_case(host) && own.is_none_or(|own| own == port))
    }

    /// Whether the list names the host and port of this address.
    pub fn allows_address(&self, uri: &Uri) -> bool {
        let https = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        uri.host().is_some_and(|host| self.allows(host, port))
    }
}

/// Hosts that may be plain http or private. For development.
#[derive(Debug, Clone, Default)]
pub struct AllowedPrivate(HostList);

impl AllowedPrivate {
    /// What `ALLOW_PRIVATE_UPSTREAMS` names.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        HostList::from_env(env, "ALLOW_PRIVATE_UPSTREAMS").map(Self)
    }

    /// The hosts.
    pub fn hosts(&self) -> &HostList {
        &self.0
    }
}

/// An HTTP client that cannot be talked into a private address.
pub struct Egress<B> {
    allowed: AllowedPrivate,
    guarded: Client<HttpsConnector<HttpConnector<GlobalOnly>>, B>,
    open: Client<HttpsConnector<HttpConnector>, B>,
}

/// What may be connected to, as far as the address itself tells; a name is checked when it is resolved.
impl AllowedPrivate {
    /// # Errors
    /// `upstream_forbidden`: not https, or not a global address.
    pub fn permit(&self, uri: &Uri) -> Result<(), Error> {
        self.route(uri).map(drop)
    }

    fn route(&self, uri: &Uri) -> Result<Route, Error> {
        let forbid = |why: &'static str| Error::from(Code::UpstreamForbidden).because(why);
        let host = uri.host().ok_or_else(|| forbid("no host"))?;
        let https = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        if self.0.allows_address(uri) {
            return Ok(Route::Open);
        }
        if !https {
            return Err(forbid("not https"));
        }
        // The resolver never sees a literal address.
        match host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
        {
            Ok(address) if is_global(address) => Ok(Route::Guarded),
            Ok(_) => Err(forbid("not a global address")),
            Err(_) if ends_in_a_number(host) => Err(forbid("an address in other than dotted form")),
            Err(_) => Ok(Route::Guarded),
        }
    }
}

impl<B> Egress<B>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    /// A client over both HTTP/1.1 and HTTP/2 whose connecting is bounded by `connect_timeout`.
    pub fn new(
        allowed: AllowedPrivate,
        connect_timeout: Duration,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let tls = crate::pem::client_config(None)?;
        let mut guarded = HttpConnector::new_with_resolver(GlobalOnly {
            timeout: connect_timeout,
        });
        let mut open = HttpConnector::new();
        guarded.enforce_http(false);
        open.enforce_http(false);
        guarded.set_connect_timeout(Some(connect_timeout));
        open.set_connect_timeout(Some(connect_timeout));
        guarded.set_nodelay(true);
        open.set_nodelay(true);
        let https = || hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls.clone());
        let mut builder = Client::builder(TokioExecutor::new());
        // Shorter than the usual keep-alive of servers, since a frozen environment sees no FIN.
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20));
        Ok(Self {
            allowed,
            guarded: builder.build(
                https()
                    .https_only()
                    .enable_all_versions()
                    .wrap_connector(guarded),
            ),
            open: builder.build(
                https()
                    .https_or_http()
                    .enable_all_versions()
                    .wrap_connector(open),
            ),
        })
    }

    /// What the operator allows beyond global addresses.
    pub fn allowed(&self) -> &AllowedPrivate {
        &self.allowed
    }

    /// Sends a request; redirects are passed back, never followed.
    ///
    /// # Errors
    /// `upstream_forbidden` before anything is sent; `upstream_unreachable` with the cause.
    pub async fn send(
        &self,
        request: http::Request<B>,
    ) -> Result<http::Response<hyper::body::Incoming>, SendError>
    where
        B: Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let response = match self
            .allowed
            .route(request.uri())
            .map_err(SendError::Refused)?
        {
            Route::Guarded => self.guarded.request(request).await,
            Route::Open => self.open.request(request).await,
        };
        response.map_err(SendError::from_client)
    }
}

/// Whether some resolvers would read this name as an IPv4 address, decimal, octal or hexadecimal
/// (the WHATWG URL standard's "ends in a number").
fn ends_in_a_number(host: &str) -> bool {
    let last = host
        .trim_end_matches('.')
        .rsplit('.')
        .next()
        .unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit())
        || hex.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

enum Route {
    Guarded,
    Open,
}

/// Why a request got no answer.
#[derive(Debug)]
pub enum SendError {
    /// Nothing was sent.
    Refused(Error),
    /// It may have arrived.
    Broken(Error),
}

impl SendError {
    fn from_client(error: hyper_util::client::legacy::Error) -> Self {
        let connecting = error.is_connect();
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = next {
            let hidden = cause
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            if cause.is::<NotGlobal>() || hidden.is_some_and(|inner| inner.is::<NotGlobal>()) {
                return Self::Refused(Error::from(Code::UpstreamForbidden).because(NotGlobal));
            }
            next = cause.source();
        }
        let error = Error::from(Code::UpstreamUnreachable).because(error);
        if connecting {
            Self::Refused(error)
        } else {
            Self::Broken(error)
        }
    }

    pub fn into_error(self) -> Error {
        match self {
            Self::Refused(error) | Self::Broken(error) => error,
        }
    }
}

#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the host resolves to an address that is not global")]
struct NotGlobal;

/// The resolver hook: what it returns is what is connected to, so there is no second look-up to trick.
#[derive(Clone)]
struct GlobalOnly {
    timeout: Duration,
}

impl tower::Service<Name> for GlobalOnly {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let timeout = self.timeout;
        Box::pin(async move {
            let found = tokio::time::timeout(timeout, tokio::net::lookup_host((name.as_str(), 0)))
                .await??;
            let addresses: Vec<SocketAddr> = found.collect();
            if addresses.iter().any(|address| !is_global(address.ip())) {
                return Err(io::Error::other(NotGlobal));
            }
            Ok(addresses.into_iter())
        })
    }
}

/// Whether an address is global unicast by IANA's special-purpose registries, an IPv4 address inside
/// an IPv6 form judged as itself.
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_global_v4(v4),
        IpAddr::V6(v6) => is_global_v6(v6),
    }
}

/// IANA IPv4 Special-Purpose Address Registry, with multicast and the reserved class E.
const NOT_GLOBAL_V4: [(Ipv4Addr, u32); 14] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

fn is_global_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !NOT_GLOBAL_V4
        .iter()
        .any(|(network, length)| (bits ^ network.to_bits()) >> (32 - length) == 0)
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        is_global_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
    };
    match segments {
        // IPv4-mapped, and NAT64's well-known prefix.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            embedded(high, low)
        }
        // IETF protocol assignments, Teredo, ORCHID and benchmarking among them.
        [0x2001, second, ..] if second < 0x200 => false,
        [0x2001, 0xdb8, ..] => false,
        // 6to4 wraps an IPv4 address and is deprecated.
        [0x2002, ..] => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Only 2000::/3 is global unicast.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_global_unicast_is_global() {
        for global in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_global(global.parse().unwrap()), "{global}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "fc00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "100::1",
            "3fff::1",
            "5f00::1",
            "fd00:ec2::254",
        ] {
            assert!(!is_global(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn an_allowed_host_is_that_host_and_port_alone() {
        let allowed = AllowedPrivate::from_env(&Env::of([(
            "ALLOW_PRIVATE_UPSTREAMS",
            "127.0.0.1:80, Dev.local",
        )]))
        .unwrap();
        let allowed = allowed.hosts();
        assert!(allowed.allows("127.0.0.1", 80) && allowed.allows("dev.LOCAL", 1));
        assert!(!allowed.allows("127.0.0.1", 81) && !allowed.allows("dev.local.evil", 1));
        assert!(AllowedPrivate::from_env(&Env::of([("ALLOW_PRIVATE_UPSTREAMS", "a b")])).is_err());
    }

    #[tokio::test]
    async fn a_private_address_is_refused_however_it_is_written() {
        let client: Egress<http_body_util::Empty<bytes::Bytes>> =
            Egress::new(AllowedPrivate::default(), Duration::from_secs(2)).unwrap();
        for address in [
            "http://example.com/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://localhost/",
            "https://169.254.169.254/",
        ] {
            let request = http::Request::get(address)
                .body(http_body_util::Empty::new())
                .unwrap();
            let error = client.send(request).await.unwrap_err().into_error();
            assert_eq!(
                error.code,
                Code::UpstreamForbidden,
                "{address}: {:?}",
                error.cause()
            );
        }
    }
}
