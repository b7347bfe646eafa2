//! Locks: what waits too long is cancelled on the server, and is not applied later.

use super::{WAITING, column};
use crate::world::{World, press, question, until};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

#[tokio::test]
async fn a_statement_that_took_too_long_is_cancelled_and_not_applied_when_its_lock_is_free() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    let world = world.restarted_with(&[("DATABASE_TIMEOUT_MS", "1000")]);
    world.read(&token, "q-1").await;
    let other = world.client().await;
    other
        .batch_execute("begin; select from pending_interactions for update")
        .await
        .unwrap();
    let click = press("U1", "q-1:0");
    let clicked = world.click("slack-a", &click).await;
    assert_eq!(clicked.status, 503, "{}", clicked.text());
    until("the claim is cancelled", async || {
        world.value(WAITING).await == "0"
    })
    .await;
    other.batch_execute("rollback").await.unwrap();
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "pending");
    assert_eq!(world.click("slack-a", &click).await.status, 200);
}

/// A session that locks everybody out of the table that every migration reads first.
async fn in_the_way(world: &World) -> Client {
    let holder = world.client().await;
    let history = "select oid::regclass from pg_class where relname = 'refinery_schema_history'";
    let history = column(&holder, history).await;
    holder
        .batch_execute(&format!(
            "begin; lock table {} in access exclusive mode",
            history[0]
        ))
        .await
        .unwrap();
    holder
}

#[tokio::test]
async fn a_migration_waits_for_a_lock_in_short_pieces_and_succeeds_when_it_is_free() {
    let world = World::new().await;
    let operator = world.client().await;
    let holder = in_the_way(&world).await;
    let released = async {
        let mut longest: f64 = 0.0;
        let end = Instant::now() + Duration::from_secs(6);
        while Instant::now() < end {
            let waits = "select coalesce(max(extract(epoch from clock_timestamp() - waitstart)), 0) from pg_locks
                join pg_database on pg_database.oid = database
                where datname = current_database() and locktype = 'relation' and not granted";
            longest = longest.max(column(&operator, waits).await[0].parse().unwrap());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        holder.batch_execute("rollback").await.unwrap();
        longest
    };
    let (answer, longest) = tokio::join!(world.command(json!({"command": "migrate"})), released);
    assert_eq!(answer, json!({"ok": true}));
    // Others that need the table queue behind the one that waits.
    assert!(longest > 0.5, "it never waited");
    assert!(longest < 2.7, "it waited for {longest} s at a stretch");
}

#[tokio::test]
async fn a_migration_that_takes_too_long_is_given_up_on_the_server_too() {
    let world = World::new().await;
    let holder = in_the_way(&world).await;
    let store = world.owning_store().await;
    let migrated = store.migrate_within(Duration::from_millis(500)).await;
    assert!(migrated.is_err());
    // This is less than what is left of the lock's own time-out.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let left = format!(
        "{WAITING} or (datname = current_database() and query like '%advisory_lock%' and pid <> pg_backend_pid())"
    );
    assert_eq!(world.value(&left).await, "0");
    holder.batch_execute("rollback").await.unwrap();
    store.migrate().await.unwrap();
}
