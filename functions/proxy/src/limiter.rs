//! Counts failed placeholder lookups by client address, in bounded memory. Only time clears them. What
//! resolves is never refused for others' failures: a placeholder has 122 random bits, so there is nothing
//! that refusing a good one would protect.

use lru::LruCache;
use postern::{Code, Error};
use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const MAX_FAILURES: usize = 20;
const WINDOW: Duration = Duration::from_secs(300);
const ADDRESSES: NonZeroUsize = NonZeroUsize::new(10_000).expect("10000 is not zero");

/// Failures by client address, as the gateway saw it, never as a header says. Clients without an address count
/// together.
pub(crate) struct Limiter(Mutex<LruCache<Option<String>, VecDeque<Instant>>>);

impl Limiter {
    /// A limiter without failures.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(ADDRESSES)))
    }

    /// The answer to a failed lookup from this address: the failure itself, or, after too many,
    /// `too_many_failures` with the seconds until the oldest failure is forgotten.
    pub(crate) fn answer(&self, failure: Error, address: Option<&str>, now: Instant) -> Error {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = failures.get_or_insert_mut(address.map(str::to_owned), VecDeque::new);
        while recent
            .front()
            .is_some_and(|at| now.duration_since(*at) >= WINDOW)
        {
            recent.pop_front();
        }
        match recent.front() {
            Some(oldest) if recent.len() >= MAX_FAILURES => {
                let wait = WINDOW.saturating_sub(now.duration_since(*oldest)).as_secs() + 1;
                Code::TooManyFailures
                    .because(failure)
                    .retry_after_secs(wait)
            }
            Some(_) | None => {
                recent.push_back(now);
                failure
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twenty_first_failure_is_told_so_until_time_clears_the_first() {
        let limiter = Limiter::new();
        let start = Instant::now();
        let answer = |address, now| limiter.answer(Code::Unauthorized.into(), address, now);
        let own = Some("192.0.2.1");
        for _ in 0..MAX_FAILURES {
            assert_eq!(answer(own, start).code, Code::Unauthorized);
        }
        let refused = answer(own, start);
        assert_eq!(
            (refused.code, refused.retry_after()),
            (Code::TooManyFailures, Some(301))
        );
        for other in [Some("192.0.2.2"), None] {
            assert_eq!(answer(other, start).code, Code::Unauthorized);
        }
        assert_eq!(answer(own, start + WINDOW).code, Code::Unauthorized);
    }
}
