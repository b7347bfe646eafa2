//! How long an invocation may still take.

use std::time::{Duration, Instant, SystemTime};

/// The end of an invocation's time.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline that the Runtime API gives. A time before the invocation began counts as no deadline:
    /// cargo-lambda's emulator sends a fixed time in 1970.
    pub fn at(at: SystemTime) -> Self {
        let left = at.duration_since(SystemTime::now()).ok();
        Self(left.and_then(|left| Instant::now().checked_add(left)))
    }

    /// The deadline, moved earlier.
    pub fn sooner_by(self, by: Duration) -> Self {
        Self(
            self.0
                .map(|end| end.checked_sub(by).unwrap_or_else(Instant::now)),
        )
    }

    /// The end of the time, at most `most` from now.
    pub fn within(self, most: Duration) -> tokio::time::Instant {
        tokio::time::Instant::now() + self.left().min(most)
    }

    /// The time that is left; `Duration::MAX` where there is no deadline.
    pub fn left(self) -> Duration {
        self.0.map_or(Duration::MAX, |end| {
            end.saturating_duration_since(Instant::now())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_was_never_ahead_is_none_and_one_that_passes_leaves_nothing() {
        assert_eq!(
            Deadline::at(SystemTime::UNIX_EPOCH + Duration::from_secs(600)).left(),
            Duration::MAX
        );
        let soon = Deadline::at(SystemTime::now() + Duration::from_millis(5));
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(soon.left(), Duration::ZERO);
    }
}
