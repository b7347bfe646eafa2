//! Answers that are not the platform's, or not whole, or too long, or that do not come.

use super::cases::{Case, kind, table};
use super::expected::is;
use super::play::{Playing, play_all, world};
use crate::questions::platforms::{EVERYWHERE, On};
use crate::world::World;
use postern::chat::Purpose;
use postern_stack::{ChatMode, Failure};

const MIB: usize = 1 << 20;

/// What comes of a call that gets such an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// It is the platform's.
    Whole,
    /// The call may have taken effect, and can be made again later.
    Again,
    /// The call may have taken effect.
    Unknown,
}

const BODIES: [(ChatMode, Read); 6] = [
    (ChatMode::Html(200), Read::Unknown),
    (ChatMode::Html(502), Read::Again),
    (ChatMode::Half, Read::Unknown),
    (ChatMode::Big(MIB), Read::Whole),
    (ChatMode::Big(2 * MIB), Read::Unknown),
    (ChatMode::Hang, Read::Unknown),
];

/// Each body for each call. The number of a case tells its body.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for on in EVERYWHERE {
        for call in [
            Purpose::Card,
            Purpose::Receipt,
            Purpose::Edit,
            Purpose::Note,
        ] {
            if call == Purpose::Note && on != On::Slack {
                continue;
            }
            for _ in BODIES {
                cases.push(Case {
                    on,
                    number: cases.len(),
                    error: "",
                    // The case does not meet it.
                    row: &table(on)[0],
                    call,
                    created: true,
                });
            }
        }
    }
    cases
}

#[tokio::test]
async fn an_answer_that_is_not_the_platforms_own_leaves_a_call_unknown() {
    play_all(&world().await, &cases(), play).await;
}

async fn play(world: &World, case: &Case) -> Result<(), String> {
    let (mode, read) = BODIES[case.number % BODIES.len()];
    let playing = Playing::begin(world, case).await;
    let meet = || playing.fail(Failure::mode(mode, &case.channel(), kind(case.call)));
    let result = match case.call {
        Purpose::Card => {
            meet();
            posted(&playing, read).await
        }
        _ => changed(&playing, mode, read, meet).await,
    };
    result.map_err(|why| format!("{mode:?}: {why}"))
}

async fn posted(playing: &Playing<'_>, read: Read) -> Result<(), String> {
    let case = playing.case;
    let answer = playing.ask().await;
    let posted = answer.json()["posted"].clone();
    // Discord shows a card once, so the call is made again at once.
    let (status, calls, cards) = match (read, case.on) {
        (Read::Whole, _) => (201, 1, 1),
        (Read::Again | Read::Unknown, On::Discord) => (201, 2, 1),
        (Read::Again, On::Slack | On::Telegram) => (201, 2, 2),
        (Read::Unknown, On::Slack | On::Telegram) => (202, 1, 1),
    };
    is(answer.status, status, "asking")?;
    is(posted == "unknown", status == 202, "posted unknown")?;
    is(playing.calls().len(), calls, "calls")?;
    let shown = playing.cards();
    is(shown.len(), cards, "cards")?;
    is(playing.click(&shown[0], 0).await.status, 200, "the click")?;
    is(playing.status().await.as_str(), "answered", "the question")
}

async fn changed(
    playing: &Playing<'_>,
    mode: ChatMode,
    read: Read,
    meet: impl Fn(),
) -> Result<(), String> {
    let case = playing.case;
    is(playing.ask().await.status, 201, "asking")?;
    let card = playing.cards().pop().ok_or("no card")?;
    match case.call {
        Purpose::Receipt => {
            meet();
            is(playing.click(&card, 0).await.status, 200, "the click")?;
            is(playing.status().await.as_str(), "answered", "the question")?;
        }
        Purpose::Note => {
            is(playing.withdraw().await, 204, "withdrawing")?;
            meet();
            is(playing.click(&card, 0).await.status, 200, "the click")?;
        }
        _ => {
            meet();
            is(playing.withdraw().await, 204, "withdrawing")?;
        }
    }
    let expected = match (read, case.call) {
        (Read::Whole, _) => 1,
        (Read::Again, _) => 2,
        // What can be made twice to the same effect is made again, if there is time.
        (Read::Unknown, Purpose::Edit) => 1 + usize::from(mode != ChatMode::Hang),
        (Read::Unknown, _) => 1,
    };
    is(playing.calls_of(kind(case.call)).len(), expected, "calls")
}
