//! Edges: a function that is killed, an answer at the last second, bodies and numbers at their bounds.

use crate::questions::platforms::EVERYWHERE;
use crate::world::{World, press, question, through, until};
use postern_stack::{ChatMode, HttpRequest};
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// Begins to ask, and kills the function once `at` holds.
async fn killed_when(world: &Arc<World>, token: &str, what: &str, at: impl AsyncFnMut() -> bool) {
    let asking = {
        let world = Arc::clone(world);
        let ask = HttpRequest::post_json("/v1/interactions", &question("q-1"))
            .header("x-postern-worker-token", token)
            .v2();
        tokio::spawn(async move {
            let webhooks = world.webhooks().await;
            webhooks.invoke(ask, Duration::from_secs(30)).await
        })
    };
    until(what, at).await;
    world.webhooks().await.kill_all();
    asking.abort();
}

#[tokio::test]
async fn after_a_kill_between_storing_and_posting_the_same_request_posts_the_card_after_30_seconds()
{
    let world = Arc::new(World::new().await);
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.slack.set_mode(ChatMode::Hang);
    killed_when(&world, &token, "the post", async || {
        world.slack.calls().len() == 1
    })
    .await;
    world.slack.set_mode(ChatMode::Up);
    let early = world.ask(&token, &question("q-1")).await;
    assert_eq!((early.status, world.slack.cards().len()), (200, 1));
    world
        .sql("update pending_interactions set stored_at = now() - interval '30 seconds', post_at = now()")
        .await;
    let late = world.ask(&token, &question("q-1")).await;
    assert_eq!(late.status, 200, "{late:?}");
    let cards = world.slack.cards();
    assert_eq!(cards.len(), 2, "the card was not posted again");
    assert_ne!(cards[0].button(0), cards[1].button(0), "a new revision");
    assert_eq!(
        world.ask(&token, &question("q-1")).await.status,
        200,
        "after that it is not posted again"
    );
    assert_eq!(world.slack.cards().len(), 2);
    // The first card was posted after all. A click on it answers nothing; one on the new card does.
    for (message, status) in [
        (&cards[0].message, "pending"),
        (&cards[1].message, "answered"),
    ] {
        let mut press = press("U1", "q-1:0");
        press.message = Some(message);
        world.click("slack-a", &press).await;
        assert_eq!(world.read(&token, "q-1").await.json()["status"], status);
    }
}

#[tokio::test]
async fn nothing_is_lost_when_the_function_is_killed_before_it_posts() {
    let world = Arc::new(World::new().await);
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    // The function waits for its secret, after the row is stored.
    world.secrets.set_mode(postern_stack::SecretsMode::Up);
    let warm = world.read(&token, "q-0").await;
    assert_eq!(warm.code(), "unknown_interaction");
    let slow = postern_stack::SecretsMode::Slow(Duration::from_secs(60));
    world.secrets.set_mode(slow);
    killed_when(&world, &token, "the row", async || {
        let rows = "select count(*) from pending_interactions";
        world.value(rows).await == "1"
    })
    .await;
    world.secrets.set_mode(postern_stack::SecretsMode::Up);
    assert!(world.slack.calls().is_empty());
    world
        .sql("update pending_interactions set stored_at = now() - interval '31 seconds', post_at = now() - interval '1 second'")
        .await;
    assert_eq!(world.ask(&token, &question("q-1")).await.status, 200);
    assert_eq!(world.slack.cards().len(), 1);
    world.click("slack-a", &press("U1", "q-1:0")).await;
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "answered");
}

#[tokio::test]
async fn after_a_kill_between_posting_and_noting_the_posted_card_answers_until_it_is_asked_again() {
    let world = Arc::new(World::new().await);
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    // This is the state when the note was not written.
    world
        .sql("update pending_interactions set posted_at = null, card = null")
        .await;
    assert_eq!(world.ask(&token, &question("q-1")).await.status, 200);
    assert_eq!(world.slack.cards().len(), 1);
    world.click("slack-a", &press("U1", "q-1:1")).await;
    let read = world.read(&token, "q-1").await.json();
    assert_eq!(read["answer"]["value"], "No");
}

#[tokio::test]
async fn an_answer_in_the_last_second_can_be_read_for_another_hour() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    world
        .sql("update pending_interactions set created_at = now() - interval '24 hours' + interval '20 seconds'")
        .await;
    world.click("slack-a", &press("U1", "q-1:0")).await;
    let older = |minutes: u32| {
        format!(
            "update pending_interactions set created_at = created_at - interval '{minutes} minutes',
                 claimed_at = claimed_at - interval '{minutes} minutes'"
        )
    };
    world.sql(&older(59)).await;
    let report = world.sweep(json!({})).await.unwrap();
    assert_eq!(report["deleted"]["pending_interactions"], 0);
    assert_eq!(
        world.read(&token, "q-1").await.json()["answer"]["value"],
        "Yes"
    );
    world.sql(&older(2)).await;
    let report = world.sweep(json!({})).await.unwrap();
    assert_eq!(report["deleted"]["pending_interactions"], 1);
    assert_eq!(
        world.read(&token, "q-1").await.code(),
        "unknown_interaction"
    );
}

