//! What must hold of a delivery.

use super::check::{holds, same, text};
use super::plan::Attempt;
use super::play::Attempted;
use serde_json::Value;
use std::time::Duration;

/// Each attempt of a delivery was one person's, in turn, and it arrived.
pub fn attempted<'a>(
    row: &Value,
    during: impl Iterator<Item = &'a Attempted>,
    after: &'a [Attempted],
) -> Result<(), String> {
    let id = text(row, "/id");
    let mine = |one: &&Attempted| one.id == id;
    let mut during: Vec<&Attempted> = during.filter(mine).collect();
    during.sort_by_key(|one| one.number);
    let all: Vec<&Attempted> = during
        .iter()
        .copied()
        .chain(after.iter().filter(mine))
        .collect();
    let numbers: Vec<u64> = all.iter().map(|one| u64::from(one.number)).collect();
    let attempts = row["attempts"].as_u64().unwrap();
    same("attempts", &numbers, &(1..=attempts).collect())?;
    holds(!row["delivered_at"].is_null(), || {
        format!("{id} never arrived")
    })?;
    for arrived in all.iter().filter(|one| one.end == Attempt::Arrives) {
        let late = all.iter().find(|one| one.asked > arrived.ended);
        holds(late.is_none(), || format!("{late:?} after it arrived"))?;
    }
    // A failure ends the lease. Without one nobody else gets it meanwhile.
    if all.iter().any(|one| one.end == Attempt::Fails) {
        return Ok(());
    }
    for turn in during.windows(2) {
        let held = turn[1].given - turn[0].asked;
        // The server's clock is not this one.
        let lease = turn[0].lease.saturating_sub(Duration::from_millis(2));
        holds(held >= lease, || format!("taken twice: {turn:?}"))?;
    }
    Ok(())
}
