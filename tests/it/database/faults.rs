//! Faults of the network, which a relay plays between the functions and Postgres. Whatever happens, the answer comes
//! in time, nothing is half done, and the next request is served by the same environment.

mod posts;

use super::{proxied, unavailable};
use crate::world::{ANYWHERE, Answer, World, merged, press, question};
use postern_stack::{Fault, Receiver, Relay, Then};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TIMEOUT_MS: &str = "1500";
/// A request waits for at most two connections, or for one and a statement. The rest is for a busy machine.
const LONGEST: Duration = Duration::from_secs(8);

/// Whether the server carried out the statement that the fault struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    No,
    Yes,
    /// It may still do so after the client has given up.
    Perhaps,
}

/// The answer to a statement comes in one piece, after its transaction has ended.
const FAULTS: [(Fault, Done); 8] = [
    (Fault::Refused, Done::No),
    (Fault::Request(40, Then::Reset), Done::No),
    (Fault::Request(0, Then::Silence), Done::No),
    (Fault::Slow(Duration::from_secs(2)), Done::Perhaps),
    (Fault::Answer(0, Then::Reset), Done::Yes),
    (Fault::Answer(12, Then::Reset), Done::Yes),
    (Fault::Answer(12, Then::Close), Done::Yes),
    (Fault::Answer(12, Then::Silence), Done::Yes),
];

/// Everything of organization b.
const NEIGHBOUR: &str = "select jsonb_agg(r order by r)::text from (
    select to_jsonb(t) r from pending_interactions t where organization_id = 'b'
    union all select to_jsonb(t) from ended_interactions t where organization_id = 'b'
    union all select to_jsonb(t) from deliveries t where organization_id = 'b'
    union all select to_jsonb(t) from grants t where organization_id = 'b'
    union all select to_jsonb(t) from placeholders t where organization_id = 'b'
    union all select to_jsonb(t) from chat_turns t where organization_id = 'b'
    union all select to_jsonb(t) from agents t where organization_id = 'b') t";

/// Two tenants, in a world whose functions reach the database through the relay.
async fn relayed() -> (World, Relay) {
    let world = World::new().await;
    world.tenants().await;
    let database: Value = serde_json::from_str(&world.secrets_database()).unwrap();
    let port = database["port"].as_u64().unwrap();
    let relay = Relay::start(port.try_into().unwrap()).await.unwrap();
    let port = relay.port().to_string();
    let world = world.restarted_with(&[
        ("DATABASE_HOST", relay.host()),
        ("DATABASE_PORT", &port),
        ("DATABASE_TIMEOUT_MS", TIMEOUT_MS),
    ]);
    (world, relay)
}

/// The request meets the fault in the midst of a session, when it calls this SQL function, and then where the session
/// begins. After that the fault ends.
async fn meets(relay: &Relay, sql: &'static str, fault: Fault, send: impl AsyncFn() -> Answer) {
    relay.set_from(sql, fault);
    for _ in 0..2 {
        let sent = Instant::now();
        let answer = send().await;
        let took = sent.elapsed();
        assert!(relay.has_begun(), "{sql} was not called");
        assert_eq!(answer.status, 503, "{fault:?}: {}", answer.text());
        unavailable(&answer);
        assert!(took < LONGEST, "{fault:?} took {took:?}");
    }
    relay.set(Fault::None);
}

#[tokio::test]
async fn a_proxied_request_is_refused_in_time_and_the_next_one_is_served() {
    let (world, relay) = relayed().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let send = async || world.call_proxy(proxied(&placeholder)).await;
    for (fault, _) in FAULTS {
        assert_eq!(send().await.status, 200);
        world.upstream.clear();
        meets(&relay, "access_facts_1", fault, send).await;
        assert!(world.upstream.seen().is_empty(), "{fault:?}");
        let served = send().await;
        assert_eq!(served.status, 200, "{fault:?}: {}", served.text());
        assert_eq!(world.upstream.seen().len(), 1, "{fault:?}");
    }
}

/// An approval with a callback, so that its claim writes to three tables.
fn approval(id: &str, receiver: &Receiver) -> Value {
    json!({"id": id, "kind": "approval", "tool": format!("git/{id}"), "args": {}, "callback_url": receiver.url()})
}

#[tokio::test]
async fn a_click_claims_wholly_or_not_at_all_and_counts_when_it_comes_again() {
    let (world, relay) = relayed().await;
    let receiver = Receiver::start_on(ANYWHERE).await.unwrap();
    let [token, theirs] = [
        world.conversing("a", "U1").await,
        world.conversing("b", "U1").await,
    ];
    for (number, (fault, done)) in FAULTS.into_iter().enumerate() {
        let id = format!("f-{number}");
        for token in [&theirs, &token] {
            let asked = world.ask(token, &approval(&id, &receiver)).await;
            assert_eq!(asked.status, 201, "{}", asked.text());
        }
        let neighbour = world.value(NEIGHBOUR).await;
        let wrote = format!(
            "select concat_ws(' ', claimed_at is not null, answer ->> 'value',
                (select count(*) from deliveries d where d.organization_id = 'a' and d.interaction_id = i.id),
                (select count(*) from grants g where g.organization_id = 'a' and g.pattern = i.grant_pattern))
             from pending_interactions i where organization_id = 'a' and id = '{id}'"
        );
        let calls = world.slack.calls().len();
        let option = format!("{id}:0");
        let click = press("U1", &option);
        let send = async || world.click("slack-a", &click).await;
        meets(&relay, "interaction_claim_1", fault, send).await;
        let written = world.value(&wrote).await;
        match done {
            Done::No => assert_eq!(written, "f 0 0", "{fault:?}"),
            Done::Yes => assert_eq!(written, "t 1h 1 1", "{fault:?}"),
            Done::Perhaps => assert!(["f 0 0", "t 1h 1 1"].contains(&&*written), "{written}"),
        }
        assert_eq!(world.slack.calls().len(), calls, "{fault:?}");
        // The platform delivers it again.
        let clicked = send().await;
        assert_eq!(clicked.status, 200, "{fault:?}: {}", clicked.text());
        assert_eq!(world.value(&wrote).await, "t 1h 1 1", "{fault:?}");
        assert_eq!(world.value(NEIGHBOUR).await, neighbour, "{fault:?}");
    }
}

