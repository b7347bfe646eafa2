//! A callback cannot get round a policy, and nobody's receivers take others' turns.

use crate::questions::callbacks::with_callback;
use crate::world::{ANYWHERE, CALLBACK_KEY, World, press, question};
use postern::store::Schema;
use postern_stack::{Receiver, ReceiverMode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The receivers' host, as rules name it.
const HOST: &str = "127.0.0.2";

async fn world() -> (World, Receiver, String) {
    let world = World::new().await;
    world.tenants().await;
    let receiver = Receiver::start_on(ANYWHERE).await.unwrap();
    let token = world.conversing("a", "U1").await;
    (world, receiver, token)
}

fn allow(host: &str) -> Value {
    json!([{"host": host, "action": "allow"}])
}

#[tokio::test]
async fn a_callback_that_the_policy_does_not_allow_by_a_rule_is_refused_when_it_is_asked_for() {
    let (world, receiver, token) = world().await;
    let person = json!({"connection_id": "slack-a", "user_id": "U1", "channel_id": "C1"});
    for rules in [
        allow("api.example.com"),
        json!([{"host": HOST, "action": "deny"}]),
        json!([{"host": HOST, "action": "judge", "policy": "All is well."}]),
        json!([{"host": HOST, "action": "ask", "ask": person}]),
        json!([{"host": HOST, "methods": ["GET"], "action": "allow"}]),
    ] {
        world.policy("a", rules.clone()).await;
        let asked = world
            .ask(&token, &with_callback("q-1", &receiver.url()))
            .await;
        assert_eq!(
            (asked.status, asked.code().as_str()),
            (403, "egress_denied"),
            "{rules}"
        );
    }
    assert!(world.slack.calls().is_empty() && world.judge.judged().is_empty());
    let rows = "select count(*) from pending_interactions";
    assert_eq!(world.value(rows).await, "0");
    // A question without a callback sends nothing, so the policy does not stop it.
    assert_eq!(world.ask(&token, &question("q-2")).await.status, 201);
    assert_eq!(world.withdraw(&token, "q-2").await.status, 204);
    assert!(receiver.received().is_empty());
    world.policy("a", allow(HOST)).await;
    let asked = world
        .ask(&token, &with_callback("q-1", &receiver.url()))
        .await;
    assert_eq!(asked.status, 201);
    world.withdraw(&token, "q-1").await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_policy_that_is_written_later_stops_the_delivery_too() {
    let (world, receiver, token) = world().await;
    world
        .ask(&token, &with_callback("q-1", &receiver.url()))
        .await;
    world.policy("a", allow("api.example.com")).await;
    world.click("slack-a", &press("U1", "q-1:0")).await;
    assert_eq!(
        world.read(&token, "q-1").await.json()["status"],
        "answered",
        "the answer itself stands"
    );
    let logs = world.webhooks().await.logs().await;
    let denied = logs.iter().find(|line| line.contains("delivery_denied"));
    assert!(denied.is_some_and(|line| line.contains("WARN")), "{logs:?}");
    world
        .sql("update deliveries set next_attempt_at = now()")
        .await;
    assert_eq!(world.sweep(json!({})).await.unwrap()["delivered"], 0);
    assert!(receiver.received().is_empty());
    let given_up = "select count(*) from deliveries where given_up_at is not null";
    assert_eq!(world.value(given_up).await, "1");
}

#[tokio::test]
async fn a_delivery_obeys_its_agents_policy_and_one_of_no_agent_the_organizations_alone() {
    let (world, receiver, _) = world().await;
    world.ok(json!({"command": "put_policy", "organization_id": "a", "agent_id": "shared", "rules": allow("api.example.com")})).await;
    world
        .sql(&format!(
            "insert into deliveries (organization_id, id, agent_id, interaction_id, url, payload)
             values ('a', 'none', null, 'q-1', '{url}', '{{}}'), ('a', 'other', 'agent-a', 'q-2', '{url}', '{{}}'),
                 ('a', 'own', 'shared', 'q-3', '{url}', '{{}}')",
            url = receiver.url()
        ))
        .await;
    assert_eq!(world.sweep(json!({})).await.unwrap()["delivered"], 2);
    let denied = "select string_agg(id, ' ') from deliveries where delivered_at is null";
    assert_eq!(world.value(denied).await, "own");
}

#[tokio::test]
async fn an_observing_policy_stops_no_callback() {
    let (world, receiver, token) = world().await;
    world.ok(json!({"command": "put_policy", "organization_id": "a", "rules": allow("api.example.com"), "observe": true})).await;
    let asked = world
        .ask(&token, &with_callback("q-1", &receiver.url()))
        .await;
    assert_eq!(asked.status, 201);
}

#[tokio::test]
async fn one_tenants_receivers_that_hang_take_nobody_elses_turn() {
    let (world, other, _) = world().await;
    world
        .secrets
        .put("postern/org/b/callback-signing", CALLBACK_KEY);
    let hanging = Receiver::start_on(ANYWHERE).await.unwrap();
    hanging.set_mode(ReceiverMode::Hang);
    world
        .sql(&format!(
            "insert into deliveries (organization_id, id, interaction_id, url, payload, next_attempt_at)
                 select 'a', 'a-' || n, 'q', '{}', '{{}}', now() - interval '1 hour' from generate_series(1, 1000) n;
             insert into deliveries (organization_id, id, interaction_id, url, payload)
                 select 'b', 'b-' || n, 'q', '{}', '{{}}' from generate_series(1, 20) n",
            hanging.url(),
            other.url()
        ))
        .await;
    // A run has time to try 64 of the thousand that hang, so it would not reach b's behind them.
    let sweep = world.sweep_function().await;
    let started = Instant::now();
    let run = sweep.invoke(json!({}), Duration::from_secs(45)).await;
    let all =
        "select count(*) from deliveries where organization_id = 'b' and delivered_at is not null";
    assert_eq!(
        world.value(all).await,
        "20",
        "{run:?} {:?}",
        sweep.logs().await
    );
    // Each hangs for 10 s, and at most four run at once.
    let rounds = usize::try_from(started.elapsed().as_secs() / 10).unwrap() + 1;
    let tried = hanging.received().len();
    assert!(
        (1..=4 * rounds).contains(&tried),
        "{tried} in {rounds} rounds"
    );
}

#[tokio::test]
async fn one_tenants_cards_take_nobody_elses_turn() {
    let (world, _, token) = world().await;
    let other = world.conversing("b", "U1").await;
    for (token, connection) in [(&token, "slack-a"), (&other, "slack-b")] {
        world.ask(token, &question("q-1")).await;
        world.click(connection, &press("U1", "q-1:0")).await;
    }
    world
        .sql(
            "insert into pending_interactions (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload,
                 card, claimed_at, answer, unsettled, settle_at)
             select organization_id, 'x-' || n, connection_id, expected_user_id, agent_id, entry_payload, card, claimed_at,
                 answer, '{card}', now() - interval '1 hour'
             from pending_interactions, generate_series(1, 300) n where organization_id = 'a';
             update pending_interactions set unsettled = '{card}', settle_at = now() where organization_id = 'b'",
        )
        .await;
    let store = world.store(Schema::Sweep).await;
    let taken = store.interactions_unsettled(16, 2, &[]).await.unwrap();
    let mut organizations: Vec<String> = taken
        .iter()
        .map(|one| one.scope.organization().to_string())
        .collect();
    organizations.sort();
    assert_eq!(organizations, ["a", "a", "b"]);
}
