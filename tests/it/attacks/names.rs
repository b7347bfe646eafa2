//! Names that reach into another tenant: ids of organizations, and refs of secrets. When one is refused,
//! nothing is sent and no secret is read.

use super::{connection, placeholder, profile};
use crate::world::checks::{refused, refused_by_control, spends};
use crate::world::{SIGNING_SECRET, World, press, question, signed, through, unix_now};
use serde_json::json;
use tokio_postgres::error::SqlState;

/// Ids that no organization may have.
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

/// Refs that organization t may not use for secrets in the folder `own`; `other` is the folder of another
/// kind.
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
        // The text after the `#` is not part of the name.
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

/// A world whose organization t has an agent with a placeholder, and whose secrets of these names are bait.
async fn baited(refs: &[String]) -> (World, String) {
    let world = World::new().await;
    organizations(&world).await;
    bait(&world, refs);
    let placeholder = world.minted("t", "agent", json!({})).await;
    (world, placeholder)
}

/// Organizations t, t2 and u, each with an agent.
async fn organizations(world: &World) {
    for id in ["t", "t2", "u"] {
        put_organization(world, id).await;
    }
}

async fn put_organization(world: &World, id: &str) {
    for command in [
        json!({"command": "put_organization", "id": id}),
        json!({"command": "put_agent", "organization_id": id, "agent_id": "agent"}),
    ] {
        world.ok(command).await;
    }
}

/// Stores a valuable secret under each ref's name, so that only the check stops it from being read.
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
        put_organization(&world, id).await;
        world.ok(profile(id, &secret_ref)).await;
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
        refused_by_control(&world, profile("t", &secret_ref)).await;
    }
    assert_eq!(world.value("select count(*) from auth_profiles").await, "0");
}

#[tokio::test]
async fn control_refuses_a_placeholder_whose_secret_is_not_a_key_of_its_organization() {
    let world = World::new().await;
    organizations(&world).await;
    for secret_ref in foreign_refs("keys", "chat") {
        refused_by_control(&world, placeholder("t", "agent", &secret_ref)).await;
    }
    assert_eq!(world.value("select count(*) from placeholders").await, "0");
}

#[tokio::test]
async fn control_refuses_a_connection_whose_secret_is_not_a_chat_secret_of_its_organization() {
    let world = World::new().await;
    organizations(&world).await;
    for secret_ref in foreign_refs("chat", "keys") {
        refused_by_control(&world, connection("t", "c", &secret_ref)).await;
    }
    assert_eq!(world.value("select count(*) from connections").await, "0");
}

#[tokio::test]
async fn a_profile_that_sql_pointed_at_a_foreign_secret_spends_nothing() {
    let refs = foreign_refs("keys", "chat");
    let (world, placeholder) = baited(&refs).await;
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
    let refs = foreign_refs("keys", "chat");
    let (world, placeholder) = baited(&refs).await;
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
            let request = through(path, &placeholder);
            refused(&world, request, 503, "secret_unavailable").await;
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
        // The click is signed with the foreign secret.
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