#[tokio::test]
async fn a_body_over_128_kib_is_refused() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    let mut body = question("q-1");
    body["note"] = "x".repeat(128 * 1024).into();
    let refused = world.ask(&token, &body).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (413, "body_too_large")
    );
    body["note"] = "x".repeat(127 * 1024).into();
    assert_eq!(world.ask(&token, &body).await.status, 201);
}

#[tokio::test]
async fn an_agent_has_at_most_a_thousand_open_questions_and_its_neighbour_its_own() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world
        .sql(
            "insert into pending_interactions (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload)
             select 'a', 'x-' || n, 'slack-a', 'U1', 'agent-a', '{}' from generate_series(1, 999) n",
        )
        .await;
    assert_eq!(world.ask(&token, &question("q-1")).await.status, 201);
    let refused = world.ask(&token, &question("q-2")).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "too_many_open")
    );
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(world.slack.cards().len(), 1, "it was not posted");
    // Neither a question that is already open nor a colleague's counts as one more.
    let mut changed = question("q-1");
    changed["question"] = "Deploy now?".into();
    assert_eq!(world.ask(&token, &changed).await.status, 200);
    let colleague = world
        .token("a", "second-a", crate::world::talk("a", "U1"))
        .await;
    assert_eq!(world.ask(&colleague, &question("q-3")).await.status, 201);
    world
        .sql("update pending_interactions set claimed_at = now() where id = 'x-1'")
        .await;
    assert_eq!(world.ask(&token, &question("q-2")).await.status, 201);
}

#[tokio::test]
async fn a_connection_posts_only_where_the_operator_lets_it() {
    let world = World::with_env(&[("CHAT_API_HOSTS", "chat.example.gov")]).await;
    world.tenants().await;
    let put = |url: &str| {
        json!({"command": "put_connection", "organization_id": "a", "id": "slack-a", "platform": "slack",
            "secret_ref": "postern/org/a/chat/slack", "config": {"api_base_url": url}})
    };
    for good in ["https://slack.com/api", "https://chat.example.gov/api"] {
        world.ok(put(good)).await;
    }
    let elsewhere = "https://evil.example/api";
    let refused = world.command(put(elsewhere)).await;
    assert_eq!(refused["error"]["code"], "invalid_request", "{refused}");
    let said = refused["error"]["message"].as_str().unwrap();
    assert!(said.contains("config.api_base_url"), "{said}");
    // A row that names another host is not believed either.
    for on in EVERYWHERE {
        let connection = format!("{}-a", on.name());
        world
            .sql(&format!(
                "update connections set config = '{{\"api_base_url\": \"{elsewhere}\"}}' where id = '{connection}'"
            ))
            .await;
        let token = on.token(&world).await;
        let asked = world.ask(&token, &question("q-1")).await;
        assert_eq!(
            (asked.status, asked.code().as_str()),
            (502, "post_failed"),
            "{on:?}"
        );
    }
    let rows = "select count(*) from pending_interactions";
    assert_eq!(world.value(rows).await, "0");
}

#[tokio::test]
async fn every_header_by_which_a_server_takes_another_path_hides_the_path() {
    let world = World::new().await;
    world.tenants().await;
    world
        .policy(
            "a",
            json!([{"host": "127.0.0.1", "path_prefix": "/secret", "action": "deny"},
                {"host": "127.0.0.1", "action": "allow"}]),
        )
        .await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let request = through("openai/a/agent-a/v1/chat/completions", &placeholder);
    assert_eq!(world.call_proxy(request.clone()).await.status, 200);
    for name in [
        "x-original-url",
        "x-rewrite-url",
        "x-original-uri",
        "x-envoy-original-path",
    ] {
        let refused = world
            .call_proxy(request.clone().header(name, "/secret"))
            .await;
        assert_eq!(refused.code(), "egress_denied", "{name}");
    }
    for path in [
        "v1%c0%afsecret",
        "x/..%c0%af/secret",
        "v1%u002fsecret",
        "%e0%80%afsecret",
    ] {
        let refused = world
            .call_proxy(through(&format!("openai/a/agent-a/{path}"), &placeholder))
            .await;
        assert_eq!(refused.code(), "egress_denied", "{path}");
    }
}

#[tokio::test]
async fn an_accent_may_be_written_in_either_form_and_is_denied_in_both() {
    let world = World::new().await;
    world.tenants().await;
    world
        .policy(
            "a",
            json!([{"host": "127.0.0.1", "path_prefix": "/caf\u{e9}", "action": "deny"},
                {"host": "127.0.0.1", "action": "allow"}]),
        )
        .await;
    let placeholder = world.placeholder("a", "agent-a").await;
    for path in ["caf%C3%A9/x", "cafe%CC%81/x"] {
        let refused = world
            .call_proxy(through(&format!("openai/a/agent-a/{path}"), &placeholder))
            .await;
        assert_eq!(refused.code(), "egress_denied", "{path}");
    }
}
