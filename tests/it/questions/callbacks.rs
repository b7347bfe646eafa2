//! Outcomes are delivered to agents, signed and at least once. The sweep delivers what the click could not.

use crate::world::{ANYWHERE, CALLBACK_KEY, World, press, question};
use http::HeaderMap;
use postern_stack::{Receiver, ReceiverMode, receiver::Received};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use std::net::TcpListener;

pub fn with_callback(id: &str, url: &str) -> Value {
    let mut body = question(id);
    body["callback_url"] = url.into();
    body
}

fn verifies(received: &Received) -> bool {
    let verifier = Webhook::new(CALLBACK_KEY).unwrap();
    verifier.verify(&received.body, &received.headers).is_ok()
}

async fn started(env: &[(&str, &str)]) -> (World, Receiver) {
    let receiver = Receiver::start_on(ANYWHERE).await.unwrap();
    (World::with_env(env).await, receiver)
}

/// Asks a question of organization a with a callback; returns the agent's token.
async fn asked(world: &World, receiver: &Receiver) -> String {
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    let answer = world
        .ask(&token, &with_callback("q-1", &receiver.url()))
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    token
}

async fn click(world: &World) {
    let answer = world.click("slack-a", &press("U1", "q-1:0")).await;
    assert_eq!((answer.status, answer.text()), (200, String::new()));
}

async fn make_due(world: &World) {
    world
        .sql("update deliveries set next_attempt_at = now()")
        .await;
}

#[tokio::test]
async fn an_answer_is_delivered_with_the_click_signed_and_once() {
    let (world, receiver) = started(&[]).await;
    let token = asked(&world, &receiver).await;
    click(&world).await;
    click(&world).await;
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    assert!(verifies(&received[0]));
    assert!(received[0].id().starts_with("msg_") && !received[0].id().contains('.'));
    let read = world.read(&token, "q-1").await.json();
    let body = received[0].json();
    assert_eq!(
        (&body["type"], &body["data"]),
        (
            &json!("interaction.answered"),
            &json!({"id": "q-1", "status": "answered", "answer": read["answer"]})
        )
    );
    assert_eq!(body["timestamp"], read["answer"]["answered_at"]);
    let mut tampered = received[0].clone();
    tampered.body[0] ^= 1;
    assert!(!verifies(&tampered));
    assert_eq!(
        world
            .value("select delivered_at is not null from deliveries")
            .await,
        "t"
    );
    make_due(&world).await;
    assert_eq!(world.sweep(json!({})).await.unwrap()["delivered"], 0);
}

#[tokio::test]
async fn what_a_receiver_fails_to_take_is_tried_again_later_and_later_under_the_same_id() {
    let (world, receiver) = started(&[]).await;
    asked(&world, &receiver).await;
    receiver.set_mode(ReceiverMode::Status(500));
    click(&world).await;
    let pause = "select extract(epoch from next_attempt_at - now())::int from deliveries";
    let first: i32 = world.value(pause).await.parse().unwrap();
    assert!((1..=8).contains(&first), "{first}");
    // So that it is not due however long the sweep takes to start.
    world
        .sql("update deliveries set next_attempt_at = next_attempt_at + interval '1 minute'")
        .await;
    assert_eq!(
        world.sweep(json!({})).await.unwrap()["delivered"],
        0,
        "it is not due"
    );
    let mut pauses = vec![first];
    for _ in 0..3 {
        make_due(&world).await;
        assert_eq!(world.sweep(json!({})).await.unwrap()["delivered"], 0);
        pauses.push(world.value(pause).await.parse().unwrap());
    }
    // Each is longer than its predecessor can be: 25 s, 2 min and 10 min, give or take a half.
    assert!(
        pauses[1] > 8 && pauses[2] > 38 && pauses[3] > 190,
        "{pauses:?}"
    );
    receiver.set_mode(ReceiverMode::Busy(7200));
    make_due(&world).await;
    world.sweep(json!({})).await.unwrap();
    let asked_for: i32 = world.value(pause).await.parse().unwrap();
    assert!(asked_for >= 7100, "{asked_for}");
    receiver.set_mode(ReceiverMode::Up);
    make_due(&world).await;
    assert_eq!(world.sweep(json!({})).await.unwrap()["delivered"], 1);
    let received = receiver.received();
    assert_eq!(received.len(), 6);
    assert!(
        received.iter().all(|one| one.id() == received[0].id()
            && one.body == received[0].body
            && verifies(one))
    );
}

