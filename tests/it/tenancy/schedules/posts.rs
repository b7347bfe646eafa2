//! What must hold of a card that the sweep takes to post it.

use super::check::holds;
use std::time::{Duration, Instant};

/// How long the sweep holds a card that it took.
pub const LEASE: Duration = Duration::from_millis(8);

/// A card that the sweep took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub id: String,
    pub revision: String,
    /// When it was asked for, and when it was given.
    pub asked: Instant,
    pub given: Instant,
    /// Whether a sweep took it before and died, so that nobody knows whether it was posted.
    pub doubtful: bool,
    /// When it was noted that the card was posted; `None` if whoever took it died.
    pub noted: Option<Instant>,
}

/// No two sweeps hold a card at the same time, nobody takes one that was posted, and whoever takes one that was taken
/// before is told.
pub fn taken_in_turn<'a>(all: impl Iterator<Item = &'a Taken>) -> Result<(), String> {
    let mut all: Vec<&Taken> = all.collect();
    // Who took it first is in no doubt, and may be told after the next.
    let key = |taken: &&Taken| {
        let Taken {
            id,
            revision,
            doubtful,
            given,
            ..
        } = (*taken).clone();
        (id, revision, doubtful, given)
    };
    all.sort_by_key(key);
    for pair in all.windows(2) {
        let [first, second] = [pair[0], pair[1]];
        if (&first.id, &first.revision) != (&second.id, &second.revision) {
            continue;
        }
        // The server's clock is not this one.
        let held = second.given - first.asked >= LEASE.saturating_sub(Duration::from_millis(2));
        holds(held, || format!("taken twice: {pair:?}"))?;
        let posted = first.noted.is_some_and(|noted| second.asked > noted);
        holds(!posted, || format!("taken after it was posted: {pair:?}"))?;
        holds(second.doubtful, || format!("no doubt: {pair:?}"))?;
    }
    Ok(())
}
