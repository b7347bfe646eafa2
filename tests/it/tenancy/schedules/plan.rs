//! What is done in a schedule, as a seed says.

use super::TTL;
use postern::{InteractionId, Revision};
use std::time::Duration;

/// Numbers that follow from a seed.
pub struct Random(fastrand::Rng);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0.u64(..bound)
    }

    /// One of these.
    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }
}

/// What there is of the interaction before the schedule begins. Its content is text 0 on card 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    Nothing,
    /// A question of ten minutes ago. Of some nobody noted a post, so a retry or the sweep posts.
    Open {
        posted: bool,
    },
    /// A question that expires this many milliseconds after the beginning; of some nobody noted a post, so a retry
    /// or the sweep posts.
    Expiring {
        after: i64,
        posted: bool,
    },
    /// An approval of old, answered hours ago, that the next sweep deletes.
    Answered,
}

/// How an attempt of a delivery ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    Arrives,
    Fails,
    /// Whoever made it dies.
    Unknown,
}

/// One of the things that happen at the same time.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// The agent stores a text, which a card of this number would show.
    Store {
        text: u8,
        card: usize,
    },
    /// The person clicks on a card, which may never be posted. A click may come twice.
    Click {
        card: usize,
        choice: u8,
        click: u8,
        attempt: Attempt,
        lease: Duration,
    },
    Withdraw {
        attempt: Attempt,
        lease: Duration,
    },
    Sweep,
    /// The sweep takes cards that are due, and posts them unless it dies.
    Post {
        dies: bool,
    },
    /// The sweep takes what is due and delivers it.
    Deliver {
        attempt: Attempt,
    },
}

#[derive(Debug)]
pub struct Schedule {
    pub id: InteractionId,
    pub worker: usize,
    pub before: Before,
    /// The steps, each with the time that it waits first.
    pub steps: Vec<(Duration, Step)>,
}

impl Schedule {
    pub fn random(random: &mut Random, id: InteractionId, workers: usize) -> Self {
        let before = match random.below(10) {
            0 => Before::Nothing,
            1..=4 => Before::Open {
                posted: random.below(3) > 0,
            },
            5..=8 => Before::Expiring {
                after: random.below(30) as i64 - 8,
                posted: random.below(3) > 0,
            },
            _ => Before::Answered,
        };
        let count = 2 + random.below(5) as usize;
        let steps = (1..=count).map(|card| {
            let wait = random.one_of(&[0, 0, 0, 0, 1, 2, 4]);
            (Duration::from_millis(wait), Step::random(random, card))
        });
        let steps = steps.collect();
        Self {
            id,
            worker: random.below(workers as u64) as usize,
            before,
            steps,
        }
    }
}

impl Step {
    fn random(random: &mut Random, card: usize) -> Self {
        let ends = [Attempt::Arrives, Attempt::Fails, Attempt::Unknown];
        let leases = [Duration::ZERO, Duration::from_millis(4), TTL];
        match random.below(14) {
            0..=2 => Self::Store {
                text: random.one_of(&[0, 0, 0, 1, 2]),
                card,
            },
            3..=6 => Self::Click {
                card: random.one_of(&[0, 0, 0, 0, 1, 2, 3]),
                choice: random.below(2) as u8,
                click: random.below(3) as u8,
                attempt: random.one_of(&ends),
                lease: random.one_of(&leases),
            },
            7..=8 => Self::Withdraw {
                attempt: random.one_of(&ends),
                lease: random.one_of(&leases),
            },
            9..=10 => Self::Sweep,
            11..=12 => Self::Post {
                dies: random.below(2) > 0,
            },
            _ => Self::Deliver {
                attempt: random.one_of(&ends),
            },
        }
    }
}

/// The revision of the card of this number. Each content that is stored has a new one.
pub fn revision(card: usize) -> Revision {
    Revision::parse(format!("{card:06}")).unwrap()
}
