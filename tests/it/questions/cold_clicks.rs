//! The first click after an idle hour: the database and the secret store are slow, and nothing is cached.

use crate::world::{World, press, question};
use postern_stack::{Fault, Relay, SecretsMode};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long the database and the secret store take.
const SLOW: Duration = Duration::from_millis(700);
/// The default budget.
const BUDGET: Duration = Duration::from_secs(2);
/// Slack's, Telegram's and Discord's own time, less the network's.
const PLATFORM: Duration = Duration::from_millis(2900);

/// A world behind a relay to its database, with the default time-outs and one question.
async fn asked(extra: &[(&str, &str)]) -> (World, Relay, String) {
    let world = World::new().await;
    world.tenants().await;
    let secret: Value = serde_json::from_str(&world.secrets_database()).unwrap();
    let port = secret["port"].as_u64().unwrap().try_into().unwrap();
    let relay = Relay::start(port).await.unwrap();
    let port = relay.port().to_string();
    let defaults = [
        ("DATABASE_HOST", relay.host()),
        ("DATABASE_PORT", &port),
        ("DATABASE_POOL_MAX", "1"),
        ("DATABASE_TIMEOUT_MS", "3000"),
        ("ACK_BUDGET_MS", "2000"),
    ];
    let world = world.restarted_with(&[&defaults[..], extra].concat());
    let token = world.conversing("a", "U1").await;
    assert_eq!(world.ask(&token, &question("q-1")).await.status, 201);
    (world, relay, token)
}

/// Clicks as the person who was asked. Returns the status and how long the answer took.
async fn clicked(world: &World) -> (u64, Duration) {
    let started = Instant::now();
    let answer = world.click("slack-a", &press("U1", "q-1:0")).await;
    (answer.status, started.elapsed())
}

async fn status(world: &World, token: &str) -> Value {
    world.read(token, "q-1").await.json()["status"].clone()
}

#[tokio::test]
async fn in_an_environment_that_was_idle_the_row_and_the_secret_are_read_at_the_same_time() {
    let (world, relay, token) = asked(&[("SECRETS_CACHE_TTL_MS", "1500")]).await;
    let stranger = world.click("slack-a", &press("U2", "q-1:0")).await;
    assert_eq!(stranger.status, 200);
    world.secrets.set_slow("postern/org/a/chat/slack", SLOW);
    // Meanwhile the cached secrets become old, and the connection to the database ends.
    relay.set(Fault::Refused);
    tokio::time::sleep(Duration::from_millis(1600)).await;
    relay.set(Fault::Late(SLOW));
    let (answered, took) = clicked(&world).await;
    assert_eq!(answered, 200);
    assert!(
        took >= SLOW && took < 2 * SLOW,
        "one after the other: {took:?}"
    );
    assert_eq!(status(&world, &token).await, "answered");
}

#[tokio::test]
async fn in_a_new_environment_the_first_click_is_acknowledged_in_time() {
    let (world, relay, token) = asked(&[]).await;
    relay.set(Fault::Late(SLOW));
    world.secrets.set_mode(SecretsMode::Slow(SLOW));
    let world = world.restarted_with(&[]);
    let (answered, took) = clicked(&world).await;
    assert_eq!(answered, 200, "{took:?}");
    assert!(took < PLATFORM, "{took:?}");
    world.secrets.set_mode(SecretsMode::Up);
    relay.set(Fault::None);
    assert_eq!(status(&world, &token).await, "answered");
}

#[tokio::test]
async fn where_each_statement_is_slow_an_idle_environment_answers_and_a_new_one_fails_honestly() {
    let (world, relay, token) = asked(&[("SECRETS_CACHE_TTL_MS", "1500")]).await;
    assert_eq!(
        world.click("slack-a", &press("U2", "q-1:0")).await.status,
        200
    );
    world.secrets.set_slow("postern/org/a/chat/slack", SLOW);
    tokio::time::sleep(Duration::from_millis(1600)).await;
    relay.set(Fault::SlowRequests(SLOW));
    // The row and the secret at the same time, and then the claim.
    let (answered, took) = clicked(&world).await;
    assert_eq!(answered, 200, "{took:?}");
    assert!(took < BUDGET, "{took:?}");
    relay.set(Fault::None);
    assert_eq!(status(&world, &token).await, "answered");
    // A new environment does not know the secret's name: the row, the secret and the claim are too much.
    assert_eq!(world.ask(&token, &question("q-2")).await.status, 201);
    let world = world.restarted_with(&[("SECRETS_CACHE_TTL_MS", "300000")]);
    assert_eq!(status(&world, &token).await, "answered");
    relay.set(Fault::SlowRequests(SLOW));
    let press = press("U1", "q-2:0");
    let started = Instant::now();
    assert_eq!(world.click("slack-a", &press).await.status, 503);
    assert!(started.elapsed() < BUDGET, "{:?}", started.elapsed());
    relay.set(Fault::None);
    assert_eq!(world.click("slack-a", &press).await.status, 200);
}

#[tokio::test]
async fn what_takes_longer_than_the_budget_is_an_honest_failure_and_the_next_click_counts() {
    let (world, relay, token) = asked(&[]).await;
    let world = world.restarted_with(&[]);
    assert_eq!(
        world.click("slack-a", &press("U2", "q-1:0")).await.status,
        200
    );
    // Each statement takes longer than the budget.
    relay.set(Fault::SlowRequests(BUDGET * 2));
    let (answered, took) = clicked(&world).await;
    assert_eq!(answered, 503);
    assert!(took < BUDGET, "{took:?}");
    relay.set(Fault::None);
    assert_eq!(
        status(&world, &token).await,
        "pending",
        "a click that failed counts for nothing"
    );
    // The secret store takes longer than the budget.
    let world = world.restarted_with(&[]);
    assert_eq!(status(&world, &token).await, "pending");
    world.secrets.set_slow("postern/org/a/chat/slack", BUDGET);
    let (answered, took) = clicked(&world).await;
    assert_eq!(answered, 503);
    assert!(took < BUDGET, "{took:?}");
    world
        .secrets
        .set_slow("postern/org/a/chat/slack", Duration::ZERO);
    assert_eq!(clicked(&world).await.0, 200);
    assert_eq!(status(&world, &token).await, "answered");
}

#[tokio::test]
async fn a_claim_that_is_not_answered_in_time_is_cancelled() {
    let (world, _relay, token) = asked(&[]).await;
    assert_eq!(
        world.click("slack-a", &press("U2", "q-1:0")).await.status,
        200
    );
    let mut operator = world.client().await;
    let transaction = operator.transaction().await.unwrap();
    let lock = "select from pending_interactions where id = 'q-1' for update";
    transaction.execute(lock, &[]).await.unwrap();
    let (answered, took) = clicked(&world).await;
    assert_eq!(answered, 503);
    assert!(took < BUDGET, "{took:?}");
    transaction.rollback().await.unwrap();
    assert_eq!(status(&world, &token).await, "pending");
    assert_eq!(clicked(&world).await.0, 200);
    assert_eq!(status(&world, &token).await, "answered");
}
