//! Errors that are in no table: a call is put off once, and then it is refused.

use super::cases::{Case, kind, row_of, switches, table};
use super::expected::{goes_as_its_row_says, is};
use super::play::{Playing, play_all, world};
use crate::questions::platforms::{EVERYWHERE, On};
use crate::world::World;
use postern::chat::{Means, Purpose};
use postern_stack::{Failure, Kind};

/// Each call of each platform that meets an error which no row has.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for on in EVERYWHERE {
        let unlisted = |error: &&&str| row_of(on, error, Purpose::Card).is_none();
        let switches = switches(on);
        // The last switch is not meant to be in the table.
        let error = switches.iter().rev().find(unlisted).unwrap();
        let row = table(on).iter();
        let mut row = row.filter(|row| matches!(row.means(), Means::Wait(_)));
        let row = row.next().unwrap();
        let calls = [
            Purpose::Card,
            Purpose::Text,
            Purpose::Receipt,
            Purpose::Edit,
        ];
        let notes = (on == On::Slack).then_some(Purpose::Note);
        for call in calls.into_iter().chain(notes) {
            assert!(row_of(on, error, call).is_none(), "{error} is in the table");
            cases.push(Case {
                on,
                number: cases.len(),
                error,
                row,
                call,
                created: false,
            });
        }
    }
    cases
}

#[tokio::test]
async fn an_error_that_no_table_has_puts_a_call_off_once() {
    play_all(&world().await, &cases(), goes_as_its_row_says).await;
}

#[tokio::test]
async fn an_error_that_no_table_has_and_that_stays_is_a_refusal() {
    play_all(&world().await, &cases(), stays).await;
}

async fn stays(world: &World, case: &Case) -> Result<(), String> {
    let playing = Playing::begin(world, case).await;
    playing.fail(Failure::of(case.error, &case.channel(), kind(case.call)).always());
    let answer = playing.play().await?;
    let made = |kind| playing.calls_of(kind).len();
    match case.call {
        Purpose::Card => {
            is(answer.status, 201, "asking")?;
            is(&answer.json()["posted"], &"text".into(), "posted")?;
            is((made(Kind::Card), made(Kind::Text)), (2, 1), "calls")
        }
        Purpose::Text => {
            is(answer.code().as_str(), "post_failed", "asking")?;
            is((made(Kind::Card), made(Kind::Text)), (1, 2), "calls")
        }
        call => is(made(kind(call)), 2, "calls"),
    }
}
