//! What control writes and shows of sealed secrets.

use super::PATH;
use crate::world::checks::refused;
use crate::world::{World, through};
use futures_util::future::join_all;
use serde_json::{Value, json};

async fn world() -> World {
    let world = World::new().await;
    world.tenants().await;
    world
}

fn on(command: &str, fields: &Value) -> Value {
    let whole = json!({"command": command, "organization_id": "a"});
    crate::world::merged(whole, fields.clone())
}

#[tokio::test]
async fn the_same_value_again_changes_nothing_and_another_is_the_next_version() {
    let world = world().await;
    let whole = "select s::text from sealed_secrets s";
    assert_eq!(world.seal("a", "keys/x", "one").await, json!({"ok": true}));
    let first = world.value(whole).await;
    // White space around a value is not part of it.
    for same in ["one", " one\n"] {
        assert_eq!(world.seal("a", "keys/x", same).await, json!({"ok": true}));
        assert_eq!(world.value(whole).await, first);
    }
    world.seal("a", "keys/x", "two").await;
    assert_eq!(world.rows("a").await, "keys/x 2 k1");
    // A row that does not open is replaced.
    world.sql("update sealed_secrets set key_id = 'gone'").await;
    world.seal("a", "keys/x", "two").await;
    assert_eq!(world.rows("a").await, "keys/x 3 k1");
    let unknown = world.seal("nobody", "keys/x", "one").await;
    assert_eq!(unknown["error"]["code"], "unknown_organization");
}

#[tokio::test]
async fn writers_at_once_never_write_one_version_over_another() {
    let world = world().await;
    let control = world.environments("control", 6).await;
    let put = |n: usize| {
        let value = format!("value-0123456789-{n}");
        let put = on("put_secret", &json!({"name": "keys/x", "value": value}));
        control.invoke(put, std::time::Duration::from_secs(30))
    };
    let answers = join_all((0..6).map(put)).await;
    for answer in answers {
        let answer = format!("{:?}", answer.unwrap());
        assert!(answer.contains("\"ok\""), "{answer}");
    }
    // Each write counted, so each was sealed as a version of its own.
    assert_eq!(world.rows("a").await, "keys/x 6 k1");
    // The row is one of the values, whole.
    world.profile("a", "sealed:keys/x").await;
    let caller = world.minted("a", "agent-a", json!({})).await;
    let sent = world.call_proxy(through(PATH, &caller)).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    let seen = world.upstream.seen().pop().unwrap();
    let key = seen.headers["authorization"].to_str().unwrap();
    assert!(key.starts_with("Bearer value-0123456789-"), "{key}");
}

#[tokio::test]
async fn a_name_that_is_written_again_has_other_versions_than_before() {
    let world = world().await;
    let version = async || {
        let version = world
            .value("select version::text from sealed_secrets")
            .await;
        version.parse::<i64>().unwrap()
    };
    world.seal("a", "keys/x", "one").await;
    let former = version().await;
    world
        .sql("create table former as select * from sealed_secrets")
        .await;
    world
        .ok(on("delete_secret", &json!({"name": "keys/x"})))
        .await;
    // The first version is made from the current second. Wait for the next one.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    world.seal("a", "keys/x", "two").await;
    assert!(version().await > former + 1);
    // The former row's seal is of another version, so it does not open as this one's.
    world
        .sql("update sealed_secrets s set sealed = f.sealed from former f")
        .await;
    world.profile("a", "sealed:keys/x").await;
    let caller = world.minted("a", "agent-a", json!({})).await;
    refused(&world, through(PATH, &caller), 503, "secret_unavailable").await;
}
