//! The sweep: it is bounded, it takes the oldest first, and two sweeps at once share the work.

use crate::questions::platforms::EVERYWHERE;
use crate::world::{ANYWHERE, CALLBACK_KEY, World, question, until};
use postern::store::Schema;
use postern::store::Take;
use postern_stack::{Receiver, ReceiverMode};
use serde_json::json;
use std::time::Duration;

/// Stale rows `s-1` (the oldest) to `s-{stale}`, and fresh ones.
async fn fill(world: &World, stale: u32, fresh: u32) {
    world
        .sql(
            "insert into organizations (id) values ('a');
             insert into agents (organization_id, id) values ('a', 'x');
             insert into connections (id, organization_id, platform, secret_ref) values ('c', 'a', 'slack', 'x')",
        )
        .await;
    world
        .sql(&format!(
            "insert into pending_interactions (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload, created_at)
             select 'a', 's-' || n, 'c', 'u', 'x', '{{}}'::jsonb, now() - interval '25 hours' - ({stale} - n) * interval '1 second'
             from generate_series(1, {stale}) n
             union all
             select 'a', 'f-' || n, 'c', 'u', 'x', '{{}}'::jsonb, now() from generate_series(1, {fresh}) n"
        ))
        .await;
}

#[tokio::test]
async fn of_1500_stale_rows_a_batch_takes_the_1000_oldest_then_500_then_none_and_the_fresh_stay() {
    let world = World::new().await;
    fill(&world, 1500, 10).await;
    let one = json!({"limit": 1000, "max_batches": 1});
    let first = world.sweep(one.clone()).await.unwrap();
    assert_eq!(first["deleted"]["pending_interactions"], 1000);
    assert_eq!(first["remaining"], true);
    let left = "select min(substr(id, 3)::int) || ' ' || count(*) from pending_interactions where id like 's-%'";
    assert_eq!(world.value(left).await, "1001 500");
    let second = world.sweep(one.clone()).await.unwrap();
    assert_eq!(
        (
            &second["deleted"]["pending_interactions"],
            &second["remaining"]
        ),
        (&json!(500), &json!(false))
    );
    let third = world.sweep(one).await.unwrap();
    assert_eq!(third["deleted"]["pending_interactions"], 0);
    assert_eq!(
        world
            .value("select count(*) from pending_interactions")
            .await,
        "10"
    );
}

