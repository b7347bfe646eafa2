//! Time that a frozen environment cannot stretch. Lambda freezes an environment between invocations, and
//! the monotonic clock may stop with it.

use std::time::{Duration, Instant, SystemTime};

/// A point in time, on the monotonic clock and on the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    monotonic: Instant,
    wall: SystemTime,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// The time since then, by whichever clock counted more. A cached value therefore never lives longer
    /// because the environment was frozen or the wall clock was set back.
    pub fn elapsed(&self) -> Duration {
        let wall = self.wall.elapsed().unwrap_or_default();
        self.monotonic.elapsed().max(wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_that_counted_more_is_believed() {
        let hour = Duration::from_secs(3600);
        let now = Moment::now();
        let frozen = Moment {
            wall: now.wall - hour,
            ..now
        };
        assert!(frozen.elapsed() >= hour);
        let set_back = Moment {
            wall: now.wall + hour,
            ..now
        };
        assert!(set_back.elapsed() < hour);
    }
}
