//! Waiting for what happens after an answer, or meanwhile.

use std::time::{Duration, Instant};

/// Far longer than anything here takes, even on a busy machine.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits until the condition holds; `what` names it when it never does.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + LONGEST;
    while !holds().await {
        assert!(Instant::now() < end, "not within {LONGEST:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
