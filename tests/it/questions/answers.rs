//! What Postern does about each error of the platforms' tables: `docs/chat.md`, "When a platform refuses".

mod bodies;
mod cases;
mod discord;
mod expected;
mod later;
mod play;
mod rates;
mod slack;
mod slow;
mod telegram;
mod unlisted;

use crate::world::World;
use cases::Case;
use postern::chat::{Means, Purpose};

/// What is refused for good is logged with the platform's error and with the advice, as a warning. A note that did
/// not arrive is of no consequence. Returns the cases for which that is not so.
async fn unsaid(world: &World, cases: &[Case]) -> Vec<String> {
    let lines = world.webhooks().await.logs().await;
    let refused = cases.iter().filter(|case| case.row.means() == Means::Never);
    let unsaid = refused.filter(|case| {
        let error = case.error.split(' ').next().unwrap_or_default();
        let is_note = case.call == Purpose::Note;
        !lines.iter().any(|line| {
            line.contains(&format!("{}: ", case.method()))
                && line.contains(error)
                && line.contains(case.row.advice())
                && is_note == line.contains("\"INFO\"")
        })
    });
    let unsaid = unsaid.map(|case| format!("no line says {case:?}"));
    unsaid.collect()
}
