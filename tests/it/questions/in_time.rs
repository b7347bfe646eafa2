//! Clicks are acknowledged and readers answered in time, whatever hangs.

use crate::questions::callbacks::with_callback;
use crate::questions::platforms::{EVERYWHERE, On};
use crate::world::{ANYWHERE, World, press, question, until};
use postern_stack::{ChatMode, HttpRequest, Receiver, ReceiverMode};
use serde_json::json;
use std::{
    ops::Range,
    time::{Duration, Instant},
};

const BUDGET: (&str, &str) = ("ACK_BUDGET_MS", "4000");
/// A call that hangs may use 4 fifths of the budget. That is longer than with the default budget, and
/// shorter than the 10 s that a call may take by itself.
const IN_TIME: Range<Duration> = Duration::from_secs(3)..Duration::from_secs(9);

/// The first call of each kind also connects and reads secrets, which must not be measured.
async fn warmed_up(world: &World, on: On) {
    let stranger = on.press(world, on.stranger(), "9", "none:0", "warm-up");
    assert_eq!(world.call_webhooks(stranger).await.status, 200);
}

/// Clicks on the question `q-1` as the asked person; returns the status and how long the answer took.
async fn clicked(world: &World, on: On) -> (u64, Duration) {
    let press = on.press_newest(world, on.asked(), "q-1:0", "7");
    let started = Instant::now();
    let answer = world.call_webhooks(press).await;
    (answer.status, started.elapsed())
}

#[tokio::test]
async fn a_receiver_that_hangs_costs_the_click_its_budget_and_no_more() {
    let (world, receiver) = (
        World::with_env(&[BUDGET]).await,
        Receiver::start_on(ANYWHERE).await.unwrap(),
    );
    world.tenants().await;
    let token = On::Discord.token(&world).await;
    let asked = world
        .ask(&token, &with_callback("q-1", &receiver.url()))
        .await;
    assert_eq!(asked.status, 201);
    warmed_up(&world, On::Discord).await;
    receiver.set_mode(ReceiverMode::Hang);
    let (status, took) = clicked(&world, On::Discord).await;
    assert!(
        status == 200 && IN_TIME.contains(&took),
        "{status} {took:?}"
    );
    receiver.set_mode(ReceiverMode::Up);
    // The lease was as long as the budget, so the delivery becomes due by itself.
    until("its lease ends", async || {
        world.sweep(json!({})).await.unwrap()["delivered"] == 1
    })
    .await;
    assert_eq!(receiver.received()[0].id(), receiver.received()[1].id());
}

#[tokio::test]
async fn a_click_is_acknowledged_in_time_though_its_chat_hangs_and_the_sweep_finishes() {
    let world = World::with_env(&[BUDGET]).await;
    world.tenants().await;
    let slack = world.conversing("a", "U1").await;
    world.ask(&slack, &question("q-1")).await;
    warmed_up(&world, On::Slack).await;
    world.slack.set_mode(ChatMode::Hang);
    let (status, took) = clicked(&world, On::Slack).await;
    assert!(
        status == 200 && IN_TIME.contains(&took),
        "{status} {took:?}"
    );
    // The receipt may have arrived, so it is not sent again. The card's update is still owed.
    let owed = "select array_to_string(unsettled, ' ') from pending_interactions";
    assert_eq!(world.value(owed).await, "card");
    world.slack.set_mode(ChatMode::Up);
    world
        .sql("update pending_interactions set settle_at = now()")
        .await;
    world.sweep(json!({})).await.unwrap();
    let update = world.slack.calls().pop().unwrap();
    assert_eq!(
        (update.method.as_str(), &update.body["ts"]),
        ("chat.update", &json!("1700000000.000001"))
    );
    assert!(update.body.to_string().contains("answered: Yes"));
    assert_eq!(world.value(owed).await, "");
    let calls = world.slack.calls().len();
    world.sweep(json!({})).await.unwrap();
    assert_eq!(world.slack.calls().len(), calls, "it is done once");
}

#[tokio::test]
async fn a_late_click_is_acknowledged_in_time_though_its_chat_hangs() {
    let world = World::with_env(&[BUDGET]).await;
    world.tenants().await;
    for on in EVERYWHERE {
        let token = on.token(&world).await;
        assert_eq!(world.ask(&token, &question("q-1")).await.status, 201);
        assert_eq!(world.withdraw(&token, "q-1").await.status, 204);
        warmed_up(&world, on).await;
        on.set_mode(&world, ChatMode::Hang);
        let (status, took) = clicked(&world, on).await;
        assert!(
            status == 200 && took < IN_TIME.end,
            "{on:?}: {status} {took:?}"
        );
    }
    let note = world.slack.calls().pop().unwrap();
    assert_eq!(note.method, "chat.postEphemeral", "Slack was not called");
}

/// A reader of `q-1` that waits this many seconds.
fn waiting(token: &str, seconds: u8) -> HttpRequest {
    let mut request =
        HttpRequest::get("/v1/interactions/q-1").header("x-postern-worker-token", token);
    request.query = format!("wait={seconds}");
    request
}

#[tokio::test]
async fn a_reader_that_waits_is_answered_when_the_click_comes_and_not_before() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    let wait = |seconds: u8| world.call_webhooks(waiting(&token, seconds));
    let started = Instant::now();
    assert_eq!(wait(1).await.json()["status"], "pending");
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(wait(26).await.code(), "invalid_request");
    let answer = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world
            .sql(
                "update pending_interactions set claimed_at = now(),
                     answer = '{\"value\": \"Yes\", \"index\": 0, \"user_id\": \"U1\", \"answered_at\": \"2026-01-02T03:04:05.006Z\"}'",
            )
            .await;
    };
    let started = Instant::now();
    let (read, ()) = tokio::join!(wait(20), answer);
    assert_eq!(read.json()["answer"]["value"], "Yes");
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_reader_that_waits_leaves_the_only_connection_to_the_click_that_it_waits_for() {
    let world = World::with_env(&[
        ("DATABASE_POOL_MAX", "1"),
        ("AWS_LAMBDA_MAX_CONCURRENCY", "8"),
    ])
    .await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    warmed_up(&world, On::Slack).await;
    let click = async {
        // The last query of the function's connections.
        let reading = "select count(*) from pg_stat_activity where datname = current_database()
            and pid <> pg_backend_pid() and query like '%interaction_status_1(%'";
        until("the reader has read", async || {
            world.value(reading).await != "0"
        })
        .await;
        let started = Instant::now();
        let answer = world.click("slack-a", &press("U1", "q-1:0")).await;
        (answer.status, started.elapsed())
    };
    let started = Instant::now();
    let (read, (status, took)) = tokio::join!(world.call_webhooks(waiting(&token, 25)), click);
    assert!(
        status == 200 && took < Duration::from_secs(10),
        "{status} {took:?}"
    );
    assert_eq!(read.json()["status"], "answered");
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    let connections = "select count(*) from pg_stat_activity where datname = current_database()
        and pid <> pg_backend_pid() and query like '%postern_webhooks.%'";
    assert_eq!(world.value(connections).await, "1");
}
