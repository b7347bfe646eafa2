//! Requests that are refused whoever asks: improper ones, and those whose database, secret or upstream fails.

use super::access::passes;
use crate::world::checks::refused;
use crate::world::{World, through};
use postern_stack::{HttpRequest, SecretsMode};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_database_error_while_resolving_the_agents_organization_is_503_and_reaches_nobody() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    world.sql("alter table agents rename to agents_away").await;
    let answer = refused(
        &world,
        through("openai/a/agent-a/v1/x", &placeholder),
        503,
        "agent_org_unresolved",
    )
    .await;
    assert!(
        answer
            .text()
            .contains("failed to resolve agent organization")
    );
    assert!(answer.headers.contains_key("retry-after"));
    world.sql("alter table agents_away rename to agents").await;
    passes(
        &world,
        through("openai/a/agent-a/v1/chat/completions", &placeholder),
    )
    .await;
}

#[tokio::test]
async fn a_database_that_is_down_is_503_also_when_the_token_names_the_organization() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let token = world.token("a", "agent-a", json!({})).await;
    let back = world.database_down();
    refused(
        &world,
        through("openai/a/agent-a/v1/x", &placeholder),
        503,
        "agent_org_unresolved",
    )
    .await;
    let with_token =
        through("openai/a/agent-a/v1/x", &placeholder).header("x-postern-worker-token", &token);
    refused(&world, with_token, 503, "database_unavailable").await;
    refused(
        &world,
        through("openai/v1/x", &placeholder),
        503,
        "database_unavailable",
    )
    .await;
    world.secrets.put("postern/database", back);
}

#[tokio::test]
async fn a_slow_database_is_503_within_its_timeout() {
    let world = World::with_env(&[("DATABASE_TIMEOUT_MS", "2000")]).await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let lock = world.client().await;
    lock.batch_execute("begin; lock table agents in access exclusive mode")
        .await
        .unwrap();
    let started = Instant::now();
    refused(
        &world,
        through("openai/a/agent-a/v1/x", &placeholder),
        503,
        "agent_org_unresolved",
    )
    .await;
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    lock.batch_execute("rollback").await.unwrap();
    passes(
        &world,
        through("openai/a/agent-a/v1/chat/completions", &placeholder),
    )
    .await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_503_within_its_timeout_and_never_the_next_tier() {
    let world = World::new().await;
    world.tenants().await;
    world.ok(json!({"command": "put_profile", "organization_id": "a", "id": "p", "provider_id": "openai", "auth_type": "api_key", "secret_ref": "postern/org/a/keys/openai"})).await;
    let placeholder = world
        .minted(
            "a",
            "agent-a",
            json!({"secret_ref": "postern/org/a/keys/missing", "allowed_hosts": ["127.0.0.1"]}),
        )
        .await;
    refused(
        &world,
        through("openai/a/agent-a/v1/x", &placeholder),
        503,
        "secret_unavailable",
    )
    .await;
    let ok = world.placeholder("a", "agent-a").await;
    for mode in [
        SecretsMode::Down,
        SecretsMode::AccessDenied,
        SecretsMode::Slow(Duration::from_secs(30)),
    ] {
        world.secrets.set_mode(mode);
        let started = Instant::now();
        refused(
            &world,
            through("openai/a/agent-a/v1/x", &ok),
            503,
            "secret_unavailable",
        )
        .await;
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "{:?}",
            started.elapsed()
        );
    }
    world.secrets.set_mode(SecretsMode::Up);
    passes(&world, through("openai/a/agent-a/v1/chat/completions", &ok)).await;
}

#[tokio::test]
async fn an_improper_request_is_refused() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let bearer = format!("Bearer {placeholder}");
    let get = |path: &str| HttpRequest::get(path).header("authorization", &bearer);
    let with_query = |query: &str| {
        let mut request = get("/api/proxy/openai/v1/x");
        request.query = query.to_owned();
        request
    };
    let cases = [
        (get("/api/proxy/nobody/v1/x"), 404, "unknown_provider"),
        (get("/api/proxy@evil.example/v1/x"), 404, "not_found"),
        (get("/api/proxy.evil.example/v1/x"), 404, "not_found"),
        (get("/nowhere"), 404, "not_found"),
        (get("/api/proxy/openai/a/%ff/v1/x"), 400, "invalid_path"),
        (get("/api/proxy/openai/a/%20/v1/x"), 400, "invalid_path"),
        (get("/api/proxy/openai/a//v1/x"), 400, "invalid_path"),
        (
            HttpRequest::get("/api/proxy/openai/v1/x"),
            401,
            "missing_credentials",
        ),
        (
            HttpRequest::get("/api/proxy/openai/v1/x").header("x-api-key", "sk-live"),
            401,
            "missing_credentials",
        ),
        (
            get(&format!("/api/proxy/openai/v1/{placeholder}")),
            400,
            "placeholder_misplaced",
        ),
        (
            get("/api/proxy/openai/v1/x").header("x-other", &placeholder),
            400,
            "placeholder_misplaced",
        ),
        (
            with_query(&format!("key={placeholder}")),
            400,
            "placeholder_misplaced",
        ),
        (
            HttpRequest::new("TRACE", "/api/proxy/openai/v1/x").header("authorization", &bearer),
            405,
            "method_not_allowed",
        ),
        (
            get("/api/proxy/openai/v1/x")
                .header("upgrade", "websocket")
                .header("connection", "Upgrade"),
            426,
            "upgrade_unsupported",
        ),
        (
            get("/api/proxy/openai/v1/x").header("x-bad", "a\r\nx-injected: b"),
            400,
            "invalid_request",
        ),
    ];
    for (request, status, code) in cases {
        refused(&world, request, status, code).await;
    }
}

#[tokio::test]
async fn health_answers_without_a_database() {
    let world = World::new().await;
    world.database_down();
    for path in ["/health", "/api/proxy/health", "/prod/api/proxy/health"] {
        let answer = world.call_proxy(HttpRequest::get(path)).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"service": "proxy", "status": "ok"}))
        );
    }
    assert_eq!(world.secrets.calls("postern/database"), 0);
}

#[tokio::test]
async fn an_upstream_that_is_private_or_gone_is_refused_or_502() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.minted("a", "agent-a", json!({"secret_ref": "postern/org/a/keys/openai", "allowed_hosts": ["127.0.0.1", "127.0.0.2"]})).await;
    refused(
        &world,
        through("private/a/agent-a/v1/x", &placeholder),
        403,
        "upstream_forbidden",
    )
    .await;
    refused(
        &world,
        through("closed/a/agent-a/v1/x", &placeholder),
        502,
        "upstream_unreachable",
    )
    .await;
}
