//! What may become of a card's post: it happened, it did not, or nobody knows.

use crate::questions::platforms::{EVERYWHERE, On};
use crate::world::{Answer, World, question};
use futures_util::future::join_all;
use postern_stack::ChatMode;
use serde_json::{Value, json};

/// Asks while the platform behaves so; the answer to the asker.
async fn asked(world: &World, on: On, token: &str, id: &str, mode: ChatMode) -> Answer {
    on.set_mode(world, mode);
    let answer = world.ask(token, &question(id)).await;
    on.set_mode(world, ChatMode::Up);
    answer
}

/// The question stands, and a click on a card of it answers it.
async fn a_click_proves_it(world: &World, on: On, token: &str, id: &str) {
    assert_eq!(world.read(token, id).await.json()["status"], "pending");
    let press = on.press(world, on.asked(), "77", &format!("{id}:1"), id);
    assert_eq!(world.call_webhooks(press).await.status, 200);
    let read = world.read(token, id).await.json();
    assert_eq!(
        (&read["status"], &read["answer"]["value"]),
        (&json!("answered"), &json!("No")),
        "{on:?} {id}"
    );
}

fn unknown(answer: &Answer) -> bool {
    let body = answer.json();
    (answer.status, &body["posted"], &body["status"]) == (202, &json!("unknown"), &json!("pending"))
}

#[tokio::test]
async fn a_post_that_is_answered_not_at_all_or_with_nonsense_may_have_happened() {
    let world = World::with_env(&[("AWS_LAMBDA_MAX_CONCURRENCY", "8")]).await;
    world.tenants().await;
    let outcomes = EVERYWHERE.map(async |on| {
        let token = on.token(&world).await;
        for (mode, kind) in [(ChatMode::Garbage, "garbage"), (ChatMode::Hang, "hang")] {
            let id = format!("{kind}-{}", on.name());
            let answer = asked(&world, on, &token, &id, mode).await;
            assert!(unknown(&answer), "{on:?} {mode:?}: {answer:?}");
            a_click_proves_it(&world, on, &token, &id).await;
        }
    });
    join_all(outcomes).await;
}

#[tokio::test]
async fn a_post_that_never_left_did_not_happen() {
    let world = World::new().await;
    world.tenants().await;
    world
        .sql(r#"update connections set config = '{"api_base_url": "http://127.0.0.2:1"}'"#)
        .await;
    for on in EVERYWHERE {
        let token = on.token(&world).await;
        let answer = world.ask(&token, &question("q-1")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (502, "post_failed"),
            "{on:?}"
        );
        let rows = "select count(*) from pending_interactions";
        assert_eq!(world.value(rows).await, "0", "{on:?}");
    }
}

#[tokio::test]
async fn a_card_that_is_refused_and_whose_text_is_taken_is_said_to_be_text() {
    let world = World::new().await;
    world.tenants().await;
    for on in EVERYWHERE {
        let token = on.token(&world).await;
        let id = format!("text-{}", on.name());
        let answer = asked(&world, on, &token, &id, ChatMode::RefuseCards).await;
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["posted"], &body["status"]),
            (201, &json!("text"), &json!("pending")),
            "{on:?}"
        );
        let whole = asked(
            &world,
            on,
            &token,
            &format!("card-{}", on.name()),
            ChatMode::Up,
        )
        .await;
        assert_eq!(
            (whole.status, &whole.json()["posted"]),
            (201, &Value::Null),
            "{on:?}"
        );
    }
}

#[tokio::test]
async fn that_a_repeat_was_refused_says_nothing_of_the_post_before_it() {
    let world = World::new().await;
    world.tenants().await;
    let token = On::Discord.token(&world).await;
    let mode = ChatMode::ResetThenRefuse;
    let answer = asked(&world, On::Discord, &token, "q-1", mode).await;
    assert!(unknown(&answer), "{answer:?}");
    let calls = On::Discord.calls(&world);
    assert_eq!((calls.len(), &calls[0].body), (2, &calls[1].body));
    a_click_proves_it(&world, On::Discord, &token, "q-1").await;
}
