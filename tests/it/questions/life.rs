//! A question's whole life, through the function's own routes.

use crate::world::{SIGNING_SECRET, World, press, question, signed, talk, unix_now};
use postern_stack::{ChatMode, HttpRequest, SecretsMode};
use serde_json::json;
use std::time::{Duration, Instant};

async fn rows(world: &World) -> String {
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
    for mode in [
        ChatMode::Refuse,
        ChatMode::Status(500),
        ChatMode::Status(429),
    ] {
        let world = World::new().await;
        world.tenants().await;
        let token = world.conversing("a", "U1").await;
        world.slack.set_mode(mode);
        let asked = world.ask(&token, &question("q-1")).await;
        assert_eq!((asked.status, asked.code().as_str()), (502, "post_failed"));
        assert_eq!(world.slack.calls().len(), 2, "the card, then the text");
        assert_eq!(rows(&world).await, "0");
        world.slack.set_mode(ChatMode::Up);
        assert_eq!(world.ask(&token, &question("q-1")).await.status, 201);
    }
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
async fn the_same_id_again_stands_as_it_is_or_is_stored_anew() {
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
    let anew = world.ask(&token, &changed).await;
    assert_eq!(
        (anew.status, &anew.json()["status"]),
        (200, &json!("pending")),
        "{anew:?}"
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
async fn a_click_by_another_person_on_another_connection_or_of_no_option_learns_and_changes_nothing()
 {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    let clicks = [
        ("slack-a", press("U2", "q-1:0")),
        ("slack-b", press("U1", "q-1:0")),
        ("slack-a", press("U1", "q-2:0")),
        ("slack-a", press("U1", "q-1:2")),
        ("slack-a", press("U1", "q:q-1:abcdef:-1")),
        ("slack-a", press("U1", "something else")),
    ];
    for (connection, click) in clicks {
        let answer = world.click(connection, &click).await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, String::new()),
            "{}",
            click.option
        );
    }
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "pending");
}

#[tokio::test]
async fn an_unsigned_forged_or_stale_call_is_refused_before_anything_is_parsed() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    let body = press("U1", "q-1:0")
        .body("slack-a", &world.slack.cards())
        .into_bytes();
    let now = unix_now();
    let forged = [
        HttpRequest::new("POST", "/webhooks/slack-a").body(body.clone()),
        signed("slack-a", body.clone(), "another secret", now),
        signed("slack-a", body.clone(), SIGNING_SECRET, now - 301),
        signed("slack-a", body.clone(), SIGNING_SECRET, now + 310),
        signed("slack-a", body.clone(), SIGNING_SECRET, now).body(b"payload=%7B%7D".to_vec()),
    ];
    for request in forged {
        let answer = world.call_webhooks(request).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "invalid_signature")
        );
    }
    let unknown = world
        .call_webhooks(signed("nobody", body, SIGNING_SECRET, now))
        .await;
    assert_eq!(
        (unknown.status, unknown.code().as_str()),
        (404, "unknown_connection")
    );
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "pending");
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

#[tokio::test]
async fn who_answers_comes_from_the_token_and_never_from_the_body() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    let mut body = question("q-1");
    body["user_id"] = "U2".into();
    body["connection_id"] = "slack-b".into();
    body["channel_id"] = "C-evil".into();
    body["organization_id"] = "b".into();
    assert_eq!(world.ask(&token, &body).await.status, 201);
    let row = "select concat_ws(' ', organization_id, connection_id, expected_user_id, agent_id, entry_payload ->> 'channel_id') from pending_interactions";
    assert_eq!(world.value(row).await, "a slack-a U1 agent-a C1");
    assert_eq!(world.slack.calls()[0].body["channel"], "C1");
}

