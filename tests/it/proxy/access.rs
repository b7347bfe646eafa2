//! Who may spend which credential. When a request is refused, the upstream sees nothing.

use crate::world::checks::{refused, spends};
use crate::world::{REAL_KEY, World, through};
use base64::Engine;
use postern_stack::HttpRequest;
use serde_json::json;

pub(super) async fn passes(world: &World, request: HttpRequest) {
    spends(world, request, REAL_KEY).await;
}

#[tokio::test]
async fn the_placeholder_becomes_the_real_key_at_the_provider() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    passes(
        &world,
        through("openai/a/agent-a/v1/chat/completions", &placeholder),
    )
    .await;
    passes(&world, through("openai/v1/chat/completions", &placeholder)).await;
    passes(
        &world,
        through(
            "openai/a/agent-a/v1/chat/completions",
            &format!("sk-ant-oat01-{placeholder}"),
        ),
    )
    .await;
    let line = world
        .proxy()
        .await
        .logs()
        .await
        .into_iter()
        .find(|line| line.contains("\"proxied\""))
        .unwrap();
    assert!(
        line.contains("\"organization_id\":\"a\"") && line.contains("\"status\":200"),
        "{line}"
    );
    let all = world.proxy().await.logs().await.join("\n");
    assert!(
        !all.contains(REAL_KEY) && !all.contains(&placeholder[15..]),
        "a secret was logged"
    );
}

/// A placeholder whose row was written before organizations were recorded.
async fn legacy(world: &World) -> String {
    let placeholder = format!("postern_secret_{}", uuid::Uuid::new_v4());
    world.secrets.put("postern/legacy/key", REAL_KEY);
    world
        .sql(&format!(
            "insert into placeholders (token_hash, agent_id, env_var_name, secret_ref, deployment_name, expires_at)
             values (sha256('{placeholder}'), 'agent-a', 'K', 'postern/legacy/key', 'd', now() + interval '1 hour')"
        ))
        .await;
    placeholder
}

#[tokio::test]
async fn a_row_without_an_organization_never_resolves_under_an_expected_one() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = legacy(&world).await;
    for agent in ["agent-a", "agent-b"] {
        refused(
            &world,
            through(&format!("openai/a/{agent}/v1/x"), &placeholder),
            401,
            "unauthorized",
        )
        .await;
    }
    for org in ["a", "b"] {
        let token = world.token(org, &format!("agent-{org}"), json!({})).await;
        let request = through("openai/v1/x", &placeholder).header("x-postern-worker-token", &token);
        refused(&world, request, 401, "unauthorized").await;
    }
}

#[tokio::test]
async fn with_no_expected_organization_a_legacy_row_resolves_with_one_warning_or_not_at_all() {
    let world = World::new().await;
    world.tenants().await;
    passes(
        &world,
        through("openai/v1/chat/completions", &legacy(&world).await),
    )
    .await;
    let warned = world
        .proxy()
        .await
        .logs()
        .await
        .into_iter()
        .filter(|line| line.contains("legacy_placeholder"))
        .collect::<Vec<_>>();
    assert!(
        warned.len() == 1 && warned[0].contains("WARN"),
        "{warned:?}"
    );
    let strict = World::with_env(&[("LEGACY_PLACEHOLDERS", "deny")]).await;
    strict.tenants().await;
    refused(
        &strict,
        through("openai/v1/x", &legacy(&strict).await),
        401,
        "unauthorized",
    )
    .await;
}

#[tokio::test]
async fn another_organizations_placeholder_is_401_another_agents_is_403_and_the_matching_one_200() {
    let world = World::new().await;
    world.tenants().await;
    let of_a = world.placeholder("a", "agent-a").await;
    let of_second = world.placeholder("a", "second-a").await;
    refused(
        &world,
        through("openai/a/agent-b/v1/x", &of_a),
        401,
        "unauthorized",
    )
    .await;
    refused(
        &world,
        through("openai/a/second-a/v1/x", &of_a),
        403,
        "agent_mismatch",
    )
    .await;
    refused(
        &world,
        through("openai/a/agent-a/v1/x", &of_second),
        403,
        "agent_mismatch",
    )
    .await;
    passes(
        &world,
        through("openai/a/agent-a/v1/chat/completions", &of_a),
    )
    .await;
}

