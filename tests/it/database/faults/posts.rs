//! Faults in the midst of a post: whoever was to post the card cannot say how that went, and the sweep posts it. No
//! question is lost, and a second card is posted only where nobody knows of the first.

use super::{Done, FAULTS, NEIGHBOUR, relayed};
use crate::world::{World, press, question};
use postern_stack::{Fault, Relay, Then};
use serde_json::{Value, json};

/// Those that are noticed at once. Each of a run's many statements would wait for another.
fn faults() -> impl Iterator<Item = (Fault, Done)> {
    let slow = |fault: &Fault| {
        matches!(
            fault,
            Fault::Slow(_) | Fault::Request(_, Then::Silence) | Fault::Answer(_, Then::Silence)
        )
    };
    FAULTS.into_iter().filter(move |(fault, _)| !slow(fault))
}

/// How many cards of organization a show this question.
fn cards(world: &World, id: &str) -> usize {
    let cards = world.slack.cards();
    let ours = cards.iter().filter(|card| card.token.ends_with('a'));
    ours.filter(|card| card.shows(id)).count()
}

/// Whoever posts has had time enough.
async fn leases_end(world: &World) {
    let end = "update pending_interactions set post_at = now() - interval '1 second'
        where organization_id = 'a' and post_at is not null";
    world.sql(end).await;
}

/// A sweep that meets the fault when it calls this SQL function, and what its report says of the failure.
async fn swept_badly(
    world: &World,
    relay: &Relay,
    sql: &'static str,
    fault: Fault,
) -> Option<String> {
    relay.set_from(sql, fault);
    let swept = world.sweep(json!({})).await;
    assert!(relay.has_begun(), "{sql} was not called");
    relay.set(Fault::None);
    let report: Value = serde_json::from_str(&swept.err()?).unwrap();
    let failed = &report["failed"]["pending_interactions"];
    failed.as_str().map(str::to_owned)
}

async fn is_answered(world: &World, token: &str, id: &str) {
    let option = format!("{id}:0");
    let clicked = world.click("slack-a", &press("U1", &option)).await;
    assert_eq!(clicked.status, 200, "{}", clicked.text());
    let read = world.read(token, id).await.json();
    assert_eq!(read["status"], "answered", "{id}: {read}");
}

#[tokio::test]
async fn a_card_whose_turn_or_note_is_lost_is_the_sweeps() {
    let (world, relay) = relayed().await;
    let [token, theirs] = [
        world.conversing("a", "U1").await,
        world.conversing("b", "U1").await,
    ];
    assert_eq!(world.ask(&theirs, &question("open")).await.status, 201);
    let neighbour = world.value(NEIGHBOUR).await;
    for (number, (fault, done)) in faults().enumerate() {
        for sql in ["chat_turn_1", "interaction_posted_1"] {
            let id = format!("{}-{number}", &sql[..4]);
            // A session that has begun.
            world.read(&token, "none").await;
            relay.set_from(sql, fault);
            let asked = world.ask(&token, &question(&id)).await;
            assert!(relay.has_begun(), "{sql} was not called");
            relay.set(Fault::None);
            let posted = sql == "interaction_posted_1";
            let status = if posted { 201 } else { 202 };
            assert_eq!(asked.status, status, "{fault:?}: {}", asked.text());
            assert_eq!(posted, asked.json()["posted"] != "later");
            assert_eq!(cards(&world, &id), usize::from(posted), "{fault:?}");
            leases_end(&world).await;
            for _ in 0..2 {
                let swept = world.sweep(json!({})).await;
                assert!(swept.is_ok(), "{fault:?}: {swept:?}");
            }
            let twice = posted && done == Done::No;
            assert_eq!(cards(&world, &id), if twice { 2 } else { 1 }, "{fault:?}");
            is_answered(&world, &token, &id).await;
        }
    }
    assert_eq!(world.value(NEIGHBOUR).await, neighbour);
}

#[tokio::test]
async fn a_sweep_that_a_fault_strikes_loses_no_card_that_it_took() {
    let (world, relay) = relayed().await;
    let token = world.conversing("a", "U1").await;
    for (number, (fault, done)) in faults().enumerate() {
        for sql in [
            "interactions_unposted_1",
            "chat_turn_1",
            "interaction_posted_1",
        ] {
            let id = format!("s-{number}-{}", sql.len());
            world.read(&token, "none").await;
            relay.set_from("chat_turn_1", Fault::Refused);
            assert_eq!(world.ask(&token, &question(&id)).await.status, 202);
            relay.set(Fault::None);
            leases_end(&world).await;
            let failed = swept_badly(&world, &relay, sql, fault).await;
            let failed = failed.unwrap_or_default();
            // What became of one card is logged; only that nothing could be taken fails the run.
            let taking = sql == "interactions_unposted_1";
            assert!(!taking || failed.contains("posting"), "{fault:?}: {failed}");
            let posted = sql == "interaction_posted_1";
            assert_eq!(cards(&world, &id), usize::from(posted), "{fault:?}");
            leases_end(&world).await;
            for _ in 0..2 {
                let swept = world.sweep(json!({})).await;
                assert!(swept.is_ok(), "{fault:?}: {swept:?}");
            }
            let twice = posted && done == Done::No;
            assert_eq!(cards(&world, &id), if twice { 2 } else { 1 }, "{fault:?}");
            is_answered(&world, &token, &id).await;
        }
    }
}