#[tokio::test]
async fn a_receiver_that_is_gone_or_redirects_is_not_followed_nor_asked_again() {
    let (world, receiver) = started(&[]).await;
    let elsewhere = Receiver::start_on(ANYWHERE).await.unwrap();
    asked(&world, &receiver).await;
    receiver.set_mode(ReceiverMode::Redirect(elsewhere.url()));
    click(&world).await;
    assert!(elsewhere.received().is_empty(), "a redirect was followed");
    receiver.set_mode(ReceiverMode::Status(410));
    make_due(&world).await;
    world.sweep(json!({})).await.unwrap();
    receiver.set_mode(ReceiverMode::Up);
    make_due(&world).await;
    assert_eq!(world.sweep(json!({})).await.unwrap()["delivered"], 0);
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn an_expired_and_a_withdrawn_question_are_outcomes_too_and_each_only_once() {
    let (world, receiver) = started(&[]).await;
    let token = asked(&world, &receiver).await;
    world
        .ask(&token, &with_callback("q-2", &receiver.url()))
        .await;
    world
        .ask(&token, &with_callback("q-3", &receiver.url()))
        .await;
    world.click("slack-a", &press("U1", "q-3:0")).await;
    assert_eq!(world.withdraw(&token, "q-2").await.status, 204);
    assert_eq!(
        world.withdraw(&token, "q-2").await.code(),
        "unknown_interaction"
    );
    assert_eq!(
        world.withdraw(&token, "q-3").await.code(),
        "interaction_answered"
    );
    world
        .sql(
            "update pending_interactions
             set created_at = now() - interval '25 hours', claimed_at = claimed_at - interval '2 hours'",
        )
        .await;
    let report = world.sweep(json!({})).await.unwrap();
    assert_eq!(
        (
            &report["deleted"]["pending_interactions"],
            &report["delivered"]
        ),
        (&json!(2), &json!(1))
    );
    let mut outcomes: Vec<(String, Value)> = receiver
        .received()
        .iter()
        .map(|one| {
            assert!(verifies(one));
            let body = one.json();
            let id = body["data"]["id"].as_str().unwrap().to_owned();
            assert_eq!(
                body["type"],
                format!("interaction.{}", body["data"]["status"].as_str().unwrap())
            );
            (id, body["data"]["status"].clone())
        })
        .collect();
    outcomes.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        outcomes,
        [
            ("q-1".into(), json!("expired")),
            ("q-2".into(), json!("withdrawn")),
            ("q-3".into(), json!("answered"))
        ]
    );
}

#[tokio::test]
async fn after_a_day_an_outcome_is_given_up_with_a_warning() {
    let (world, receiver) = started(&[]).await;
    asked(&world, &receiver).await;
    receiver.set_mode(ReceiverMode::Status(500));
    click(&world).await;
    world.sql("update deliveries set created_at = now() - interval '24 hours 1 second', next_attempt_at = now()").await;
    let report = world.sweep(json!({})).await.unwrap();
    assert_eq!(
        (&report["deleted"]["deliveries"], &report["delivered"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(receiver.received().len(), 1, "it is not tried again");
    let logs = world.sweep_function().await.logs().await.join("\n");
    let warned = logs
        .lines()
        .find(|line| line.contains("delivery_given_up"))
        .unwrap();
    assert!(
        warned.contains("WARN") && warned.contains("q-1"),
        "{warned}"
    );
}

#[tokio::test]
async fn a_callback_that_points_inside_is_refused_and_one_that_resolves_inside_gets_nothing() {
    let (world, receiver) = started(&[]).await;
    let token = asked(&world, &receiver).await;
    for inside in [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/",
        "ftp://example.com/",
    ] {
        let answer = world.ask(&token, &with_callback("q-2", inside)).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid_request"),
            "{inside}"
        );
        assert!(answer.text().contains("callback_url"));
    }
    // A name is checked where it is resolved.
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let by_name = format!("https://localhost:{}/", inside.local_addr().unwrap().port());
    assert_eq!(
        world
            .ask(&token, &with_callback("q-3", &by_name))
            .await
            .status,
        201
    );
    world.click("slack-a", &press("U1", "q-3:0")).await;
    make_due(&world).await;
    world.sweep(json!({})).await.unwrap();
    let tried =
        "select delivered_at is null and attempts = 2 from deliveries where interaction_id = 'q-3'";
    assert_eq!(world.value(tried).await, "t");
    assert_eq!(
        inside.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock,
        "a connection arrived"
    );
}

#[tokio::test]
async fn another_organizations_key_is_never_used_and_both_keys_sign_while_one_is_rotated() {
    let (world, receiver) = started(&[("SECRETS_CACHE_TTL_MS", "0")]).await;
    asked(&world, &receiver).await;
    // Organization b has no key, so nothing is delivered for it.
    let other = world.conversing("b", "U1").await;
    world
        .ask(&other, &with_callback("q-1", &receiver.url()))
        .await;
    world.click("slack-b", &press("U1", "q-1:0")).await;
    assert!(
        receiver.received().is_empty(),
        "it was signed with another organization's key"
    );
    let new = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    world.secrets.put(
        "postern/org/a/callback-signing",
        json!([new, CALLBACK_KEY]).to_string(),
    );
    click(&world).await;
    let received = &receiver.received()[0];
    assert!(verifies(received));
    let headers: &HeaderMap = &received.headers;
    assert!(
        Webhook::new(new)
            .unwrap()
            .verify(&received.body, headers)
            .is_ok()
    );
}

#[tokio::test]
async fn an_outcome_that_cannot_be_stored_does_not_happen() {
    let (world, receiver) = started(&[]).await;
    let token = asked(&world, &receiver).await;
    world.sql("alter table deliveries rename to away").await;
    let press = press("U1", "q-1:0");
    for failed in [
        world.click("slack-a", &press).await,
        world.withdraw(&token, "q-1").await,
    ] {
        assert_eq!(
            (failed.status, failed.code().as_str()),
            (503, "database_unavailable")
        );
        assert!(failed.headers.contains_key("retry-after"));
        assert_eq!(world.read(&token, "q-1").await.json()["status"], "pending");
    }
    world.sql("alter table away rename to deliveries").await;
    assert_eq!(world.click("slack-a", &press).await.status, 200);
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "answered");
    assert_eq!(
        world.value("select count(*) from deliveries").await,
        "1",
        "neither of the two that failed left one"
    );
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].json()["type"], "interaction.answered");
}
