//! Locks: what waits too long is cancelled on the server, and is not applied later.

use super::{WAITING, column};
use crate::world::{World, press, question, until};
use postern::store::Schema;
use serde_json::json;
use std::collections::BTreeSet;
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

#[tokio::test]
async fn sweeps_that_run_at_once_take_each_card_once_and_leave_out_what_is_held() {
    const HOUR: Duration = Duration::from_secs(3600);
    let world = World::new().await;
    world.tenants().await;
    world
        .sql(
            "insert into pending_interactions (organization_id, id, connection_id, expected_user_id, agent_id,
                 entry_payload, revision, post_at)
             select o, 'q-' || n, 'slack-' || o, 'U1', 'shared',
                 '{\"id\": \"q\", \"kind\": \"question\", \"question\": \"?\", \"options\": [\"Yes\"]}', 'abcdef',
                 now() - n * interval '1 second'
             from unnest(array['a', 'b']) o, generate_series(1, 30) n",
        )
        .await;
    // Somebody clicks on a card of which nothing was noted.
    let clicking = world.client().await;
    clicking
        .batch_execute("begin; update pending_interactions set claimed_at = now() where id = 'q-7'")
        .await
        .unwrap();
    let sweeps = [
        world.store(Schema::Sweep).await,
        world.store(Schema::Sweep).await,
    ];
    let taking = (0..8).map(async |n: usize| {
        let mut taken = Vec::new();
        loop {
            let some = sweeps[n % 2].interactions_unposted(3, 2, &[], 24 * HOUR, HOUR);
            let some = some.await.unwrap();
            if some.is_empty() {
                return taken;
            }
            assert!(some.len() <= 3 && taken.len() < 60, "{some:?}");
            let key =
                |one: &postern::store::Unposted| (one.scope.organization().clone(), one.id.clone());
            taken.extend(some.iter().map(key));
        }
    });
    let taken = futures_util::future::join_all(taking).await.concat();
    let different: BTreeSet<_> = taken
        .iter()
        .map(|(organization, id)| (organization.as_str(), id.as_str()))
        .collect();
    assert_eq!(different.len(), taken.len(), "{taken:?}");
    assert!(!different.iter().any(|(_, id)| *id == "q-7"));
    assert_eq!(taken.len(), 58);
    clicking.batch_execute("commit").await.unwrap();
    let rest = sweeps[0].interactions_unposted(3, 2, &[], 24 * HOUR, HOUR);
    assert!(rest.await.unwrap().is_empty(), "it was answered meanwhile");
    // Leases that ended.
    world
        .sql("update pending_interactions set post_at = now() where id = 'q-8'")
        .await;
    let again = sweeps[1].interactions_unposted(3, 2, &[], 24 * HOUR, HOUR);
    let again = again.await.unwrap();
    assert_eq!(again.len(), 2);
    assert!(again.iter().all(|one| one.attempts.doubtful));
}
