//! What the attempts at one call have met, and what follows from it.

use super::ChatPlatform;
use super::call::{ApiCall, Done, Instead, Later, Posted};
use crate::question::CardAddress;
use std::time::Duration;
use tokio::time::Instant;

/// The first pause after a call was put off by a platform that does not say for how long. Each further pause is twice
/// as long.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The shortest pause before a call is made again.
const MIN_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause that a platform can ask for.
const MAX_PAUSE: Duration = Duration::from_secs(60 * 60);

/// What is known about earlier attempts at a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Earlier {
    /// How many there were.
    pub attempts: u32,
    /// Whether one of them may have taken effect.
    pub doubtful: bool,
    /// Whether one of them met an error that the platform's table does not have.
    pub unlisted: bool,
    /// Whether the call is made again later if the platform cannot be reached. Otherwise that is a refusal.
    pub patient: bool,
}

/// What one call has met so far.
pub(super) struct SoFar {
    pub(super) doubtful: bool,
    pub(super) unlisted: bool,
    /// Whether the call was made once more after an unknown result.
    pub(super) repeated: bool,
    earlier: Earlier,
    attempts: u32,
    /// Whether the call was made as the platform's answer asked.
    amended: bool,
}

impl SoFar {
    pub(super) fn new(earlier: Earlier) -> Self {
        Self {
            doubtful: earlier.doubtful,
            unlisted: earlier.unlisted,
            repeated: false,
            earlier,
            attempts: earlier.attempts,
            amended: false,
        }
    }

    /// The pause before the next attempt.
    pub(super) fn pause(&mut self, asked: Option<Duration>) -> Duration {
        let own = FIRST_PAUSE * 2_u32.saturating_pow(self.attempts.min(12));
        self.attempts = self.attempts.saturating_add(1);
        // A platform that asks for no pause at all would be called in a loop.
        let asked = asked.map(|asked| asked.max(MIN_PAUSE));
        asked.unwrap_or(own).min(MAX_PAUSE)
    }

    /// The calls to make instead; `None` if that was done before, or changes nothing.
    pub(super) fn amended(
        &mut self,
        platform: &dyn ChatPlatform,
        call: &ApiCall,
        how: &Instead,
    ) -> Option<Vec<ApiCall>> {
        if std::mem::replace(&mut self.amended, true) {
            return None;
        }
        platform.instead(call.clone(), how)
    }

    pub(super) fn done(&self, at: Option<CardAddress>, call: &ApiCall) -> Posted {
        // A platform that creates the message only once does so for some minutes, and earlier attempts may be older.
        let doubtful = if call.once {
            self.earlier.doubtful
        } else {
            self.doubtful
        };
        Posted::Done(Done { at, doubtful })
    }

    /// A refusal does not mean that earlier attempts failed.
    pub(super) fn refused(&self, call: &ApiCall, why: String) -> Posted {
        if self.in_doubt(call) {
            return Posted::RefusedInDoubt(why);
        }
        Posted::Refused(why)
    }

    pub(super) fn later(&self, call: &ApiCall, after: Duration, why: String) -> Posted {
        Posted::Later(Later {
            after,
            doubtful: self.in_doubt(call),
            unlisted: self.unlisted,
            why,
        })
    }

    /// Whether an attempt may have created the message.
    fn in_doubt(&self, call: &ApiCall) -> bool {
        (self.doubtful || self.repeated) && call.purpose.creates()
    }
}

/// Sleeps, if enough time for the call is left afterwards. Returns whether that is so.
pub(super) async fn sleep_before(call: &ApiCall, pause: Duration, until: Instant) -> bool {
    let then = Instant::now() + pause;
    if then + call.purpose.least_time() > until {
        return false;
    }
    tokio::time::sleep_until(then).await;
    true
}

#[cfg(test)]
mod tests {
    use super::super::call::Purpose;
    use super::*;

    fn call(purpose: Purpose, once: bool) -> ApiCall {
        ApiCall {
            purpose,
            name: "call",
            method: http::Method::POST,
            url: String::new().into(),
            authorization: None,
            body: serde_json::Value::Null,
            channel: None,
            once,
        }
    }

    #[test]
    fn what_may_have_been_posted_before_is_never_forgotten() {
        let earlier = Earlier {
            doubtful: true,
            ..Earlier::default()
        };
        let (card, nonced) = (call(Purpose::Card, false), call(Purpose::Card, true));
        let mut fresh = SoFar::new(Earlier::default());
        assert!(matches!(
            fresh.refused(&card, String::new()),
            Posted::Refused(_)
        ));
        assert!(matches!(fresh.done(None, &card), Posted::Done(done) if !done.doubtful));
        fresh.repeated = true;
        assert!(matches!(
            fresh.refused(&nonced, String::new()),
            Posted::RefusedInDoubt(_)
        ));
        let later = fresh.later(&nonced, MIN_PAUSE, String::new());
        assert!(matches!(later, Posted::Later(later) if later.doubtful));
        fresh.doubtful = true;
        // The platform creates it once for some minutes, but what an earlier function posted may be older.
        assert!(matches!(fresh.done(None, &nonced), Posted::Done(done) if !done.doubtful));
        assert!(matches!(fresh.done(None, &card), Posted::Done(done) if done.doubtful));
        let taken_over = SoFar::new(earlier);
        assert!(matches!(taken_over.done(None, &nonced), Posted::Done(done) if done.doubtful));
        // An edit may be made twice.
        let edit = call(Purpose::Edit, false);
        assert!(matches!(
            taken_over.refused(&edit, String::new()),
            Posted::Refused(_)
        ));
    }

    #[test]
    fn pauses_double_and_a_platforms_own_is_kept_within_bounds() {
        let mut so_far = SoFar::new(Earlier::default());
        let own: Vec<u64> = (0..4).map(|_| so_far.pause(None).as_secs()).collect();
        assert_eq!(own, [1, 2, 4, 8]);
        assert_eq!(so_far.pause(Some(Duration::ZERO)), MIN_PAUSE);
        assert_eq!(
            so_far.pause(Some(Duration::from_secs(9))),
            Duration::from_secs(9)
        );
        assert_eq!(so_far.pause(Some(Duration::MAX)), MAX_PAUSE);
        so_far.attempts = u32::MAX - 1;
        assert_eq!(so_far.pause(None), MAX_PAUSE);
    }
}
