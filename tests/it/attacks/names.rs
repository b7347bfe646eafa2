//! Names that reach into another tenant: ids of organizations, and refs of secrets. In every refusal
//! nothing was sent, and no secret was asked for.

use super::secrets::{refused, spends};
use crate::world::{SIGNING_SECRET, World, press, question, signed, through, unix_now};
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;

/// What no organization may be called.
fn bad_ids() -> [String; 9] {
    [
        "t/u",
        "..",
        ".",
        "a#b",
        "",
        "a b",
        "postern:a",
        "t\\u",
        &"x".repeat(65),
    ]
    .map(str::to_owned)
}

/// Refs that are none of organization t's own, of a kind whose folder is `own`; `other` is another kind's.
fn foreign_refs(own: &str, other: &str) -> Vec<String> {
    [
        &format!("postern/org/u/{own}/main"),
        &format!("postern/org/u/{own}/main#member"),
        &format!("postern/org/t2/{own}/main"),
        &format!("postern/org/t/{other}/main"),
        &format!("postern/org/t/{other}/main#member"),
        "postern/org/t/callback-signing",
        "postern/org/t/main",
        "postern/system/openai",
        "postern/legacy/main",
        &format!("postern/org/t/{own}/../../u/{own}/main"),
        &format!("postern/org/t/{own}/../{other}/main"),
        &format!("postern/org/t/{own}/./main"),
        &format!("postern/org/t/{own}//main"),
        // What stands behind the `#` is no part of the name.
        &format!("postern/org/u/{own}/main#/../../t/{own}/main"),
        &format!("postern/org/u/{own}/main#postern/org/t/{own}/main"),
        &format!("postern/org/t#/{own}/main"),
        &format!("postern/org/t/{own}#/main"),
        &format!("postern/org/t/{own}/#main"),
        &format!("#postern/org/t/{own}/main"),
        &format!(
            "arn:aws:secretsmanager:eu-central-1:000000000000:secret:postern/org/t/{own}/main-AbCdEf"
        ),
        "",
    ]
    .map(str::to_owned)
    .into()
}

fn id_of(secret_ref: &str) -> &str {
    secret_ref.split('#').next().unwrap()
}

/// Organizations t, t2 and u, each with an agent.
async fn organizations(world: &World) {
    for id in ["t", "t2", "u"] {
        world
            .ok(json!({"command": "put_organization", "id": id}))
            .await;
        world
            .ok(json!({"command": "put_agent", "organization_id": id, "agent_id": "agent"}))
            .await;
    }
}

/// A secret that would be worth reading under the very name of each ref, so that only the check stops it.
fn bait(world: &World, refs: &[String]) {
    let value = json!({"bot_token": "xoxb-of-another", "signing_secret": SIGNING_SECRET, "main": "m",
        "member": "sk-of-another"});
    for secret_ref in refs {
        world.secrets.put(id_of(secret_ref), value.to_string());
    }
}

fn not_asked_for(world: &World, secret_ref: &str) {
    for id in [id_of(secret_ref), secret_ref] {
        assert_eq!(world.secrets.calls(id), 0, "{secret_ref} was asked for");
    }
}

async fn refused_by_control(world: &World, command: Value) {
    let answer = world.command(command.clone()).await;
    assert_eq!(
        answer["error"]["code"], "secret_ref_outside_organization",
        "{command}: {answer}"
    );
}

#[tokio::test]
async fn control_refuses_an_organization_that_is_more_than_one_segment_and_names_the_field() {
    let world = World::new().await;
    for id in bad_ids() {
        let answer = world
            .command(json!({"command": "put_organization", "id": id}))
            .await;
        assert_eq!(
            answer["error"]["code"], "invalid_request",
            "{id:?}: {answer}"
        );
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("`id`"), "{id:?}: {message}");
    }
    assert_eq!(world.value("select count(*) from organizations").await, "0");
}

#[tokio::test]
async fn the_table_itself_refuses_an_organization_that_is_more_than_one_segment() {
    let world = World::new().await;
    let client = world.client().await;
    let insert = "insert into organizations (id) values ($1)";
    for id in bad_ids() {
        let refused = client.execute(insert, &[&id]).await.unwrap_err();
        assert_eq!(refused.code(), Some(&SqlState::CHECK_VIOLATION), "{id:?}");
    }
    client.execute(insert, &[&"t"]).await.unwrap();
    let renamed = client.execute("update organizations set id = 't/u'", &[]);
    assert_eq!(
        renamed.await.unwrap_err().code(),
        Some(&SqlState::CHECK_VIOLATION)
    );
}

#[tokio::test]
async fn an_organization_with_every_allowed_character_spends_its_own_key() {
    let world = World::new().await;
    for id in ["acme.eu", "a=b", "x@y", "A_1+2-3", "...", &"x".repeat(64)] {
        let (secret_ref, key) = (
            format!("postern/org/{id}/keys/openai"),
            format!("sk-of-{id}"),
        );
        world.secrets.put(&secret_ref, &key);
        world
            .ok(json!({"command": "put_organization", "id": id}))
            .await;
        world
            .ok(json!({"command": "put_agent", "organization_id": id, "agent_id": "agent"}))
            .await;
        world
            .ok(json!({"command": "put_profile", "organization_id": id, "id": "p", "provider_id": "openai",
                "auth_type": "api_key", "secret_ref": secret_ref}))
            .await;
        let placeholder = world.minted(id, "agent", json!({})).await;
        spends(
            &world,
            through("openai/a/agent/v1/chat/completions", &placeholder),
            &key,
        )
        .await;
        let token = world.token(id, "agent", json!({})).await;
        spends(&world, through("openai/v1/chat/completions", &token), &key).await;
    }
}

