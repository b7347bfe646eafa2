//! What happened in all schedules together.

use std::collections::BTreeMap;

/// What happened, and how often.
#[derive(Debug, Default)]
pub struct Tally {
    told: BTreeMap<&'static str, usize>,
    pub attempts: usize,
}

impl Tally {
    /// The schedules are of no use if something never happens in them.
    pub fn assert_that_everything_happened(&self) {
        for what in [
            "new",
            "replaced",
            "unchanged",
            "stored late",
            "won",
            "again",
            "missed",
            "withdrew",
            "was answered",
            "was unknown",
            "swept expired",
            "swept answered",
            "took",
            "took in doubt",
        ] {
            assert!(self.told.contains_key(what), "never {what}: {self:?}");
        }
        assert!(self.attempts > 0, "{self:?}");
    }

    pub fn count(&mut self, what: &'static str, times: usize) {
        if times > 0 {
            *self.told.entry(what).or_default() += times;
        }
    }
}
