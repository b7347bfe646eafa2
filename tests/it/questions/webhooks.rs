//! What webhooks refuses, and what a request or a click cannot change.

use super::life::rows;
use crate::world::{SIGNING_SECRET, World, press, question, signed, talk, unix_now};
use postern_stack::{HttpRequest, SecretsMode};
use serde_json::json;
use std::time::{Duration, Instant};

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
