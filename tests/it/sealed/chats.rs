//! Sealed secrets of chat connections, and sealed keys that sign outcomes.

use crate::questions::callbacks::with_callback;
use crate::world::{ANYWHERE, CALLBACK_KEY, SIGNING_SECRET, World, press, question, through};
use postern_stack::{Receiver, receiver::Received};
use serde_json::json;
use standardwebhooks::Webhook;

const OWN_KEY: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";

/// Organization a's Slack connection with a sealed secret, and none in Secrets Manager.
async fn sealed_slack() -> World {
    let world = World::new().await;
    world.tenants().await;
    let secret = json!({"bot_token": "xoxb-sealed", "signing_secret": SIGNING_SECRET}).to_string();
    world.seal("a", "chat/slack", &secret).await;
    world
        .ok(json!({"command": "put_connection", "organization_id": "a", "id": "slack-a", "platform": "slack",
            "secret_ref": "sealed:chat/slack", "config": {"api_base_url": world.slack.api_base_url()}}))
        .await;
    world.secrets.remove("postern/org/a/chat/slack");
    world
}

#[tokio::test]
async fn a_connection_asks_and_is_answered_with_a_sealed_secret() {
    let world = sealed_slack().await;
    let token = world.conversing("a", "U1").await;
    let asked = world.ask(&token, &question("q-1")).await;
    assert_eq!(asked.status, 201, "{}", asked.text());
    assert_eq!(world.slack.calls()[0].token, "xoxb-sealed");
    let clicked = world.click("slack-a", &press("U1", "q-1:0")).await;
    assert_eq!(clicked.status, 200, "{}", clicked.text());
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "answered");
    // The sweep finishes what the click left, and the proxy asks for approvals.
    world
        .sql("update pending_interactions set unsettled = '{card}', settle_at = now() - interval '1 minute'")
        .await;
    let before = world.slack.calls().len();
    world.sweep(json!({})).await.unwrap();
    assert!(world.slack.calls().len() > before);
    world
        .policy("a", json!([{"host": "127.0.0.1", "action": "ask", "ask": {"connection_id": "slack-a", "user_id": "U1",
            "channel_id": "C1", "conversation_id": "1700000000.000100"}}]))
        .await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let before = world.slack.cards().len();
    let waits = world.call_proxy(through("openai/v1/x", &placeholder)).await;
    assert_eq!(waits.code(), "approval_required");
    assert_eq!(world.slack.cards().len(), before + 1);
    assert!(
        world
            .slack
            .calls()
            .iter()
            .all(|call| call.token == "xoxb-sealed")
    );
}

#[tokio::test]
async fn a_connection_whose_row_was_moved_neither_speaks_nor_hears() {
    let world = sealed_slack().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    let calls = world.slack.calls().len();
    // The secret of another name.
    world.seal("a", "chat/other", "{}").await;
    world
        .sql(
            "update sealed_secrets x set sealed = y.sealed from sealed_secrets y
              where x.name = 'chat/slack' and y.name = 'chat/other'",
        )
        .await;
    let refused = world.ask(&token, &question("q-2")).await;
    assert_eq!(
        (refused.status, refused.code()),
        (503, "secret_unavailable".into())
    );
    let refused = world.click("slack-a", &press("U1", "q-1:0")).await;
    assert_eq!(
        (refused.status, refused.code()),
        (503, "secret_unavailable".into())
    );
    assert_eq!(world.slack.calls().len(), calls);
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "pending");
}

fn verifies(received: &Received, key: &str) -> bool {
    let verifier = Webhook::new(key).unwrap();
    verifier.verify(&received.body, &received.headers).is_ok()
}

#[tokio::test]
async fn a_sealed_key_signs_outcomes_and_without_one_that_of_secrets_manager_does() {
    let world = World::new().await;
    world.tenants().await;
    let receiver = Receiver::start_on(ANYWHERE).await.unwrap();
    let token = world.conversing("a", "U1").await;
    let answered = async |id: &str| {
        let asked = world.ask(&token, &with_callback(id, &receiver.url())).await;
        assert_eq!(asked.status, 201, "{}", asked.text());
        let click = world
            .click("slack-a", &press("U1", &format!("{id}:0")))
            .await;
        assert_eq!(click.status, 200);
        receiver.received()
    };
    // Another organization's key is not ours.
    world.seal("b", "callback-signing", OWN_KEY).await;
    let received = answered("q-1").await;
    assert!(received.len() == 1 && verifies(&received[0], CALLBACK_KEY));
    world.seal("a", "callback-signing", OWN_KEY).await;
    let received = answered("q-2").await;
    assert!(received.len() == 2 && verifies(&received[1], OWN_KEY));
    assert!(!verifies(&received[1], CALLBACK_KEY));
    // One that does not open signs nothing, and the other home's key does not stand in for it.
    world
        .sql("update sealed_secrets set version = 9 where organization_id = 'a'")
        .await;
    assert_eq!(answered("q-3").await.len(), 2);
    world.seal("a", "callback-signing", OWN_KEY).await;
    world
        .sql("update deliveries set next_attempt_at = now()")
        .await;
    assert_eq!(world.sweep(json!({})).await.unwrap()["delivered"], 1);
    let received = receiver.received();
    assert!(received.len() == 3 && verifies(&received[2], OWN_KEY));
}