#[tokio::test]
async fn control_refuses_a_profile_whose_secret_is_not_a_key_of_its_organization() {
    let world = World::new().await;
    organizations(&world).await;
    for secret_ref in foreign_refs("keys", "chat") {
        refused_by_control(
            &world,
            json!({"command": "put_profile", "organization_id": "t", "id": "p", "provider_id": "openai",
                "auth_type": "api_key", "secret_ref": secret_ref}),
        )
        .await;
    }
    assert_eq!(world.value("select count(*) from auth_profiles").await, "0");
}

#[tokio::test]
async fn control_refuses_a_placeholder_whose_secret_is_not_a_key_of_its_organization() {
    let world = World::new().await;
    organizations(&world).await;
    for secret_ref in foreign_refs("keys", "chat") {
        refused_by_control(
            &world,
            json!({"command": "mint_placeholder", "organization_id": "t", "agent_id": "agent",
                "env_var_name": "K", "deployment_name": "d", "secret_ref": secret_ref,
                "allowed_hosts": ["127.0.0.1"]}),
        )
        .await;
    }
    assert_eq!(world.value("select count(*) from placeholders").await, "0");
}

#[tokio::test]
async fn control_refuses_a_connection_whose_secret_is_not_a_chat_secret_of_its_organization() {
    let world = World::new().await;
    organizations(&world).await;
    for secret_ref in foreign_refs("chat", "keys") {
        refused_by_control(
            &world,
            json!({"command": "put_connection", "organization_id": "t", "id": "c", "platform": "slack",
                "secret_ref": secret_ref}),
        )
        .await;
    }
    assert_eq!(world.value("select count(*) from connections").await, "0");
}

#[tokio::test]
async fn a_profile_that_sql_pointed_at_a_foreign_secret_spends_nothing() {
    let world = World::new().await;
    organizations(&world).await;
    let refs = foreign_refs("keys", "chat");
    bait(&world, &refs);
    let placeholder = world.minted("t", "agent", json!({})).await;
    let client = world.client().await;
    for secret_ref in &refs {
        client
            .execute(
                "insert into auth_profiles (organization_id, id, provider_id, auth_type, secret_ref)
                 values ('t', 'forged', 'openai', 'api_key', $1)
                 on conflict (organization_id, id) do update set secret_ref = excluded.secret_ref",
                &[secret_ref],
            )
            .await
            .unwrap();
        let request = through("openai/a/agent/v1/chat/completions", &placeholder);
        refused(&world, request, 503, "secret_unavailable").await;
        not_asked_for(&world, secret_ref);
    }
}

#[tokio::test]
async fn a_placeholder_that_sql_pointed_at_a_foreign_secret_spends_nothing() {
    let world = World::new().await;
    organizations(&world).await;
    let refs = foreign_refs("keys", "chat");
    bait(&world, &refs);
    let placeholder = world.minted("t", "agent", json!({})).await;
    let client = world.client().await;
    for secret_ref in &refs {
        client
            .execute(
                "update placeholders set secret_ref = $1, allowed_hosts = '{127.0.0.1}'",
                &[secret_ref],
            )
            .await
            .unwrap();
        for path in ["openai/a/agent/v1/chat/completions", "openai/v1/models"] {
            refused(
                &world,
                through(path, &placeholder),
                503,
                "secret_unavailable",
            )
            .await;
        }
        not_asked_for(&world, secret_ref);
    }
}

#[tokio::test]
async fn a_connection_that_sql_pointed_at_a_foreign_secret_posts_nothing_and_verifies_nothing() {
    let world = World::new().await;
    organizations(&world).await;
    let refs = foreign_refs("chat", "keys");
    bait(&world, &refs);
    let client = world.client().await;
    let token = world
        .token(
            "t",
            "agent",
            json!({"connection_id": "forged", "user_id": "U1", "channel_id": "C1", "conversation_id": "1.0"}),
        )
        .await;
    let config = json!({"api_base_url": world.slack.api_base_url()}).to_string();
    for secret_ref in &refs {
        client
            .execute(
                "insert into connections (id, organization_id, platform, secret_ref, config)
                 values ('forged', 't', 'slack', $1, $2::text::jsonb)
                 on conflict (id) do update set secret_ref = excluded.secret_ref",
                &[secret_ref, &config],
            )
            .await
            .unwrap();
        let asked = world.ask(&token, &question("q-1")).await;
        assert_eq!(
            (asked.status, asked.code().as_str()),
            (503, "secret_unavailable"),
            "{secret_ref}"
        );
        assert!(world.slack.calls().is_empty(), "{secret_ref}");
        // Signed with the secret that is not the connection's to name.
        let body = press("U1", "q-1:0").body("forged", &[]).into_bytes();
        let clicked = world
            .call_webhooks(signed("forged", body, SIGNING_SECRET, unix_now()))
            .await;
        assert_eq!(
            (clicked.status, clicked.code().as_str()),
            (503, "secret_unavailable"),
            "{secret_ref}"
        );
        not_asked_for(&world, secret_ref);
    }
}
