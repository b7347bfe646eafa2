//! A question's whole life, through the routes of webhooks.

use crate::world::{World, press, question, talk};
use postern_stack::{ChatMode, HttpRequest};
use serde_json::json;

pub(super) async fn rows(world: &World) -> String {
    world
        .value("select count(*) from pending_interactions")
        .await
}

#[tokio::test]
async fn a_question_reaches_chat_one_click_claims_it_and_the_agent_reads_the_answer() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    let asked = world.ask(&token, &question("q-1")).await;
    assert_eq!(
        (asked.status, &asked.json()["status"]),
        (201, &json!("pending")),
        "{asked:?}"
    );
    let post = &world.slack.calls()[0];
    assert_eq!(
        (post.method.as_str(), post.token.as_str()),
        ("chat.postMessage", "xoxb-a")
    );
    assert_eq!(post.body["channel"], "C1");
    let buttons = post.body["blocks"].as_array().unwrap().last().unwrap()["elements"].clone();
    let action = buttons[1]["action_id"].as_str().unwrap();
    assert!(action.starts_with("q:q-1:") && action.ends_with(":1"));
    assert_eq!(buttons[1]["text"]["text"], "No");

    let clicked = world.click("slack-a", &press("U1", "q-1:1")).await;
    assert_eq!((clicked.status, clicked.text()), (200, String::new()));
    let answer = world.read(&token, "q-1").await.json();
    assert_eq!(
        (
            &answer["status"],
            &answer["answer"]["value"],
            &answer["answer"]["index"],
            &answer["answer"]["user_id"]
        ),
        (&json!("answered"), &json!("No"), &json!(1), &json!("U1"))
    );
    assert!(
        answer["answer"]["answered_at"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    let settled: Vec<String> = world.slack.calls()[1..]
        .iter()
        .map(|call| call.method.clone())
        .collect();
    assert!(
        settled.contains(&"chat.update".to_owned())
            && settled.contains(&"chat.postMessage".to_owned()),
        "{settled:?}"
    );
    let update = world
        .slack
        .calls()
        .into_iter()
        .find(|call| call.method == "chat.update")
        .unwrap();
    assert!(
        !update.body["blocks"].to_string().contains("\"actions\""),
        "the card keeps its buttons"
    );

    world.click("slack-a", &press("U1", "q-1:0")).await;
    assert_eq!(
        world.read(&token, "q-1").await.json(),
        answer,
        "a second click changes nothing"
    );
}

#[tokio::test]
async fn a_card_and_its_text_that_are_refused_leave_no_row() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.slack.set_mode(ChatMode::Refuse);
    let asked = world.ask(&token, &question("q-1")).await;
    assert_eq!((asked.status, asked.code().as_str()), (502, "post_failed"));
    assert_eq!(world.slack.calls().len(), 2, "the card, then the text");
    assert_eq!(rows(&world).await, "0");
    world.slack.set_mode(ChatMode::Up);
    assert_eq!(world.ask(&token, &question("q-1")).await.status, 201);
}

#[tokio::test]
async fn a_refused_card_is_followed_by_plain_text() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.slack.set_mode(ChatMode::RefuseCards);
    assert_eq!(world.ask(&token, &question("q-1")).await.status, 201);
    let calls = world.slack.calls();
    assert!(
        calls[1].body.get("blocks").is_none()
            && calls[1].body["text"].as_str().unwrap().contains("Deploy?")
    );
    assert_eq!(rows(&world).await, "1");
}

#[tokio::test]
async fn a_post_that_may_have_happened_keeps_its_row_and_a_click_proves_the_card() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.slack.set_mode(ChatMode::Reset);
    let asked = world.ask(&token, &question("q-1")).await;
    assert_eq!(
        (asked.status, &asked.json()["posted"]),
        (202, &json!("unknown")),
        "{asked:?}"
    );
    assert_eq!(world.slack.calls().len(), 1, "it is not posted again");
    world.slack.set_mode(ChatMode::Up);
    world.click("slack-a", &press("U1", "q-1:0")).await;
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "answered");
}

#[tokio::test]
async fn nothing_is_posted_when_storing_fails() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world
        .sql("alter table pending_interactions rename to away")
        .await;
    let asked = world.ask(&token, &question("q-1")).await;
    assert_eq!(
        (asked.status, asked.code().as_str()),
        (503, "database_unavailable")
    );
    assert!(asked.headers.contains_key("retry-after"));
    assert!(world.slack.calls().is_empty());
}

#[tokio::test]
async fn the_same_id_again_is_left_as_it_is_or_stored_again() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    let again = world.ask(&token, &question("q-1")).await;
    assert_eq!(
        (again.status, &again.json()["status"]),
        (200, &json!("pending"))
    );
    assert_eq!(world.slack.calls().len(), 1, "no second card");

    let first = press("U1", "q-1:0").request("slack-a", &world.slack.cards());
    world.call_webhooks(first.clone()).await;
    assert_eq!(
        world.ask(&token, &question("q-1")).await.json()["answer"]["value"],
        "Yes"
    );

    let mut changed = question("q-1");
    changed["question"] = "Deploy now?".into();
    let asked_again = world.ask(&token, &changed).await;
    assert_eq!(
        (asked_again.status, &asked_again.json()["status"]),
        (200, &json!("pending")),
        "{asked_again:?}"
    );
    world.call_webhooks(first).await;
    assert_eq!(
        world.read(&token, "q-1").await.json()["status"],
        "pending",
        "the same click delivered again"
    );
    world
        .click(
            "slack-a",
            &crate::world::Press {
                action_ts: "1700000002.000002",
                ..press("U1", "q-1:0")
            },
        )
        .await;
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "answered");

    let other_user = world.conversing("a", "U2").await;
    assert_eq!(
        world.ask(&other_user, &question("q-1")).await.code(),
        "scope_conflict"
    );
    let mut extra = talk("a", "U1");
    extra["connection_id"] = "slack-a".into();
    let other_agent = world.token("a", "second-a", extra).await;
    assert_eq!(
        world.ask(&other_agent, &question("q-1")).await.code(),
        "scope_conflict"
    );

    world
        .sql("update pending_interactions set created_at = now() - interval '25 hours'")
        .await;
    let expired = world.ask(&token, &question("q-1")).await;
    assert_eq!(
        (expired.status, expired.code().as_str()),
        (409, "interaction_expired")
    );
}

#[tokio::test]
async fn an_agent_withdraws_what_nobody_answered_and_only_its_own() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    let delete = |token: &str, id: &str| {
        let request = HttpRequest::new("DELETE", &format!("/v1/interactions/{id}"))
            .header("x-postern-worker-token", token);
        world.call_webhooks(request)
    };
    world.ask(&token, &question("q-1")).await;
    let foreign = world.conversing("b", "U1").await;
    for other in [&foreign, &world.conversing("a", "U2").await] {
        assert_eq!(delete(other, "q-1").await.code(), "unknown_interaction");
    }
    assert_eq!(
        world.read(&foreign, "q-1").await.code(),
        "unknown_interaction"
    );
    assert_eq!(delete(&token, "q-1").await.status, 204);
    assert_eq!(
        world.read(&token, "q-1").await.code(),
        "unknown_interaction"
    );
    assert_eq!(
        world.click("slack-a", &press("U1", "q-1:0")).await.status,
        200
    );
    world.ask(&token, &question("q-2")).await;
    world.click("slack-a", &press("U1", "q-2:0")).await;
    assert_eq!(delete(&token, "q-2").await.code(), "interaction_answered");
}
