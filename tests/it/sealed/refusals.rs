//! What was not sealed as what it is read as, is spent nowhere.

use super::{PATH, RING};
use crate::world::checks::{refused, refused_by_control, spends};
use crate::world::{World, sealing_keys, through};
use serde_json::{Value, json};

const KEY: &str = "sk-sealed-0123456789";

/// What a forger with the right to write rows may do to `keys/x` of organization a, which is at version 2.
const FORGERIES: [&str; 10] = [
    "update sealed_secrets x set version = y.version, key_id = y.key_id, sealed = y.sealed from sealed_secrets y
        where x.organization_id = 'a' and x.name = 'keys/x' and y.organization_id = 'a' and y.name = 'keys/y'",
    "update sealed_secrets x set version = y.version, key_id = y.key_id, sealed = y.sealed from sealed_secrets y
        where x.organization_id = 'a' and x.name = 'keys/x' and y.organization_id = 'b' and y.name = 'keys/x'",
    "update sealed_secrets x set sealed = f.sealed from former f where x.organization_id = 'a' and x.name = 'keys/x'",
    "update sealed_secrets set version = 3 where organization_id = 'a' and name = 'keys/x'",
    "update sealed_secrets set version = 1 where organization_id = 'a' and name = 'keys/x'",
    "update sealed_secrets set key_id = 'k2' where organization_id = 'a' and name = 'keys/x'",
    "update sealed_secrets set key_id = 'gone' where organization_id = 'a' and name = 'keys/x'",
    "update sealed_secrets set sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)
        where organization_id = 'a' and name = 'keys/x'",
    "update sealed_secrets set sealed = '' where organization_id = 'a' and name = 'keys/x'",
    "delete from sealed_secrets where organization_id = 'a' and name = 'keys/x'",
];

/// A world whose agent spends the sealed secret `keys/x`, and its placeholder.
async fn spending() -> (World, String) {
    let world = World::new().await;
    world.tenants().await;
    world.ring(&["k1", "k2"]);
    world.seal("a", "keys/x", "sk-former-0123456789").await;
    world
        .sql(
            "create table former as select * from sealed_secrets; grant select on former to public",
        )
        .await;
    for (organization, name) in [("a", "keys/x"), ("a", "keys/y"), ("b", "keys/x")] {
        world.seal(organization, name, KEY).await;
    }
    world.profile("a", "sealed:keys/x").await;
    let caller = world.minted("a", "agent-a", json!({})).await;
    (world, caller)
}

#[tokio::test]
async fn a_row_that_was_moved_or_altered_opens_nowhere_and_nothing_is_sent() {
    let (world, caller) = spending().await;
    spends(&world, through(PATH, &caller), KEY).await;
    world
        .sql("create table good as select * from sealed_secrets")
        .await;
    for forgery in FORGERIES {
        world.sql(forgery).await;
        refused(&world, through(PATH, &caller), 503, "secret_unavailable").await;
        world
            .sql("delete from sealed_secrets; insert into sealed_secrets select * from good")
            .await;
        spends(&world, through(PATH, &caller), KEY).await;
    }
    // Each refusal is an error that says which row, and no more.
    let lines = world.proxy().await.logs().await;
    let errors: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("\"event\":\"error\""))
        .collect();
    assert_eq!(errors.len(), FORGERIES.len(), "{errors:#?}");
    for line in &errors {
        let line: Value = serde_json::from_str(line).unwrap();
        let cause = line["cause"].as_str().unwrap();
        assert_eq!(line["level"], "ERROR");
        assert!(
            cause.contains("keys/x of organization a")
                && (cause.contains("version") || cause.contains("no such row"))
                && !cause.contains("0123456789"),
            "{cause}"
        );
    }
}