#[tokio::test]
async fn a_scheduled_run_loops_until_a_batch_is_not_full() {
    let world = World::with_env(&[("SWEEP_LIMIT", "100")]).await;
    fill(&world, 1500, 10).await;
    let scheduled = json!({"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
    let report = world.sweep(scheduled).await.unwrap();
    assert_eq!(
        (
            &report["deleted"]["pending_interactions"],
            &report["remaining"]
        ),
        (&json!(1500), &json!(false))
    );
    assert_eq!(report["delivered"], 0);
    assert!(
        report["elapsed_ms"].is_u64() && report["oldest_age_ms"].is_i64(),
        "{report}"
    );
}

#[tokio::test]
async fn two_sweeps_at_once_share_the_work_without_waiting_on_each_other() {
    let world = World::new().await;
    fill(&world, 1500, 10).await;
    // Another run holds the 1000 oldest and has not finished.
    let other = world.client().await;
    other
        .batch_execute(
            "begin; select from pending_interactions order by created_at limit 1000 for update",
        )
        .await
        .unwrap();
    // A sweep that waited would fail, since the other run ends only after it.
    let report = world
        .sweep(json!({"limit": 1000, "max_batches": 1}))
        .await
        .unwrap();
    assert_eq!(report["deleted"]["pending_interactions"], 500);
    other.batch_execute("rollback").await.unwrap();
    let (one, two) = tokio::join!(
        world.sweep(json!({"limit": 600, "max_batches": 1})),
        world.sweep(json!({"limit": 600, "max_batches": 1}))
    );
    let taken: Vec<u64> = [one, two]
        .into_iter()
        .map(|run| {
            run.unwrap()["deleted"]["pending_interactions"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(taken.iter().sum::<u64>(), 1000, "{taken:?}");
    assert_eq!(
        world
            .value("select count(*) from pending_interactions")
            .await,
        "10"
    );
}

#[tokio::test]
async fn every_table_is_swept_by_its_own_expiry() {
    let world = World::new().await;
    world
        .sql(
            "insert into organizations (id) values ('a');
             insert into agents (organization_id, id) values ('a', 'x');
             insert into placeholders (token_hash, organization_id, agent_id, env_var_name, deployment_name, expires_at)
                 select sha256(n::text::bytea), 'a', 'x', 'K', 'd', now() + (n - 2) * interval '1 hour' from generate_series(1, 3) n;
             insert into grants (organization_id, agent_id, pattern, denied, expires_at, granted_by)
                 values ('a', 'x', 'p1', false, now() - interval '1 second', 'u'), ('a', 'x', 'p2', false, null, 'u'),
                     ('a', 'x', 'p3', false, now() + interval '1 hour', 'u');
             insert into revoked_tokens (organization_id, jti, expires_at)
                 values ('a', 'old', now() - interval '1 hour'), ('a', 'live', now() + interval '1 hour');
             insert into deployment_revocations (organization_id, deployment_name, revoked_at)
                 values ('a', 'old', now() - interval '26 hours'), ('a', 'live', now() - interval '24 hours');
             insert into deliveries (organization_id, id, interaction_id, url, payload, created_at)
                 values ('a', 'old', 'q', 'https://x', '{}'::jsonb, now() - interval '25 hours'), ('a', 'new', 'q', 'https://x', '{}'::jsonb, now())",
        )
        .await;
    let report = world.sweep(json!({})).await.unwrap();
    let deleted = &report["deleted"];
    assert_eq!(
        (
            &deleted["placeholders"],
            &deleted["grants"],
            &deleted["deliveries"],
            &deleted["revoked_tokens"],
            &deleted["deployment_revocations"]
        ),
        (&json!(2), &json!(1), &json!(1), &json!(1), &json!(1)),
        "{report}"
    );
}

#[tokio::test]
async fn one_tables_failure_fails_the_run_and_does_not_stop_the_others() {
    let world = World::new().await;
    fill(&world, 5, 1).await;
    world.sql("alter table grants rename to grants_away").await;
    let failure = world.sweep(json!({})).await.unwrap_err();
    let report: serde_json::Value = serde_json::from_str(failure.trim_start_matches("Failed: "))
        .unwrap_or_else(|_| panic!("{failure}"));
    assert_eq!(report["deleted"]["pending_interactions"], 5);
    assert!(report["failed"]["grants"].is_string(), "{report}");
    assert!(report["failed"].as_object().unwrap().len() == 1, "{report}");
}

#[tokio::test]
async fn with_the_database_down_the_run_fails_and_a_malformed_run_by_hand_deletes_nothing() {
    let world = World::new().await;
    fill(&world, 5, 1).await;
    for input in [
        json!({"limit": 0}),
        json!({"limit": "x"}),
        json!({"max_age_ms": -1}),
    ] {
        assert!(
            world
                .sweep(input)
                .await
                .unwrap_err()
                .contains("invalid_request")
        );
    }
    assert_eq!(
        world
            .value("select count(*) from pending_interactions")
            .await,
        "6"
    );
    let down = World::new().await;
    down.database_down();
    assert!(
        down.sweep(json!({}))
            .await
            .unwrap_err()
            .contains("pending_interactions")
    );
}

#[tokio::test]
async fn a_receiver_that_hangs_gets_its_pause_and_delays_nobody_elses_delivery() {
    let world = World::new().await;
    world.tenants().await;
    world
        .secrets
        .put("postern/org/b/callback-signing", CALLBACK_KEY);
    let hanging = Receiver::start_on(ANYWHERE).await.unwrap();
    hanging.set_mode(ReceiverMode::Hang);
    let other = Receiver::start_on(ANYWHERE).await.unwrap();
    world
        .sql(&format!(
            "insert into deliveries (organization_id, id, interaction_id, url, payload, attempts)
             values ('a', 'msg_1', 'q-1', '{}', '{{}}', 1), ('b', 'msg_2', 'q-2', '{}', '{{}}', 2)",
            hanging.url(),
            other.url()
        ))
        .await;
    // The lease of the one that hangs still runs when the other is delivered.
    let both = "select concat_ws(' ', other.delivered_at is not null,
            hanging.next_attempt_at > now() + interval '40 seconds')
        from deliveries other, deliveries hanging where other.id = 'msg_2' and hanging.id = 'msg_1'";
    let delivered = async {
        let mut found = String::new();
        until("the other's delivery", async || {
            found = world.value(both).await;
            found.starts_with('t')
        })
        .await;
        found
    };
    let (report, found) = tokio::join!(world.sweep(json!({})), delivered);
    assert_eq!(report.unwrap()["delivered"], 1);
    assert_eq!((hanging.received().len(), other.received().len()), (1, 1));
    assert_eq!(found, "t t", "it waited for the one that hangs");
    // The second pause is 25 s, give or take a half. Of the 60 s lease about 50 s would be left.
    let left = "select round(extract(epoch from next_attempt_at - now()))::text from deliveries where id = 'msg_1'";
    let left: i32 = world.value(left).await.parse().unwrap();
    assert!((1..=38).contains(&left), "{left}");
    let attempts = "select attempts from deliveries where id = 'msg_1'";
    assert_eq!(world.value(attempts).await, "2");
    let logs = world.sweep_function().await.logs().await;
    let warned = logs.iter().find(|line| line.contains("delivery_failed"));
    let warned = warned.map(String::as_str).unwrap_or_default();
    assert!(
        warned.contains("WARN") && warned.contains("no answer in time") && warned.contains("q-1"),
        "{warned}"
    );
}

#[tokio::test]
async fn a_click_after_the_sweep_learns_that_the_question_expired_and_a_strangers_does_not() {
    let world = World::new().await;
    world.tenants().await;
    for on in EVERYWHERE {
        let token = on.token(&world).await;
        let id = format!("q-{}", on.name());
        assert_eq!(world.ask(&token, &question(&id)).await.status, 201);
    }
    world
        .sql("update pending_interactions set created_at = now() - interval '25 hours'")
        .await;
    let report = world.sweep(json!({})).await.unwrap();
    assert_eq!(report["deleted"]["pending_interactions"], 3);
    for on in EVERYWHERE {
        let button = format!("q-{}:0", on.name());
        let card = on.last_card(&world);
        for (user, click) in [(on.stranger(), "1"), (on.asked(), "2")] {
            let press = on.press(&world, user, &card, &button, click);
            let told = on.told(&world, &world.call_webhooks(press).await);
            assert_eq!(
                told.contains("has expired"),
                user == on.asked(),
                "{on:?} {user}: {told}"
            );
            assert_eq!(told.is_empty(), user == on.stranger(), "{on:?}: {told}");
        }
    }
}

#[tokio::test]
async fn deliveries_with_the_fewest_attempts_are_taken_first_and_among_them_the_longest_due() {
    let world = World::new().await;
    world
        .sql(
            "insert into organizations (id) values ('a');
             insert into deliveries (organization_id, id, interaction_id, url, payload, attempts, next_attempt_at)
                 values ('a', 'failing', 'q', 'https://x', '{}', 3, now() - interval '1 hour'),
                     ('a', 'new', 'q', 'https://x', '{}', 0, now() - interval '1 second'),
                     ('a', 'newer', 'q', 'https://x', '{}', 0, now()),
                     ('a', 'later', 'q', 'https://x', '{}', 0, now() + interval '1 hour')",
        )
        .await;
    let store = world.store(Schema::Sweep).await;
    let mut taken = Vec::new();
    for _ in 0..4 {
        let one = Take {
            limit: 1,
            of_organization: 1,
            to_receiver: 1,
            busy_organizations: &[],
            busy_receivers: &[],
        };
        let due = store.deliveries_due(one, Duration::from_secs(90)).await;
        taken.extend(due.unwrap().iter().map(|one| one.id().to_owned()));
    }
    assert_eq!(taken, ["new", "newer", "failing"]);
}