#[tokio::test]
async fn every_bad_request_gets_its_4xx_and_stores_nothing() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    let silent = world.token("a", "agent-a", json!({})).await;
    let mut elsewhere = talk("a", "U1");
    elsewhere["connection_id"] = "slack-b".into();
    let elsewhere = world.token("a", "agent-a", elsewhere).await;
    let revoked = world.conversing("a", "U1").await;
    world.ok(json!({"command": "revoke_worker_token", "organization_id": "a", "jti": crate::world::jti(&revoked), "expires_at": "2099-01-01T00:00:00Z"})).await;
    let post = |token: &str, body: &[u8]| {
        HttpRequest::new("POST", "/v1/interactions")
            .header("content-type", "application/json")
            .header("x-postern-worker-token", token)
            .body(body.to_vec())
    };
    let good = question("q-1").to_string().into_bytes();
    let mut long = question("q-1");
    long["question"] = "x".repeat(3001).into();
    let cases = [
        (post(&token, b"{"), 400, "invalid_json"),
        (post(&token, b"\xff\xfe"), 400, "invalid_json"),
        (post(&token, b"[]"), 400, "invalid_request"),
        (
            post(&token, long.to_string().as_bytes()),
            400,
            "invalid_request",
        ),
        (
            post(
                &token,
                br#"{"id":"q","kind":"question","question":"a\u0000","options":["x"]}"#,
            ),
            400,
            "invalid_request",
        ),
        (
            post(&token, &vec![b' '; (1 << 20) + 1]),
            413,
            "body_too_large",
        ),
        (
            HttpRequest::new("POST", "/v1/interactions")
                .header("content-type", "text/plain")
                .header("x-postern-worker-token", &token)
                .body(good.clone()),
            400,
            "invalid_request",
        ),
        (post("", &good), 401, "invalid_worker_token"),
        (
            post("eyJhbGciOiJub25lIn0.e30.", &good),
            401,
            "invalid_worker_token",
        ),
        (
            post(&format!("{token}x"), &good),
            401,
            "invalid_worker_token",
        ),
        (post(&revoked, &good), 401, "invalid_worker_token"),
        (
            HttpRequest::new("POST", "/v1/interactions")
                .header("content-type", "application/json")
                .body(good.clone()),
            401,
            "invalid_worker_token",
        ),
        (post(&silent, &good), 403, "token_without_conversation"),
        (post(&elsewhere, &good), 404, "unknown_connection"),
        (
            HttpRequest::get("/v1/interactions/none").header("x-postern-worker-token", &token),
            404,
            "unknown_interaction",
        ),
        (
            HttpRequest::get("/v1/interactions/a%20b").header("x-postern-worker-token", &token),
            400,
            "invalid_request",
        ),
        (
            HttpRequest::get("/v1/interactions/%ff").header("x-postern-worker-token", &token),
            400,
            "invalid_request",
        ),
        (
            HttpRequest::new("PUT", "/v1/interactions").body(good.clone()),
            405,
            "method_not_allowed",
        ),
        (
            HttpRequest::get("/webhooks/slack-a"),
            405,
            "method_not_allowed",
        ),
        (HttpRequest::get("/nowhere"), 404, "not_found"),
        (
            HttpRequest::new("POST", "/webhooks/%ff"),
            400,
            "invalid_request",
        ),
    ];
    for (request, status, code) in cases {
        let shown = format!("{} {}", request.method, request.path);
        let answer = world.call_webhooks(request).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{shown}: {}",
            answer.text()
        );
    }
    assert_eq!(rows(&world).await, "0");
    assert!(world.slack.calls().is_empty());
}

#[tokio::test]
async fn with_the_database_or_the_secret_store_down_the_answer_is_503() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world
        .secrets
        .set_mode(SecretsMode::Slow(Duration::from_secs(30)));
    let started = Instant::now();
    assert_eq!(
        world.ask(&token, &question("q-1")).await.code(),
        "secret_unavailable"
    );
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
    world.secrets.set_mode(SecretsMode::Up);
    world.database_down();
    let click = world.click("slack-a", &press("U1", "q-1:0")).await;
    assert_eq!(
        (click.status, click.code().as_str()),
        (503, "database_unavailable")
    );
    assert_eq!(
        world.ask(&token, &question("q-1")).await.code(),
        "database_unavailable"
    );
    assert!(world.slack.calls().is_empty());
}
