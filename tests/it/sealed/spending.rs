//! A sealed secret is spent as one in Secrets Manager is.

use super::PATH;
use crate::world::checks::spends;
use crate::world::{World, through};
use serde_json::{Value, json};

const KEY: &str = "sk-sealed-0123456789";

#[tokio::test]
async fn a_profile_and_a_placeholder_spend_a_sealed_secret_or_a_member_of_one() {
    let world = World::new().await;
    world.tenants().await;
    let both = json!({"one": "sk-one-0123456789", "two": " sk-two-0123456789\n"}).to_string();
    for (organization, name, value) in [
        ("a", "keys/openai", KEY),
        ("a", "keys/team/all", both.as_str()),
        ("b", "keys/openai", "sk-of-b-0123456789"),
    ] {
        let put = world.seal(organization, name, value).await;
        assert_eq!(put, json!({"ok": true}));
    }
    let caller = world.minted("a", "agent-a", json!({})).await;
    for (secret_ref, key) in [
        ("sealed:keys/openai", KEY),
        ("sealed:keys/team/all#one", "sk-one-0123456789"),
        ("sealed:keys/team/all#two", "sk-two-0123456789"),
    ] {
        world.profile("a", secret_ref).await;
        spends(&world, through(PATH, &caller), key).await;
        let own = json!({"secret_ref": secret_ref, "allowed_hosts": ["127.0.0.1"]});
        let own = world.minted("a", "agent-a", own).await;
        spends(&world, through(PATH, &own), key).await;
    }
    // Each organization has its own secret of the name.
    world.profile("b", "sealed:keys/openai").await;
    let theirs = world.minted("b", "agent-b", json!({})).await;
    let path = "openai/a/agent-b/v1/chat/completions";
    spends(&world, through(path, &theirs), "sk-of-b-0123456789").await;
    // A new value is spent at once: it comes with the statement, and no cache keeps the old one.
    world.profile("a", "sealed:keys/openai").await;
    world.seal("a", "keys/openai", "sk-next-0123456789").await;
    spends(&world, through(PATH, &caller), "sk-next-0123456789").await;
}

#[tokio::test]
async fn a_sealed_secret_that_the_provider_refuses_is_not_sent_again() {
    let world = World::new().await;
    world.tenants().await;
    world.seal("a", "keys/openai", KEY).await;
    world.profile("a", "sealed:keys/openai").await;
    let caller = world.minted("a", "agent-a", json!({})).await;
    world.upstream.set_expected_key(Some("another".into()));
    let answer = world.call_proxy(through(PATH, &caller)).await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert_eq!(world.upstream.seen().len(), 1);
}

#[tokio::test]
async fn nothing_secret_is_in_a_log_an_answer_or_the_table() {
    let world = World::new().await;
    world.tenants().await;
    let put = world.seal("a", "keys/openai", KEY).await;
    let wrong = json!({"command": "put_secret", "organization_id": "a", "name": "keys/openai", "value": [KEY]});
    let wrong = world.command(wrong).await;
    assert_eq!(wrong["error"]["code"], "invalid_request");
    world.profile("a", "sealed:keys/openai").await;
    let caller = world.minted("a", "agent-a", json!({})).await;
    spends(&world, through(PATH, &caller), KEY).await;
    let listed = json!({"command": "list_secrets", "organization_id": "a"});
    let listed = world.ok(listed).await;
    let got = json!({"command": "get_secret", "organization_id": "a", "name": "keys/openai"});
    let got = world.ok(got).await;
    let mut told: Vec<String> = [&put, &wrong, &listed, &got]
        .into_iter()
        .map(Value::to_string)
        .collect();
    told.extend(world.control().await.logs().await);
    told.extend(world.proxy().await.logs().await);
    for line in told {
        assert!(!line.contains("sealed-0123456789"), "{line}");
    }
    let held =
        "select count(*) from sealed_secrets where position('0123456789'::bytea in sealed) > 0";
    assert_eq!(world.value(held).await, "0");
}