#[tokio::test]
async fn a_ref_to_another_kind_or_member_is_refused_when_it_is_written_and_when_it_is_read() {
    let (world, caller) = spending().await;
    world.seal("a", "chat/slack", KEY).await;
    world.seal("a", "callback-signing", KEY).await;
    let forged = [
        "sealed:chat/slack",
        "sealed:callback-signing",
        "sealed:keys/../chat/slack",
        "sealed:b/keys/x",
    ];
    for secret_ref in forged {
        refused_by_control(
            &world,
            json!({"command": "put_profile", "organization_id": "a", "id": "p", "provider_id": "openai",
                "auth_type": "api_key", "secret_ref": secret_ref}),
        )
        .await;
    }
    for secret_ref in forged
        .into_iter()
        .chain(["sealed:keys/x#absent", "sealed:keys/absent"])
    {
        world
            .sql(&format!(
                "update auth_profiles set secret_ref = '{secret_ref}'"
            ))
            .await;
        refused(&world, through(PATH, &caller), 503, "secret_unavailable").await;
    }
    let chat = json!({"command": "put_connection", "organization_id": "a", "id": "n", "platform": "slack",
        "secret_ref": "sealed:keys/x"});
    refused_by_control(&world, chat).await;
}

#[tokio::test]
async fn a_placeholder_without_organization_has_no_sealed_secret() {
    let (world, _) = spending().await;
    let own = json!({"secret_ref": "sealed:keys/x", "allowed_hosts": ["127.0.0.1"]});
    let own = world.minted("a", "agent-a", own).await;
    let request = || through("openai/v1/chat/completions", &own);
    spends(&world, request(), KEY).await;
    world
        .sql("update placeholders set organization_id = null")
        .await;
    refused(&world, request(), 503, "secret_unavailable").await;
}

#[tokio::test]
async fn without_a_keyring_the_functions_run_and_seal_nothing() {
    let (world, caller) = spending().await;
    let world = world.restarted_with(&[("SEALING_KEYS_SECRET_ID", "")]);
    refused(&world, through(PATH, &caller), 503, "secret_unavailable").await;
    world.profile("a", "postern/org/a/keys/openai").await;
    spends(&world, through(PATH, &caller), crate::world::REAL_KEY).await;
    for command in [
        json!({"command": "put_secret", "organization_id": "a", "name": "keys/new", "value": KEY}),
        json!({"command": "reseal"}),
    ] {
        let answer = world.command(command).await;
        assert_eq!(answer["error"]["code"], "sealing_keys_required", "{answer}");
    }
    // What needs no key still works.
    let listed = world
        .ok(json!({"command": "list_secrets", "organization_id": "a"}))
        .await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_malformed_or_missing_keyring_is_named_to_the_operator_and_never_shown() {
    let (world, caller) = spending().await;
    let world = world.restarted_with(&[("SECRETS_CACHE_TTL_MS", "0")]);
    let good: Value = serde_json::from_str(&sealing_keys("k1", &["k1"])).unwrap();
    let key = good["keys"]["k1"].as_str().unwrap();
    let other = json!({"current": "k9", "keys": good["keys"]}).to_string();
    let short = json!({"current": "k1", "keys": {"k1": key[4..]}}).to_string();
    for (ring, named) in [
        (Some(format!("\"{key}\"")), "line 1"),
        (Some(other), "`current`"),
        (Some(short), "key k1"),
        (None, "could not be read"),
    ] {
        match ring {
            Some(ring) => world.secrets.put(RING, ring),
            None => world.secrets.remove(RING),
        }
        refused(&world, through(PATH, &caller), 503, "secret_unavailable").await;
        let answer = world.seal("a", "keys/x", KEY).await;
        assert_eq!(answer["error"]["code"], "secret_unavailable");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(named), "{message}");
        assert!(!message.contains(&key[4..20]), "{message}");
    }
    let mut lines = world.proxy().await.logs().await;
    lines.extend(world.control().await.logs().await);
    for line in lines {
        assert!(!line.contains(&key[4..20]), "{line}");
    }
    world.ring(&["k1"]);
    spends(&world, through(PATH, &caller), KEY).await;
}
