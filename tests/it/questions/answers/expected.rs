//! What is expected of a case: it goes on as if nothing had happened, or it ends in the way that is documented.

use super::cases::{Case, kind};
use super::play::Playing;
use crate::questions::platforms::On;
use crate::world::World;
use postern::chat::{Means, Purpose};
use postern_stack::{ChatCall, Kind};
use serde_json::Value;
use std::fmt::Debug;

pub fn is<T: PartialEq + Debug>(found: T, expected: T, what: &str) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found:?} instead of {expected:?}"))
}

/// Plays a case and checks what came of it.
pub async fn goes_as_its_row_says(world: &World, case: &Case) -> Result<(), String> {
    let playing = Playing::begin(world, case).await;
    let answer = playing.play().await?;
    match case.call {
        Purpose::Card | Purpose::Text => {
            let posted = (answer.status, answer.json()["posted"].clone());
            of_a_post(&playing, posted).await
        }
        Purpose::Reopen => {
            made(&playing, Kind::Reopen)?;
            let edits = match case.row.means() {
                // The edit that was asked for follows.
                Means::Wait(_) | Means::Doubtful => 2,
                _ => 1,
            };
            is(playing.calls_of(Kind::Edit).len(), edits, "edits")
        }
        Purpose::Receipt => {
            is(answer.status, 200, "the click")?;
            is(playing.status().await.as_str(), "answered", "the question")?;
            made(&playing, Kind::Receipt)?;
            let open = owed(&playing).await.contains("receipt");
            is(
                open,
                case.row.means() == Means::Never,
                "the receipt is owed",
            )
        }
        Purpose::Note => {
            is(answer.status, 200, "the click")?;
            made(&playing, Kind::Note)
        }
        _ => made(&playing, kind(case.call)),
    }
}

/// The updates that are owed to chat.
async fn owed(playing: &Playing<'_>) -> String {
    let sql = format!(
        "select array_to_string(unsettled, ' ') from pending_interactions where id = '{}' and connection_id = '{}'",
        playing.case.id(),
        playing.case.connection()
    );
    playing.world.value(&sql).await
}

/// The calls were made that the row asks for, and no more.
fn made(playing: &Playing<'_>, kind: Kind) -> Result<(), String> {
    let case = playing.case;
    let calls = playing.calls_of(kind);
    match case.row.means() {
        Means::Wait(_) | Means::Doubtful => again(&calls),
        Means::NoThread | Means::NoReference | Means::NoEntities => {
            amended(playing, calls, case.member().unwrap_or_default())
        }
        Means::Moved => {
            let supergroup = case.supergroup().to_string();
            // A receipt without the card that it replied to looks like text.
            let all = playing.calls();
            let posts = all.iter().filter(|call| {
                call.kind == kind || kind == Kind::Receipt && call.kind == Kind::Text
            });
            let chats: Vec<&str> = posts.map(|call| call.channel.as_str()).collect();
            let former = case.channel();
            is(
                chats,
                vec![former.as_str(), supergroup.as_str()],
                "the chats",
            )
        }
        Means::Reopen => {
            let reopened = playing.calls_of(Kind::Reopen);
            is(reopened.len(), 1, "the thread is opened")?;
            is(&reopened[0].body["archived"], &Value::Bool(false), "opened")?;
            again(&calls)
        }
        Means::Done | Means::Never => is(calls.len(), 1, "calls"),
    }
}

/// The same call was made twice.
fn again(calls: &[ChatCall]) -> Result<(), String> {
    is(calls.len(), 2, "calls")?;
    is(
        &calls[0].body,
        &calls[1].body,
        "the call that is made again",
    )
}

/// The call was made with this member, and then without it. If it never has it, there was nothing to amend.
fn amended(
    playing: &Playing<'_>,
    calls: Vec<ChatCall>,
    member: &'static str,
) -> Result<(), String> {
    let has = |call: &ChatCall| call.body.get(member).is_some();
    if !calls.iter().any(has) {
        return is(calls.len(), 1, "calls that have nothing to amend");
    }
    let first = calls.iter().find(|call| has(call)).ok_or("no call")?;
    let mut without = first.body.clone();
    without.as_object_mut().ok_or("no object")?.remove(member);
    let all = playing.calls();
    let again: Vec<&ChatCall> = all.iter().filter(|call| call.body == without).collect();
    is(
        (calls.iter().filter(|call| has(call)).count(), again.len()),
        (1, 1),
        "calls with and without the member",
    )
}

async fn of_a_post(playing: &Playing<'_>, posted: (u64, Value)) -> Result<(), String> {
    let case = playing.case;
    let is_card = case.call == Purpose::Card;
    if case.row.means() == Means::Never {
        return of_a_refused_post(playing, posted).await;
    }
    let form = if is_card { Value::Null } else { "text".into() };
    is(posted, (201, form), "the answer to the agent")?;
    made(playing, kind(case.call))?;
    if !is_card {
        return Ok(());
    }
    if playing.case.row.means() == Means::Done {
        return is(playing.calls().len(), 1, "calls");
    }
    let texts = playing.calls_of(Kind::Text);
    is(texts.len(), 0, "a card became plain text")?;
    // Discord takes the card twice and shows it once.
    let twice = case.created && case.on != On::Discord;
    let cards = playing.cards();
    is(cards.len(), 1 + usize::from(twice), "cards")?;
    let clicked = &cards[case.number % cards.len()];
    is(playing.click(clicked, 1).await.status, 200, "the click")?;
    is(playing.status().await.as_str(), "answered", "the question")?;
    let other = &cards[(case.number + 1) % cards.len()];
    is(playing.click(other, 0).await.status, 200, "another click")?;
    let read = playing.world.read(&playing.token, &case.id()).await.json();
    is(&read["answer"]["value"], &"No".into(), "the first click")?;
    Ok(())
}

/// The platform refuses for good: a card is tried as plain text. If that is refused too, nothing is kept.
async fn of_a_refused_post(playing: &Playing<'_>, posted: (u64, Value)) -> Result<(), String> {
    let case = playing.case;
    let made = |kind| playing.calls_of(kind).len();
    if case.call == Purpose::Text {
        is(posted.0, 502, "the answer to the agent")?;
        is((made(Kind::Card), made(Kind::Text)), (1, 1), "calls")?;
        let status = playing.status().await;
        return is(status.as_str(), "unknown_interaction", "the question");
    }
    is(posted, (201, "text".into()), "the answer to the agent")?;
    is((made(Kind::Card), made(Kind::Text)), (1, 1), "calls")?;
    is(playing.status().await.as_str(), "pending", "the question")
}
