//! Hosts that the operator names, and whether an address may be connected to at all.

use super::address::{ends_in_a_number, is_global};
use crate::config::{ConfigError, Env};
use crate::error::{Code, Error};
use crate::host::HostName;
use http::Uri;
use std::net::IpAddr;

/// A list of `host` and `host:port`, comma-separated.
#[derive(Debug, Clone, Default)]
pub struct HostList(Vec<(HostName, Option<u16>)>);

impl HostList {
    /// The list in a variable; empty where the variable is not set.
    ///
    /// # Errors
    /// Where an entry is neither a host nor a host and a port.
    pub fn from_env(env: &Env, variable: &'static str) -> Result<Self, ConfigError> {
        env.authorities(variable).map(Self)
    }

    /// Whether the list names this host, with this port or without a port.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        if self.0.is_empty() {
            return false;
        }
        HostName::parse(host).is_ok_and(|host| {
            self.0
                .iter()
                .any(|(name, own)| *name == host && own.is_none_or(|own| own == port))
        })
    }

    /// Whether the list names the host and port of this address.
    pub fn allows_address(&self, uri: &Uri) -> bool {
        let https = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        uri.host().is_some_and(|host| self.allows(host, port))
    }
}

/// Hosts that may use plain http or have a private address. For development.
#[derive(Debug, Clone, Default)]
pub struct AllowedPrivate(HostList);

impl AllowedPrivate {
    /// The hosts that `ALLOW_PRIVATE_UPSTREAMS` names.
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

impl AllowedPrivate {
    /// Checks an address before anything is sent. A name is checked again when it is resolved.
    ///
    /// # Errors
    /// `upstream_forbidden` where it is not https, or not a global address.
    pub fn permit(&self, uri: &Uri) -> Result<(), Error> {
        self.route(uri).map(drop)
    }

    pub(super) fn route(&self, uri: &Uri) -> Result<Route, Error> {
        let forbid = |why: &'static str| Code::UpstreamForbidden.because(why);
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

/// Which of the client's connectors an address takes.
pub(super) enum Route {
    /// To global addresses over https alone.
    Guarded,
    /// To wherever the operator allowed.
    Open,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowed_host_is_that_host_and_port_alone() {
        let allowed = AllowedPrivate::from_env(&Env::from_pairs([(
            "ALLOW_PRIVATE_UPSTREAMS",
            "127.0.0.1:80, Dev.local",
        )]))
        .unwrap();
        let allowed = allowed.hosts();
        assert!(allowed.allows("127.0.0.1", 80) && allowed.allows("dev.LOCAL", 1));
        assert!(!allowed.allows("127.0.0.1", 81) && !allowed.allows("dev.local.evil", 1));
        assert!(
            AllowedPrivate::from_env(&Env::from_pairs([("ALLOW_PRIVATE_UPSTREAMS", "a b")]))
                .is_err()
        );
    }
}
