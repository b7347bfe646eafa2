//! Waiting for what comes to pass after an answer, or beside it.

use std::time::{Duration, Instant};

/// Far longer than anything here takes, also on a machine that is busy with something else.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits until this holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + LONGEST;
    while !holds().await {
        assert!(Instant::now() < end, "not within {LONGEST:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
