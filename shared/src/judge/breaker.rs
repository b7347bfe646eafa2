//! A circuit for each organization, so that what one provokes closes the judge to nobody else.

use crate::id::OrganizationId;
use lru::LruCache;
use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Failures in a row that open a circuit.
const MAX_FAILURES: u32 = 5;
/// How long it stays open.
const OPEN: Duration = Duration::from_secs(30);
/// Organizations that are remembered. One that has not failed is not among them, so none is forgotten
/// before this many fail at once.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("10000 is not zero");

pub struct Breakers {
    failing: Mutex<LruCache<OrganizationId, Circuit>>,
    /// A probe that never ends is over after this.
    probe: Duration,
}

#[derive(Default)]
struct Circuit {
    failures: u32,
    opened_until: Option<Instant>,
}

impl Circuit {
    fn is_closed(&self, now: Instant) -> bool {
        self.failures < MAX_FAILURES || self.opened_until.is_none_or(|until| now >= until)
    }
}

impl Breakers {
    pub fn new(probe: Duration) -> Self {
        Self {
            failing: Mutex::new(LruCache::new(REMEMBERED)),
            probe,
        }
    }

    /// Whether the judge would be asked for this organization.
    pub fn is_closed(&self, organization: &OrganizationId, now: Instant) -> bool {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let circuit = failing.peek(organization);
        circuit.is_none_or(|circuit| circuit.is_closed(now))
    }

    /// Whether the judge may be asked for this organization; of an open circuit one asker in a while.
    pub fn admits(&self, organization: &OrganizationId, now: Instant) -> bool {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(circuit) = failing.get_mut(organization) else {
            return true;
        };
        if !circuit.is_closed(now) {
            return false;
        }
        if circuit.failures >= MAX_FAILURES {
            circuit.opened_until = Some(now + self.probe);
        }
        true
    }

    /// What became of a call.
    pub fn ended(&self, organization: &OrganizationId, well: bool, now: Instant) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if well {
            failing.pop(organization);
            return;
        }
        let circuit = failing.get_or_insert_mut(organization.clone(), Circuit::default);
        circuit.failures = circuit.failures.saturating_add(1);
        if circuit.failures >= MAX_FAILURES {
            circuit.opened_until = Some(now + OPEN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_open_an_organizations_circuit_for_half_a_minute() {
        let breakers = Breakers::new(Duration::from_secs(10));
        let [a, b] = ["a", "b"].map(|id| OrganizationId::parse(id).unwrap());
        let now = Instant::now();
        for _ in 0..4 {
            breakers.ended(&a, false, now);
        }
        assert!(breakers.admits(&a, now), "four are not five");
        breakers.ended(&a, true, now);
        for _ in 0..4 {
            breakers.ended(&a, false, now);
        }
        assert!(breakers.admits(&a, now), "a success begins anew");
        breakers.ended(&a, false, now);
        assert!(!breakers.admits(&a, now) && breakers.admits(&b, now));
        assert!(!breakers.is_closed(&a, now) && breakers.is_closed(&b, now));
        assert!(!breakers.admits(&a, now + Duration::from_secs(29)));
        let later = now + Duration::from_secs(30);
        assert!(breakers.admits(&a, later), "one may try");
        assert!(!breakers.admits(&a, later), "and one alone");
        assert!(
            breakers.admits(&a, later + Duration::from_secs(10)),
            "a probe that never ends does not close it for ever"
        );
        breakers.ended(&a, false, later);
        assert!(!breakers.admits(&a, later + Duration::from_secs(29)));
        breakers.ended(&a, true, later);
        assert!(breakers.admits(&a, later));
    }
}
