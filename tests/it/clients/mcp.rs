//! MCP over streamable HTTP: the official client, and a server of the official SDK that an organization has added as
//! a provider of its own.

use super::command::{RUNNING, done};
use super::install::clients;
use crate::world::{REAL_KEY, World};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::task::JoinHandle;

const PLACEHOLDER: &str = "postern_secret_";

/// The running server. It takes the real key alone.
struct Server {
    process: Child,
    /// Reads what it prints, so that it never waits for a reader.
    requests: JoinHandle<Vec<Value>>,
    /// Its addresses, by how it answers.
    addresses: Value,
}

impl Server {
    async fn start() -> Self {
        let mut command = clients().await.suite("mcp_server.py");
        command
            .env("MCP_TOKEN", REAL_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next_line().await.unwrap().expect("the server ended");
        let requests = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                all.push(serde_json::from_str(&line).unwrap());
            }
            all
        });
        Self {
            process,
            requests,
            addresses: serde_json::from_str(&first).unwrap(),
        }
    }

    /// Ends the server. Gives the requests that it saw.
    async fn seen(mut self) -> Vec<Value> {
        self.process.start_kill().unwrap();
        self.requests.await.unwrap()
    }
}

/// A world whose organization a has a provider of its own at this address, with this secret.
async fn provider(world: &World, slug: &str, base_url: &Value, secret: &str) {
    let secret_ref = format!("postern/org/a/keys/{slug}");
    world.secrets.put(&secret_ref, secret);
    world
        .ok(json!({"command": "put_provider", "organization_id": "a", "slug": slug, "base_url": base_url,
            "auth": {"header": "authorization", "scheme": "Bearer"}}))
        .await;
    world
        .ok(json!({"command": "put_profile", "organization_id": "a", "id": slug, "provider_id": slug,
            "auth_type": "api_key", "secret_ref": secret_ref}))
        .await;
}

fn header<'a>(request: &'a Value, name: &str) -> Option<&'a str> {
    let headers = request["headers"].as_array().unwrap();
    let found = headers.iter().find(|header| header[0] == name)?;
    found[1].as_str()
}

#[tokio::test]
async fn the_mcp_sdk_works_unmodified() {
    let server = Server::start().await;
    let world = World::new().await;
    world.tenants().await;
    let addresses = &server.addresses;
    provider(&world, "tools", &addresses["events"], REAL_KEY).await;
    provider(&world, "tools-json", &addresses["json"], REAL_KEY).await;
    provider(&world, "tools-closed", &addresses["events"], "not-the-key").await;
    let placeholder = world.minted("a", "agent-a", json!({})).await;
    let front = world.front().await;
    let mut suite = clients().await.suite("mcp_suite.py");
    suite
        .env("POSTERN_BASE_URL", front.url())
        .env("POSTERN_PLACEHOLDER", placeholder)
        .env("SAMPLE_URL", world.upstream.url());
    if let Err(error) = done(&mut suite, RUNNING).await {
        panic!("{error}");
    }
    let seen = server.seen().await;
    let real = format!("Bearer {REAL_KEY}");
    for request in &seen {
        assert!(!request.to_string().contains(PLACEHOLDER), "{request}");
        let key = header(request, "authorization");
        assert!(
            key == Some(&real) || key == Some("Bearer not-the-key"),
            "{request}"
        );
    }
    for name in ["mcp-session-id", "mcp-protocol-version", "mcp-method"] {
        let arrived = seen.iter().any(|request| header(request, name).is_some());
        assert!(arrived, "{name} did not arrive");
    }
    // The stream for what the server says unasked, and the end of a session.
    for method in ["GET", "DELETE"] {
        let arrived = seen.iter().any(|request| request["method"] == method);
        assert!(arrived, "no {method} arrived");
    }
}
