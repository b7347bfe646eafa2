//! SIGKILL at every step between a click and its delivery. No answer is lost, and no answer is applied twice.

use crate::world::{ANYWHERE, World, press, question, until};
use postern_stack::{ChatMode, Receiver, ReceiverMode};

use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const CLICK: &str = "q-1:1";

/// Asks a question in Telegram, with a callback; the last value is the agent's token.
async fn asked() -> (Arc<World>, Receiver, String) {
    let world = World::new().await;
    world.tenants().await;
    let receiver = Receiver::start_on(ANYWHERE).await.unwrap();
    let token = world.talking("telegram", "111", "111").await;
    let mut body = question("q-1");
    body["callback_url"] = receiver.url().into();
    assert_eq!(world.ask(&token, &body).await.status, 201);
    (Arc::new(world), receiver, token)
}

/// Waits until the database is idle, since a statement outlives its killed client.
async fn at_rest(world: &World) {
    let at_work = "select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'";
    until("the database is at rest", async || {
        world.value(at_work).await == "0"
    })
    .await;
}

async fn claimed(world: &World) -> bool {
    let claimed = "select count(*) from pending_interactions where claimed_at is not null";
    world.value(claimed).await == "1"
}

/// Begins a click and kills the function when `at` holds.
async fn killed_when(world: &Arc<World>, what: &str, at: impl AsyncFnMut() -> bool) {
    let clicking = {
        let world = Arc::clone(world);
        let click = world.telegram_press("telegram-a", 111, CLICK, "c1").v2();
        tokio::spawn(async move {
            world
                .webhooks()
                .await
                .invoke(click, Duration::from_secs(20))
                .await
        })
    };
    until(what, at).await;
    world.webhooks().await.kill_all();
    clicking.abort();
}

/// Telegram delivers the click again. After that, everything must be as after one click.
async fn all_is_well(world: &World, receiver: &Receiver, token: &str) {
    receiver.set_mode(ReceiverMode::Up);
    world.telegram.set_mode(ChatMode::Up);
    let again = world
        .call_webhooks(world.telegram_press("telegram-a", 111, CLICK, "c1"))
        .await;
    assert_eq!(
        (again.status, &again.json()["method"]),
        (200, &json!("answerCallbackQuery"))
    );
    let other = world
        .call_webhooks(world.telegram_press("telegram-a", 111, "q-1:0", "c2"))
        .await;
    assert_eq!(other.status, 200);
    let read = world.read(token, "q-1").await.json();
    assert_eq!(
        (&read["status"], &read["answer"]["value"]),
        (&json!("answered"), &json!("No"))
    );
    world
        .sql(
            "update deliveries set next_attempt_at = now() where delivered_at is null;
        update pending_interactions set settle_at = now() where settle_at is not null",
        )
        .await;
    world.sweep(json!({})).await.unwrap();
    assert_eq!(
        world
            .value("select count(*) || ' ' || count(delivered_at) from deliveries")
            .await,
        "1 1"
    );
    assert_eq!(
        world
            .value("select array_to_string(unsettled, ' ') from pending_interactions")
            .await,
        ""
    );
    let received = receiver.received();
    assert!(!received.is_empty());
    for one in &received {
        assert_eq!(
            (one.id(), &one.json()["data"]["answer"]),
            (received[0].id(), &read["answer"])
        );
    }
}

#[tokio::test]
async fn a_click_is_not_lost_when_the_function_is_killed_after_verifying_it() {
    let (world, receiver, token) = asked().await;
    let other = world.client().await;
    other
        .batch_execute("begin; select from pending_interactions for update")
        .await
        .unwrap();
    let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    killed_when(&world, "the claim waits", async || {
        world.value(waiting).await != "0"
    })
    .await;
    assert!(!claimed(&world).await);
    other.batch_execute("rollback").await.unwrap();
    at_rest(&world).await;
    all_is_well(&world, &receiver, &token).await;
}

