//! A circuit for each organization: failures that one organization provokes do not cut off the others.

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
/// Most organizations with failures that are remembered. One without failures takes no place.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).expect("10000 is not zero");

/// The circuits of all organizations in this environment.
pub(super) struct Breakers {
    failing: Mutex<LruCache<OrganizationId, Circuit>>,
    /// After this long a probe counts as dead, and another caller may try.
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
    /// Closed circuits. A probe of an open one counts as dead after `probe`.
    pub(super) fn new(probe: Duration) -> Self {
        Self {
            failing: Mutex::new(LruCache::new(CAPACITY)),
            probe,
        }
    }

    /// Whether the judge would be asked for this organization.
    pub(super) fn is_closed(&self, organization: &OrganizationId, now: Instant) -> bool {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let circuit = failing.peek(organization);
        circuit.is_none_or(|circuit| circuit.is_closed(now))
    }

    /// Whether a caller may ask the judge for this organization. Half a minute after a circuit opened, one
    /// caller may try: the probe.
    pub(super) fn admits(&self, organization: &OrganizationId, now: Instant) -> bool {
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

    /// Notes how a call ended. A success closes the circuit; a failure may open it.
    pub(super) fn ended(&self, organization: &OrganizationId, succeeded: bool, now: Instant) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if succeeded {
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
        assert!(breakers.admits(&a, now), "a success resets the count");
        breakers.ended(&a, false, now);
        assert!(!breakers.admits(&a, now) && breakers.admits(&b, now));
        assert!(!breakers.is_closed(&a, now) && breakers.is_closed(&b, now));
        assert!(!breakers.admits(&a, now + Duration::from_secs(29)));
        let later = now + Duration::from_secs(30);
        assert!(breakers.admits(&a, later), "one may try");
        assert!(!breakers.admits(&a, later), "and no other");
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
