//! Which of several credentials is spent.

use crate::world::{World, merged, through};
use postern_stack::HttpRequest;
use serde_json::{Value, json};

/// Puts a profile of organization `a`, whose key holds the profile's id.
async fn profile(world: &World, id: &str, auth_type: &str, owner: &Value, disabled: bool) {
    world.secrets.put(
        &format!("postern/org/a/keys/{id}"),
        format!("sk-{id}-0123456789"),
    );
    let put = json!({"command": "put_profile", "organization_id": "a", "id": id, "provider_id": "openai",
        "auth_type": auth_type, "secret_ref": format!("postern/org/a/keys/{id}"), "disabled": disabled});
    world.ok(merged(put, owner.clone())).await;
}

/// The credential that the upstream receives for this request.
async fn spent(world: &World, request: HttpRequest, header: &str) -> String {
    let answer = world.call_proxy(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = world.upstream.seen();
    let value = &seen.last().unwrap().headers[header];
    value.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_most_specific_enabled_credential_is_spent() {
    let world = World::new().await;
    world.tenants().await;
    world
        .ok(json!({"command": "put_organization", "id": "a", "system_providers": ["openai"]}))
        .await;
    world
        .secrets
        .put("postern/system/openai", "sk-system-0123456789");
    let caller = world
        .minted("a", "agent-a", json!({"user_id": "u-1"}))
        .await;
    let user = json!({"agent_id": "agent-a", "user_id": "u-1"});
    let agent = json!({"agent_id": "agent-a"});
    let path = "openai/a/agent-a/u/u-1/v1/models";
    let key = async || spent(&world, through(path, &caller), "authorization").await;

    assert_eq!(key().await, "Bearer sk-system-0123456789");
    profile(&world, "organization", "api_key", &json!({}), false).await;
    assert_eq!(key().await, "Bearer sk-organization-0123456789");
    profile(&world, "agent", "api_key", &agent, false).await;
    assert_eq!(key().await, "Bearer sk-agent-0123456789");
    profile(&world, "user", "api_key", &user, false).await;
    assert_eq!(key().await, "Bearer sk-user-0123456789");
    // A user's key needs the user in the URL, and an agent's key is that agent's alone.
    let without = spent(
        &world,
        through("openai/a/agent-a/v1/models", &caller),
        "authorization",
    )
    .await;
    assert_eq!(without, "Bearer sk-agent-0123456789");
    let second = world.minted("a", "second-a", json!({})).await;
    let request = through("openai/a/second-a/v1/models", &second);
    assert_eq!(
        spent(&world, request, "authorization").await,
        "Bearer sk-organization-0123456789"
    );
    // A placeholder's own secret comes after the user's profile and before the agent's.
    let own = json!({"user_id": "u-1", "secret_ref": "postern/org/a/keys/openai", "allowed_hosts": ["127.0.0.1"]});
    let own = world.minted("a", "agent-a", own).await;
    let request = through("openai/a/agent-a/v1/models", &own);
    assert_eq!(
        spent(&world, request, "authorization").await,
        format!("Bearer {}", crate::world::REAL_KEY)
    );
    assert_eq!(
        spent(&world, through(path, &own), "authorization").await,
        "Bearer sk-user-0123456789"
    );
    // Disabled profiles are skipped, one by one.
    profile(&world, "user", "api_key", &user, true).await;
    assert_eq!(key().await, "Bearer sk-agent-0123456789");
    profile(&world, "agent", "api_key", &agent, true).await;
    assert_eq!(key().await, "Bearer sk-organization-0123456789");
    profile(&world, "organization", "api_key", &json!({}), true).await;
    assert_eq!(key().await, "Bearer sk-system-0123456789");
}

#[tokio::test]
async fn an_oauth_profile_goes_where_the_provider_wants_oauth() {
    let world = World::new().await;
    world.tenants().await;
    let caller = world.minted("a", "agent-a", json!({})).await;
    let anthropic = json!({"provider_id": "anthropic"});
    let path = "anthropic/a/agent-a/v1/models";
    profile(&world, "key", "api_key", &anthropic, false).await;
    let key = spent(&world, through(path, &caller), "x-api-key").await;
    assert_eq!(key, "sk-key-0123456789");
    profile(&world, "key", "oauth", &anthropic, false).await;
    let token = spent(&world, through(path, &caller), "authorization").await;
    assert_eq!(token, "Bearer sk-key-0123456789");
    let seen = world.upstream.seen();
    assert!(!seen.last().unwrap().headers.contains_key("x-api-key"));
}
