//! Control's commands. Where repeating one must change nothing, it is sent twice.

mod connection_test;
mod records;

use crate::world::{World, merged};
use postern::authority::Platform;
use postern::provider::AuthType;
use serde_json::{Value, json};

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn migrating_again_and_by_two_at_once_is_safe() {
    let world = World::new().await;
    world
        .sql("drop schema public cascade; create schema public")
        .await;
    let migrate = || world.command(json!({"command": "migrate"}));
    let second = World::new().await;
    second
        .secrets
        .put("postern/database", world.secrets_database());
    let (one, two) = tokio::join!(migrate(), second.command(json!({"command": "migrate"})));
    assert_eq!((one, two), (json!({"ok": true}), json!({"ok": true})));
    assert_eq!(migrate().await, json!({"ok": true}));
    assert_eq!(world.value("select count(*) from organizations").await, "0");
}

#[tokio::test]
async fn putting_the_same_again_changes_nothing() {
    let world = World::new().await;
    world.tenants().await;
    let profile = json!({"command": "put_profile", "organization_id": "a", "id": "p", "provider_id": "openai",
        "agent_id": "shared", "auth_type": "api_key", "secret_ref": "postern/org/a/keys/openai", "disabled": true});
    world.ok(profile.clone()).await;
    let all = "select jsonb_agg(to_jsonb(t))::text from (
        select to_jsonb(o) from organizations o union all select to_jsonb(a) from agents a
        union all select to_jsonb(c) from connections c union all select to_jsonb(p) from auth_profiles p order by 1) t";
    let before = world.value(all).await;
    world.tenants().await;
    world.ok(profile).await;
    assert_eq!(world.value(all).await, before);
}

#[tokio::test]
async fn a_command_that_names_something_foreign_or_unknown_is_refused() {
    let world = World::new().await;
    world.tenants().await;
    let mint = json!({"command": "mint_placeholder", "organization_id": "a", "agent_id": "agent-a", "env_var_name": "K", "deployment_name": "d"});
    let with = |extra: Value| merged(mint.clone(), extra);
    let cases = [
        (
            json!({"command": "put_agent", "organization_id": "nobody", "agent_id": "x"}),
            "unknown_organization",
        ),
        (
            json!({"command": "put_connection", "organization_id": "b", "id": "slack-a", "platform": "slack", "secret_ref": "postern/org/b/chat/x"}),
            "scope_conflict",
        ),
        (
            json!({"command": "put_connection", "organization_id": "a", "id": "n", "platform": "slack", "secret_ref": "postern/org/b/chat/x"}),
            "secret_ref_outside_organization",
        ),
        (
            json!({"command": "put_profile", "organization_id": "a", "id": "p", "provider_id": "openai", "auth_type": "api_key", "secret_ref": "prod/db"}),
            "secret_ref_outside_organization",
        ),
        (
            json!({"command": "put_profile", "organization_id": "a", "id": "p", "provider_id": "openai", "user_id": "u", "auth_type": "api_key", "secret_ref": "postern/org/a/keys/x"}),
            "invalid_request",
        ),
        (with(json!({"agent_id": "agent-b"})), "unknown_agent"),
        (
            with(json!({"secret_ref": "postern/org/a/keys/x"})),
            "allowed_hosts_required",
        ),
        (
            with(json!({"secret_ref": "postern/org/b/keys/x", "allowed_hosts": ["h"]})),
            "secret_ref_outside_organization",
        ),
        (
            json!({"command": "mint_worker_token", "organization_id": "a", "agent_id": "agent-b", "deployment_name": "d"}),
            "unknown_agent",
        ),
        (json!({"command": "nonsense"}), "invalid_request"),
        (json!("migrate"), "invalid_request"),
    ];
    for (command, expected) in cases {
        let answer = world.command(command.clone()).await;
        assert_eq!(code(&answer), expected, "{command}: {answer}");
        assert!(answer["error"]["request_id"].is_string());
    }
    assert_eq!(world.value("select count(*) from placeholders").await, "0");
    assert_eq!(
        world
            .value("select organization_id from connections where id = 'slack-a'")
            .await,
        "a"
    );
}

#[tokio::test]
async fn only_a_placeholders_hash_is_stored_and_revoking_is_by_organization_and_deployment() {
    let world = World::new().await;
    world.tenants().await;
    let minted = world.placeholder("a", "agent-a").await;
    world.placeholder("b", "agent-b").await;
    assert_eq!(world.value(&format!("select encode(token_hash, 'hex') = encode(sha256('{minted}'), 'hex') from placeholders where organization_id = 'a'")).await, "t");
    assert_eq!(
        world
            .value(
                "select count(*) from placeholders p where row(p.*)::text like '%postern_secret_%'"
            )
            .await,
        "0"
    );
    let revoke =
        json!({"command": "revoke_deployment", "organization_id": "a", "deployment_name": "d1"});
    assert_eq!(world.command(revoke.clone()).await, json!({"revoked": 1}));
    assert_eq!(world.command(revoke).await, json!({"revoked": 0}));
    assert_eq!(
        world
            .value("select string_agg(organization_id, '') from placeholders")
            .await,
        "b"
    );
}

#[tokio::test]
async fn with_the_database_or_the_secret_store_down_the_answer_says_so() {
    let world = World::new().await;
    let back = world.database_down();
    let command = json!({"command": "put_organization", "id": "x"});
    assert_eq!(
        code(&world.command(command.clone()).await),
        "database_unavailable"
    );
    world.secrets.put("postern/database", back);
    let fresh = World::new().await;
    fresh.tenants().await;
    fresh.secrets.remove("postern/signing");
    let mint = json!({"command": "mint_worker_token", "organization_id": "a", "agent_id": "agent-a", "deployment_name": "d"});
    assert_eq!(code(&fresh.command(mint).await), "secret_unavailable");
}

/// The database's own checks know every name that the code writes.
#[tokio::test]
async fn every_platform_can_be_stored() {
    let world = World::new().await;
    world.tenants().await;
    for platform in Platform::ALL.map(Platform::as_str) {
        world
            .ok(json!({"command": "put_connection", "organization_id": "a", "id": "c", "platform": platform,
                "secret_ref": "postern/org/a/chat/c"}))
            .await;
        let stored = "select platform from connections where id = 'c'";
        assert_eq!(world.value(stored).await, platform);
    }
    for auth_type in AuthType::ALL.map(AuthType::as_str) {
        world
            .ok(json!({"command": "put_profile", "organization_id": "a", "id": "p", "provider_id": "openai",
                "auth_type": auth_type, "secret_ref": "postern/org/a/keys/openai"}))
            .await;
    }
}
