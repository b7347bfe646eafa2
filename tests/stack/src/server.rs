//! A small HTTP/1.1 server on loopback that hands over requests as they arrive, with their paths unchanged.

use crate::Result;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{future::Future, net::SocketAddr};
use tokio::{net::TcpListener, task::JoinHandle};

/// A body of any kind; an error in it breaks the connection.
pub type Body = UnsyncBoxBody<Bytes, crate::Error>;

/// A running server; dropping it closes its connections.
pub struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves `handle` at this address. An `Err` from the handler drops the connection without an answer.
    pub async fn start<H, F>(address: SocketAddr, handle: H) -> Result<Self>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response<Body>>> + Send + 'static,
    {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| format!("port {} of {}: {error}", address.port(), address.ip()))?;
        Self::on(listener, handle)
    }

    /// The same at any free port of loopback, without an `await`.
    pub fn start_now<H, F>(handle: H) -> Result<Self>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response<Body>>> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind(LOOPBACK)?;
        listener.set_nonblocking(true)?;
        Self::on(TcpListener::from_std(listener)?, handle)
    }

    fn on<H, F>(listener: TcpListener, handle: H) -> Result<Self>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response<Body>>> + Send + 'static,
    {
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            // The set is dropped with this task, so that no connection outlives the server.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let _ = stream.set_nodelay(true);
                let handle = handle.clone();
                connections.spawn(async move {
                    // A broken connection concerns only its peer.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service_fn(handle))
                        .await;
                });
            }
        });
        Ok(Self { address, accepting })
    }
}

/// Any free port of loopback.
pub const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A whole body.
pub fn whole(body: impl Into<Bytes>) -> Body {
    use http_body_util::{BodyExt, Full};
    Full::new(body.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A JSON answer.
pub fn json(status: u16, body: &serde_json::Value) -> Result<Response<Body>> {
    Ok(Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(whole(body.to_string()))?)
}

/// The same answer with this header.
pub fn with(
    mut response: Response<Body>,
    name: &'static str,
    value: &str,
) -> Result<Response<Body>> {
    response.headers_mut().insert(name, value.parse()?);
    Ok(response)
}