#[tokio::test]
async fn an_answer_reaches_chat_and_agent_when_the_function_is_killed_after_the_claim() {
    let (world, receiver, token) = asked().await;
    world.telegram.set_mode(ChatMode::Hang);
    receiver.set_mode(ReceiverMode::Hang);
    killed_when(&world, "the claim", async || claimed(&world).await).await;
    all_is_well(&world, &receiver, &token).await;
}

#[tokio::test]
async fn the_sweep_delivers_when_the_function_is_killed_after_the_acknowledgement() {
    let (world, receiver, token) = asked().await;
    receiver.set_mode(ReceiverMode::Status(503));
    let click = world
        .call_webhooks(world.telegram_press("telegram-a", 111, CLICK, "c1"))
        .await;
    assert_eq!(click.status, 200);
    world.webhooks().await.kill_all();
    all_is_well(&world, &receiver, &token).await;
}

#[tokio::test]
async fn an_outcome_is_delivered_again_under_the_same_id_when_the_function_is_killed_while_delivering()
 {
    let (world, receiver, token) = asked().await;
    receiver.set_mode(ReceiverMode::Hang);
    killed_when(&world, "the delivery", async || {
        !receiver.received().is_empty()
    })
    .await;
    all_is_well(&world, &receiver, &token).await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn what_a_killed_sweep_held_is_due_again() {
    let (world, receiver, token) = asked().await;
    receiver.set_mode(ReceiverMode::Status(503));
    world
        .call_webhooks(world.telegram_press("telegram-a", 111, CLICK, "c1"))
        .await;
    receiver.set_mode(ReceiverMode::Hang);
    world
        .sql("update deliveries set next_attempt_at = now()")
        .await;
    let sweeping = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.sweep(json!({})).await })
    };
    until("the sweep's delivery", async || {
        receiver.received().len() == 2
    })
    .await;
    world.sweep_function().await.kill_all();
    sweeping.abort();
    receiver.set_mode(ReceiverMode::Up);
    assert_eq!(
        world.sweep(json!({})).await.unwrap()["delivered"],
        0,
        "its lease still runs"
    );
    all_is_well(&world, &receiver, &token).await;
}

#[tokio::test]
async fn an_expired_question_is_one_outcome_when_the_sweep_is_killed_in_the_middle_of_a_batch() {
    let (world, receiver, _) = asked().await;
    world
        .sql("update pending_interactions set created_at = now() - interval '25 hours'")
        .await;
    let other = world.client().await;
    other
        .batch_execute("begin; lock table deliveries in exclusive mode")
        .await
        .unwrap();
    let sweeping = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.sweep(json!({})).await })
    };
    let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    until("the batch waits", async || {
        world.value(waiting).await != "0"
    })
    .await;
    world.sweep_function().await.kill_all();
    sweeping.abort();
    other.batch_execute("rollback").await.unwrap();
    at_rest(&world).await;
    for _ in 0..2 {
        world.sweep(json!({})).await.unwrap();
    }
    let outcomes: Vec<Value> = receiver
        .received()
        .iter()
        .map(|one| one.json()["type"].clone())
        .collect();
    assert_eq!(outcomes, ["interaction.expired"]);
    assert_eq!(
        world
            .value("select count(*) from pending_interactions")
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_slack_card_whose_function_was_killed_loses_its_buttons() {
    let world = Arc::new(World::new().await);
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    world.slack.set_mode(ChatMode::Hang);
    let clicking = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.click("slack-a", &press("U1", CLICK)).await })
    };
    until("the claim", async || claimed(&world).await).await;
    world.webhooks().await.kill_all();
    clicking.abort();
    world.slack.set_mode(ChatMode::Up);
    world
        .sql("update pending_interactions set settle_at = now()")
        .await;
    world.sweep(json!({})).await.unwrap();
    let calls = world.slack.calls();
    assert!(
        calls.iter().any(|call| call.method == "chat.update"),
        "{calls:?}"
    );
    assert_eq!(
        world.read(&token, "q-1").await.json()["answer"]["value"],
        "No"
    );
}