#[tokio::test]
async fn an_agent_id_that_another_organization_takes_too_changes_nothing() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "shared").await;
    let request = through("openai/a/shared/v1/chat/completions", &placeholder);
    passes(&world, request.clone()).await;
    let of_a = world.token("a", "shared", json!({})).await;
    let of_b = world.token("b", "shared", json!({})).await;
    refused(
        &world,
        request.clone().header("x-postern-worker-token", &of_b),
        401,
        "unauthorized",
    )
    .await;
    passes(&world, request.header("x-postern-worker-token", &of_a)).await;
}

#[tokio::test]
async fn junk_in_one_header_never_hides_a_foreign_placeholder_in_another() {
    let world = World::new().await;
    world.tenants().await;
    let foreign = world.placeholder("a", "agent-a").await;
    let own = world.placeholder("b", "agent-b").await;
    let junk = through("openai/a/agent-b/v1/x", &foreign).header("x-api-key", "junk");
    refused(&world, junk, 401, "unauthorized").await;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{own}:{foreign}"));
    let hidden = HttpRequest::get("/api/proxy/openai/a/agent-b/v1/x")
        .header("authorization", &format!("Basic {basic}"));
    refused(&world, hidden, 401, "unauthorized").await;
    let beside = through("openai/a/agent-b/v1/x", &own).header("x-api-key", &foreign);
    refused(&world, beside, 401, "unauthorized").await;
    let twice = through("openai/a/agent-b/v1/x", &foreign).header("x-goog-api-key", &own);
    refused(&world, twice, 401, "unauthorized").await;
    let without_agent = through("openai/v1/x", &foreign).header("x-api-key", &own);
    refused(&world, without_agent, 401, "unauthorized").await;
}

#[tokio::test]
async fn an_unknown_agent_never_reaches_a_system_key() {
    let world = World::new().await;
    world.tenants().await;
    world
        .ok(json!({"command": "put_organization", "id": "a", "system_providers": ["openai"]}))
        .await;
    world.secrets.put("postern/system/openai", REAL_KEY);
    let caller = world.minted("a", "agent-a", json!({})).await;
    passes(
        &world,
        through("openai/a/agent-a/v1/chat/completions", &caller),
    )
    .await;
    refused(
        &world,
        through("openai/a/ghost/v1/x", &caller),
        401,
        "unauthorized",
    )
    .await;
    refused(
        &world,
        through("openai/a/ghost/v1/x", "anything"),
        401,
        "missing_credentials",
    )
    .await;
    let token = world.token("a", "second-a", json!({})).await;
    world.sql("delete from agents where id = 'second-a'").await;
    refused(
        &world,
        through("openai/v1/x", &token),
        403,
        "agent_mismatch",
    )
    .await;
    // The other organization is not entitled to the operator's key.
    let other = world.minted("b", "agent-b", json!({})).await;
    refused(
        &world,
        through("openai/a/agent-b/v1/x", &other),
        401,
        "no_credentials",
    )
    .await;
}

#[tokio::test]
async fn a_worker_token_is_enough_and_verifies_in_either_place() {
    let world = World::new().await;
    world.tenants().await;
    world.ok(json!({"command": "put_profile", "organization_id": "a", "id": "p", "provider_id": "openai", "auth_type": "api_key", "secret_ref": "postern/org/a/keys/openai"})).await;
    let token = world.token("a", "agent-a", json!({})).await;
    passes(
        &world,
        through("openai/a/agent-a/v1/chat/completions", &token),
    )
    .await;
    let dedicated =
        HttpRequest::get("/api/proxy/openai/v1/models").header("x-postern-worker-token", &token);
    passes(&world, dedicated).await;
    refused(
        &world,
        through("openai/a/second-a/v1/x", &token),
        403,
        "agent_mismatch",
    )
    .await;
    // A bearer of another issuer is no worker token, and counts for nothing.
    let foreign = "eyJhbGciOiJIUzI1NiJ9.e30.AAAA";
    for (bearer, code) in [
        (format!("{token}x").as_str(), "invalid_worker_token"),
        (foreign, "missing_credentials"),
    ] {
        let request = through("openai/a/agent-a/v1/x", bearer);
        refused(&world, request, 401, code).await;
    }
    let placeholder = world.placeholder("a", "agent-a").await;
    let junk_token =
        through("openai/a/agent-a/v1/x", &placeholder).header("x-postern-worker-token", "junk");
    refused(&world, junk_token, 401, "invalid_worker_token").await;
    let expired = world.token("a", "agent-a", json!({"ttl_seconds": 1})).await;
    world.ok(json!({"command": "revoke_worker_token", "organization_id": "a", "jti": crate::world::jti(&expired), "expires_at": "2099-01-01T00:00:00Z"})).await;
    refused(
        &world,
        through("openai/a/agent-a/v1/x", &expired),
        401,
        "invalid_worker_token",
    )
    .await;
}

