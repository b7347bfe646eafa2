//! Rows that Postern did not write as they are: the decision stands, and what cannot be drawn is not.

use crate::world::{World, press, question};
use postern_stack::Function;
use serde_json::{Value, json};

/// How many cards could not be drawn, as the log says.
async fn not_drawn(function: &Function) -> usize {
    let logs = function.logs().await;
    let errors = logs.iter().filter(|line| line.contains("card_not_drawn"));
    errors.filter(|line| line.contains("ERROR")).count()
}

fn calls_after_the_card(world: &World) -> usize {
    world.slack.calls().len() - 1
}

#[tokio::test]
async fn a_row_with_the_documented_columns_alone_is_answered_and_its_card_is_drawn() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world
        .sql(
            "insert into pending_interactions
                 (organization_id, id, connection_id, expected_user_id, agent_id, revision, entry_payload)
             values ('a', 'x-1', 'slack-a', 'U1', 'agent-a', 'abcdef',
                 '{\"kind\": \"question\", \"question\": \"Deploy?\", \"options\": [\"Yes\", \"No\"]}')",
        )
        .await;
    let clicked = world.click("slack-a", &press("U1", "q:x-1:abcdef:1")).await;
    assert_eq!(clicked.status, 200);
    assert_eq!(
        world.read(&token, "x-1").await.json()["answer"]["value"],
        "No"
    );
    let calls = world.slack.calls();
    let update = calls.iter().find(|call| call.method == "chat.update");
    assert!(update.unwrap().body.to_string().contains("Deploy?"));
}

#[tokio::test]
async fn a_malformed_payload_is_claimed_and_delivered_and_its_card_is_not_drawn() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    world
        .sql("update pending_interactions set entry_payload = entry_payload - 'question'")
        .await;
    for _ in 0..2 {
        let clicked = world.click("slack-a", &press("U1", "q-1:1")).await;
        assert_eq!((clicked.status, clicked.text()), (200, String::new()));
    }
    let read = world.read(&token, "q-1").await.json();
    assert_eq!(
        (&read["status"], &read["answer"]["value"]),
        (&json!("answered"), &json!("No"))
    );
    let settled = "select unsettled = '{}' and settle_at is null from pending_interactions";
    assert_eq!(world.value(settled).await, "t");
    assert_eq!(calls_after_the_card(&world), 0, "{:?}", world.slack.calls());
    assert!(not_drawn(world.webhooks().await).await > 0);
}

#[tokio::test]
async fn platforms_that_draw_in_their_answer_only_take_note_of_a_click_on_a_malformed_payload() {
    let world = World::new().await;
    world.tenants().await;
    for (platform, user, channel) in [("telegram", "111", "111"), ("discord", "222", "333")] {
        let token = world.talking(platform, user, channel).await;
        assert_eq!(world.ask(&token, &question(platform)).await.status, 201);
    }
    world
        .sql("update pending_interactions set entry_payload = jsonb_set(entry_payload, '{kind}', '\"other\"')")
        .await;
    let request = world.telegram_press("telegram-a", 111, "telegram:0", "7");
    let answer = world.call_webhooks(request).await;
    assert_eq!(
        (answer.status, &answer.json()["method"]),
        (200, &json!("answerCallbackQuery"))
    );
    let request = world.discord_press("discord-a", "222", "discord:0", "8");
    let answer = world.call_webhooks(request).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"type": 6})));
    let claimed = "select bool_and(claimed_at is not null) from pending_interactions";
    assert_eq!(world.value(claimed).await, "t");
}

#[tokio::test]
async fn a_malformed_payload_is_withdrawn_and_its_card_is_not_drawn() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    world
        .sql("update pending_interactions set entry_payload = '{}'")
        .await;
    assert_eq!(world.withdraw(&token, "q-1").await.status, 204);
    let rows = "select count(*) from pending_interactions";
    assert_eq!(world.value(rows).await, "0");
    assert_eq!(calls_after_the_card(&world), 0);
    assert_eq!(not_drawn(world.webhooks().await).await, 1);
}

#[tokio::test]
async fn the_sweep_settles_others_beside_a_malformed_row_and_deletes_it() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    for id in ["odd", "whole"] {
        world.ask(&token, &question(id)).await;
        world
            .click("slack-a", &press("U1", &format!("{id}:0")))
            .await;
    }
    world
        .sql(
            "update pending_interactions set unsettled = '{card}', settle_at = now();
             update pending_interactions set entry_payload = '[]', answer = '7' where id = 'odd'",
        )
        .await;
    let before = world.slack.calls().len();
    world.sweep(Value::Null).await.unwrap();
    let edits = world.slack.calls().split_off(before);
    assert_eq!(edits.len(), 1, "{edits:?}");
    let settled = "select bool_and(unsettled = '{}') from pending_interactions";
    assert_eq!(world.value(settled).await, "t");
    assert_eq!(not_drawn(world.sweep_function().await).await, 1);
    world
        .sql(
            "update pending_interactions set created_at = created_at - interval '2 days',
                 claimed_at = claimed_at - interval '2 days'",
        )
        .await;
    let swept = world.sweep(Value::Null).await.unwrap();
    assert_eq!(swept["deleted"]["pending_interactions"], 2);
}

#[tokio::test]
async fn a_malformed_answer_is_an_error_and_is_not_shown() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    for answer in [
        "null",
        "'null'",
        "'\"private\"'",
        "'{\"value\": [\"private\"]}'",
    ] {
        world
            .sql(&format!(
                "update pending_interactions set claimed_at = now(), answer = {answer}"
            ))
            .await;
        let read = world.read(&token, "q-1").await;
        assert_eq!(
            (read.status, read.code().as_str()),
            (503, "database_unavailable")
        );
        assert!(!read.text().contains("private"), "{}", read.text());
    }
    let logs = world.webhooks().await.logs().await;
    assert!(!logs.concat().contains("private"));
}
