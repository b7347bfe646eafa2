//! Errors that last longer than the agent waits.

use super::cases::{Case, cases};
use super::expected::is;
use super::play::{Playing, play_all, world};
use crate::questions::platforms::EVERYWHERE;
use crate::world::World;
use postern::chat::{Means, Purpose};
use postern_stack::{Failure, Kind};
use serde_json::json;

/// How long the platform asks to wait, in seconds.
const LONG: f64 = 600.0;

/// The cases of cards that are put off, and of those the ones whose platform says for how long.
fn put_off() -> Vec<Case> {
    let cases = EVERYWHERE.map(cases).concat().into_iter();
    let timed = ["ratelimited", "429", "20028", "1015"];
    let timed = |case: &Case| timed.contains(&case.error) || case.error.starts_with("Too Many");
    let cases = cases.filter(|case| matches!(case.row.means(), Means::Wait(_)));
    cases
        .filter(|case| case.call == Purpose::Card && timed(case))
        .collect()
}

#[tokio::test]
async fn a_card_that_is_put_off_for_long_is_posted_later() {
    let world = world().await;
    let cases = put_off();
    play_all(&world, &cases, is_put_off).await;
    // Until the time has come, nothing is posted.
    world.sweep(json!({})).await.unwrap();
    play_all_again(&world, &cases, 1).await;
    world
        .sql("update pending_interactions set post_at = now(); delete from chat_turns")
        .await;
    world.sweep(json!({})).await.unwrap();
    play_all_again(&world, &cases, 2).await;
}

async fn is_put_off(world: &World, case: &Case) -> Result<(), String> {
    let playing = Playing::begin(world, case).await;
    playing.fail(Failure::of(case.error, &case.channel(), Kind::Card).after(LONG));
    let answer = playing.ask().await;
    let posted = answer.json()["posted"].clone();
    is((answer.status, posted), (202, "later".into()), "asking")?;
    is(playing.status().await.as_str(), "pending", "the question")?;
    is(playing.calls().len(), 1, "calls")
}

/// So many calls were made for each case, all of them with the card.
async fn play_all_again(world: &World, cases: &[Case], calls: usize) {
    for case in cases {
        let playing = Playing::begin(world, case).await;
        let made = playing.calls();
        assert_eq!(made.len(), calls, "{case:?}");
        assert!(made.iter().all(|call| call.kind == Kind::Card), "{case:?}");
        assert_eq!(playing.cards().len(), calls - 1, "{case:?}");
    }
}

#[tokio::test]
async fn a_receipt_that_is_refused_for_good_is_sent_once_more_by_the_sweep() {
    let world = world().await;
    let all = EVERYWHERE.map(cases).concat().into_iter();
    let refused = all.filter(|case| {
        case.row.means() == Means::Never && case.call == Purpose::Receipt && case.number % 5 == 0
    });
    let refused: Vec<Case> = refused.collect();
    play_all(&world, &refused, super::expected::goes_as_its_row_says).await;
    for _ in 0..3 {
        world
            .sql("update pending_interactions set settle_at = now()")
            .await;
        world.sweep(json!({})).await.unwrap();
    }
    for case in &refused {
        let playing = Playing::begin(&world, case).await;
        assert_eq!(playing.calls_of(Kind::Receipt).len(), 2, "{case:?}");
    }
}
