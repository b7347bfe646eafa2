//! The one HTTP client for everything that leaves: https to global addresses only, unless the operator allows
//! a host. The address that is checked is the address that is connected to.

use super::address::is_global;
use super::hosts::{AllowedPrivate, Route};
use crate::error::{Code, Error};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{
    Client,
    connect::{HttpConnector, dns::Name},
};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// Longest that connecting to a chat platform or to a callback address may take.
const CHAT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// An HTTP client that connects to no private address.
pub struct GuardedClient<B> {
    allowed: AllowedPrivate,
    guarded: Client<HttpsConnector<HttpConnector<GlobalOnly>>, B>,
    open: Client<HttpsConnector<HttpConnector>, B>,
}

impl<B> GuardedClient<B>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    /// A client over both HTTP/1.1 and HTTP/2 whose connecting is bounded by `connect_timeout`.
    pub fn new(
        allowed: AllowedPrivate,
        connect_timeout: Duration,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let tls = crate::wire::tls::client_config(None)?;
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

    /// A client for chat platforms and callback addresses.
    ///
    /// # Errors
    /// Where the platform's certificate roots cannot be read.
    pub fn for_chat(
        allowed: AllowedPrivate,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Self::new(allowed, CHAT_CONNECT_TIMEOUT)
    }

    /// The hosts that the operator allows beside global addresses.
    pub fn allowed(&self) -> &AllowedPrivate {
        &self.allowed
    }

    /// Sends a request. Redirects are returned, never followed.
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
            // Boxed: a connection's future is deep, and every future that holds one would be too.
            Route::Guarded => Box::pin(self.guarded.request(request)).await,
            Route::Open => Box::pin(self.open.request(request)).await,
        };
        response.map_err(SendError::from_client)
    }
}

/// Why a request got no response.
#[derive(Debug)]
pub enum SendError {
    /// Nothing was sent.
    Refused(Error),
    /// The request may have arrived.
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
                return Self::Refused(Code::UpstreamForbidden.because(NotGlobal));
            }
            next = cause.source();
        }
        let error = Code::UpstreamUnreachable.because(error);
        if connecting {
            Self::Refused(error)
        } else {
            Self::Broken(error)
        }
    }

    /// The error itself.
    pub fn into_error(self) -> Error {
        match self {
            Self::Refused(error) | Self::Broken(error) => error,
        }
    }
}

#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the host resolves to an address that is not global")]
struct NotGlobal;

/// Resolves names. The connector uses exactly what it returns, so there is no second lookup to attack.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_private_address_is_refused_however_it_is_written() {
        let client: GuardedClient<http_body_util::Empty<bytes::Bytes>> =
            GuardedClient::new(AllowedPrivate::default(), Duration::from_secs(2)).unwrap();
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