#[tokio::test]
async fn where_a_worker_token_is_required_a_placeholder_alone_or_of_another_deployment_is_not_enough()
 {
    let world = World::with_env(&[("REQUIRE_WORKER_TOKEN", "true")]).await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let request = through("openai/a/agent-a/v1/chat/completions", &placeholder);
    refused(&world, request.clone(), 401, "missing_credentials").await;
    let other = world
        .token("a", "agent-a", json!({"deployment_name": "d2"}))
        .await;
    refused(
        &world,
        request.clone().header("x-postern-worker-token", &other),
        403,
        "agent_mismatch",
    )
    .await;
    let own = world.token("a", "agent-a", json!({})).await;
    passes(&world, request.header("x-postern-worker-token", &own)).await;
}

#[tokio::test]
async fn an_expired_revoked_or_invented_placeholder_is_unauthorized_until_there_are_too_many() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let path = "openai/a/agent-a/v1/x";
    world
        .sql("update placeholders set expires_at = now() - interval '1 second'")
        .await;
    refused(&world, through(path, &placeholder), 401, "unauthorized").await;
    world.ok(json!({"command": "revoke_deployment", "organization_id": "a", "deployment_name": "d1"})).await;
    refused(&world, through(path, &placeholder), 401, "unauthorized").await;
    let invented = || format!("postern_secret_{}", uuid::Uuid::new_v4());
    for n in 2..20 {
        // They count whatever agent they name.
        let path = format!("openai/a/agent-{n}/v1/x");
        refused(&world, through(&path, &invented()), 401, "unauthorized").await;
    }
    let limited = through(path, &invented());
    let limited = refused(&world, limited, 429, "too_many_failures").await;
    assert!(limited.headers["retry-after"].parse::<u64>().unwrap() <= 301);
}

#[tokio::test]
async fn a_user_in_the_url_is_the_tokens_or_the_placeholders_and_picks_that_users_profile() {
    let world = World::new().await;
    world.tenants().await;
    world.secrets.put("postern/org/a/keys/user", REAL_KEY);
    world.ok(json!({"command": "put_profile", "organization_id": "a", "id": "u", "provider_id": "openai", "agent_id": "agent-a", "user_id": "u 1".replace(' ', "-"), "auth_type": "api_key", "secret_ref": "postern/org/a/keys/user"})).await;
    let own = world
        .minted("a", "agent-a", json!({"user_id": "u-1"}))
        .await;
    let other = world
        .minted("a", "agent-a", json!({"user_id": "u-2"}))
        .await;
    passes(
        &world,
        through("openai/a/agent-a/u/u%2D1/v1/chat/completions", &own),
    )
    .await;
    refused(
        &world,
        through("openai/a/agent-a/u/u-1/v1/x", &other),
        403,
        "user_mismatch",
    )
    .await;
    refused(
        &world,
        through("openai/a/agent-a/v1/x", &own),
        401,
        "no_credentials",
    )
    .await;
    world.ok(json!({"command": "put_profile", "organization_id": "a", "id": "u", "provider_id": "openai", "agent_id": "agent-a", "user_id": "u-1", "auth_type": "api_key", "secret_ref": "postern/org/a/keys/user", "disabled": true})).await;
    refused(
        &world,
        through("openai/a/agent-a/u/u-1/v1/x", &own),
        401,
        "no_credentials",
    )
    .await;
}

#[tokio::test]
async fn a_placeholders_own_secret_goes_only_to_its_hosts_and_only_from_its_organizations_names() {
    let world = World::new().await;
    world.tenants().await;
    let elsewhere = world
        .minted(
            "a",
            "agent-a",
            json!({"secret_ref": "postern/org/a/keys/openai", "allowed_hosts": ["api.openai.com"]}),
        )
        .await;
    refused(
        &world,
        through("openai/a/agent-a/v1/x", &elsewhere),
        403,
        "host_not_allowed",
    )
    .await;
    let own = world.placeholder("a", "agent-a").await;
    world
        .sql("update placeholders set secret_ref = 'postern/org/b/keys/openai'")
        .await;
    world.secrets.put("postern/org/b/keys/openai", "sk-of-b");
    refused(
        &world,
        through("openai/a/agent-a/v1/x", &own),
        503,
        "secret_unavailable",
    )
    .await;
    assert_eq!(world.secrets.calls("postern/org/b/keys/openai"), 0);
}