#[tokio::test]
async fn a_question_is_stored_wholly_or_not_at_all_and_posted_once_when_it_is_asked_again() {
    let (world, relay) = relayed().await;
    let [token, theirs] = [
        world.conversing("a", "U1").await,
        world.conversing("b", "U1").await,
    ];
    for (number, (fault, done)) in FAULTS.into_iter().enumerate() {
        let id = format!("q-{number}");
        assert_eq!(world.ask(&theirs, &question(&id)).await.status, 201);
        let neighbour = world.value(NEIGHBOUR).await;
        let stored = format!(
            "select count(*) || ' ' || count(posted_at) from pending_interactions
             where organization_id = 'a' and id = '{id}'"
        );
        let posted = || {
            let cards = world.slack.cards();
            let ours = cards.iter().filter(|card| card.token.ends_with('a'));
            ours.filter(|card| card.shows(&id)).count()
        };
        // A session that has begun.
        world.read(&token, "none").await;
        let ask = async || world.ask(&token, &question(&id)).await;
        meets(&relay, "interaction_store_1", fault, ask).await;
        let rows = world.value(&stored).await;
        match done {
            Done::No => assert_eq!(rows, "0 0", "{fault:?}"),
            Done::Yes => assert_eq!(rows, "1 0", "{fault:?}"),
            Done::Perhaps => assert!(["0 0", "1 0"].contains(&&*rows), "{rows}"),
        }
        assert_eq!(posted(), 0, "{fault:?}");
        let asked = ask().await;
        assert!([200, 201].contains(&asked.status), "{}", asked.text());
        if posted() == 0 {
            // It is in the table, so another request might be posting it, for half a minute.
            let later =
                "update pending_interactions set stored_at = stored_at - interval '31 seconds', post_at = post_at - interval '31 seconds'
                where organization_id = 'a' and posted_at is null";
            world.sql(later).await;
            let again = ask().await;
            assert_eq!(again.status, 200, "{fault:?}: {}", again.text());
        }
        assert_eq!(posted(), 1, "{fault:?}");
        assert_eq!(world.value(&stored).await, "1 1", "{fault:?}");
        assert_eq!(world.value(NEIGHBOUR).await, neighbour, "{fault:?}");
        let option = format!("{id}:0");
        let clicked = world.click("slack-a", &press("U1", &option)).await;
        assert_eq!(clicked.status, 200, "{}", clicked.text());
        let read = world.read(&token, &id).await.json();
        assert_eq!(read["status"], "answered", "{fault:?}: {read}");
    }
}

#[tokio::test]
async fn a_sweep_that_a_fault_strikes_fails_and_the_next_one_finishes_its_work_once() {
    let (world, relay) = relayed().await;
    let receiver = Receiver::start_on(ANYWHERE).await.unwrap();
    let [token, theirs] = [
        world.conversing("a", "U1").await,
        world.conversing("b", "U1").await,
    ];
    assert_eq!(world.ask(&theirs, &question("open")).await.status, 201);
    let neighbour = world.value(NEIGHBOUR).await;
    // Each of a run's many statements would wait for a fault that says nothing.
    let at_once = FAULTS.into_iter().filter(|(fault, _)| {
        !matches!(
            fault,
            Fault::Slow(_) | Fault::Request(_, Then::Silence) | Fault::Answer(_, Then::Silence)
        )
    });
    for (number, (fault, done)) in at_once.enumerate() {
        let id = format!("s-{number}");
        let body = merged(question(&id), json!({"callback_url": receiver.url()}));
        assert_eq!(world.ask(&token, &body).await.status, 201);
        let expire = "update pending_interactions set created_at = now() - interval '25 hours'
            where organization_id = 'a'";
        world.sql(expire).await;
        let wrote = format!(
            "select concat_ws(' ', (select count(*) from pending_interactions where id = '{id}'),
                (select count(*) from ended_interactions where id = '{id}' and expired),
                (select count(*) from deliveries where interaction_id = '{id}'))"
        );
        relay.set_from("delete_pending_interactions_1", fault);
        let failed = world.sweep(json!({})).await.unwrap_err();
        assert!(relay.has_begun());
        let report: Value = serde_json::from_str(&failed).unwrap();
        let failed = report["failed"]["pending_interactions"].as_str().unwrap();
        assert!(failed.contains("deleting"), "{fault:?}: {failed}");
        relay.set(Fault::None);
        let expected = match done {
            Done::Yes => "0 1 1",
            Done::No | Done::Perhaps => "1 0 0",
        };
        assert_eq!(world.value(&wrote).await, expected, "{fault:?}");
        let swept = world.sweep(json!({})).await;
        assert!(swept.is_ok(), "{fault:?}: {swept:?}");
        assert_eq!(world.value(&wrote).await, "0 1 1", "{fault:?}");
        let told = receiver.received();
        let told = told.iter().filter(|one| one.json()["data"]["id"] == *id);
        assert_eq!(told.count(), 1, "{fault:?}");
    }
    assert_eq!(world.value(NEIGHBOUR).await, neighbour);
}
