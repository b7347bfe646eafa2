//! Counts failed placeholder resolutions by source, in bounded memory. Only time clears them.

use lru::LruCache;
use postern::{AgentId, Code, Error};
use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const MOST_FAILURES: usize = 20;
const WINDOW: Duration = Duration::from_secs(300);
const SOURCES: NonZeroUsize = NonZeroUsize::new(10_000).expect("10000 is not zero");

/// Who is probing: never a header that the client can set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    Agent(AgentId),
    Address(String),
    Unknown,
}

pub struct Limiter(Mutex<LruCache<Source, VecDeque<Instant>>>);

impl Limiter {
    pub fn new() -> Self {
        Self(Mutex::new(LruCache::new(SOURCES)))
    }

    /// # Errors
    /// `too_many_failures` with the seconds until the next attempt.
    pub fn check(&self, source: &Source, now: Instant) -> Result<(), Error> {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(recent) = failures.get_mut(source) else {
            return Ok(());
        };
        while recent
            .front()
            .is_some_and(|at| now.duration_since(*at) >= WINDOW)
        {
            recent.pop_front();
        }
        match recent.front() {
            Some(oldest) if recent.len() >= MOST_FAILURES => {
                let wait = WINDOW.saturating_sub(now.duration_since(*oldest)).as_secs() + 1;
                Err(Error::from(Code::TooManyFailures).retry_after_secs(wait))
            }
            Some(_) => Ok(()),
            None => {
                failures.pop(source);
                Ok(())
            }
        }
    }

    pub fn failed(&self, source: Source, now: Instant) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = failures.get_or_insert_mut(source, VecDeque::new);
        if recent.len() == MOST_FAILURES {
            recent.pop_front();
        }
        recent.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twenty_first_attempt_is_refused_until_time_clears_the_first() {
        let limiter = Limiter::new();
        let source = Source::Address("192.0.2.1".into());
        let start = Instant::now();
        for _ in 0..MOST_FAILURES {
            assert!(limiter.check(&source, start).is_ok());
            limiter.failed(source.clone(), start);
        }
        let refused = limiter.check(&source, start).unwrap_err();
        assert_eq!(
            (refused.code, refused.retry_after()),
            (Code::TooManyFailures, Some(301))
        );
        assert!(limiter.check(&Source::Unknown, start).is_ok());
        assert!(limiter.check(&source, start + WINDOW).is_ok());
    }
}
