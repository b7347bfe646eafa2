//! TLS to the upstream: HTTP/2 where the upstream offers it, and only with a certificate that verifies.

use crate::world::{Answer, World, through};
use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

/// An https upstream on loopback that answers with the request's HTTP version.
struct Https {
    port: u16,
    certificate: PathBuf,
    accepting: JoinHandle<()>,
}

impl Drop for Https {
    fn drop(&mut self) {
        self.accepting.abort();
        let _ = std::fs::remove_file(&self.certificate);
    }
}

impl Https {
    async fn start(offers: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let name = format!("{}.pem", uuid::Uuid::new_v4());
        let certificate = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut config = ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        config.alpn_protocols = offers.iter().map(|own| own.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that does not trust the certificate hangs up.
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    let stream = TokioIo::new(stream);
                    if http2 {
                        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                            .serve_connection(stream, service_fn(answer))
                            .await;
                    } else {
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(stream, service_fn(answer))
                            .await;
                    }
                });
            }
        });
        Self {
            port,
            certificate,
            accepting,
        }
    }

    /// What the proxy answers when this is its provider; `trusted` says whether its roots include the
    /// certificate.
    async fn called(&self, host: &str, trusted: bool) -> Answer {
        let providers =
            json!([{"slug": "tls", "provider_id": "openai", "auth": {"header": "x-api-key"},
            "base_url": format!("https://{host}:{}", self.port)}])
            .to_string();
        let mut env = vec![
            ("PROVIDERS", providers.as_str()),
            ("ALLOW_PRIVATE_UPSTREAMS", host),
        ];
        if trusted {
            env.push(("SSL_CERT_FILE", self.certificate.to_str().unwrap()));
        }
        let world = World::with_env(&env).await;
        world.tenants().await;
        let placeholder = world
            .minted(
                "a",
                "agent-a",
                json!({"allowed_hosts": [host], "secret_ref": "postern/org/a/keys/openai"}),
            )
            .await;
        world
            .call_proxy(through("tls/a/agent-a/v1/x", &placeholder))
            .await
    }
}

async fn answer(request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    let version: &[u8] = match request.version() {
        Version::HTTP_2 => b"HTTP/2",
        _ => b"HTTP/1",
    };
    Ok(Response::new(Full::new(Bytes::copy_from_slice(version))))
}

#[tokio::test]
async fn http_2_is_spoken_where_the_upstream_offers_it() {
    let both = Https::start(&["h2", "http/1.1"]).await;
    let answer = both.called("localhost", true).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "HTTP/2"));
    let old = Https::start(&["http/1.1"]).await;
    let answer = old.called("localhost", true).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "HTTP/1"));
}

#[tokio::test]
async fn a_certificate_of_no_known_authority_or_of_another_name_gets_no_secret() {
    let https = Https::start(&["h2"]).await;
    let untrusted = https.called("localhost", false).await;
    assert_eq!(
        (untrusted.status, untrusted.code().as_str()),
        (502, "upstream_unreachable")
    );
    let misnamed = https.called("127.0.0.1", true).await;
    assert_eq!(
        (misnamed.status, misnamed.code().as_str()),
        (502, "upstream_unreachable")
    );
}
