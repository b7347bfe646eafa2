//! What is done in a schedule.

use postern_stack::Meets;
use std::time::Duration;

/// One thing that the agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It asks this content. Its function may be killed after some time.
    Ask {
        text: u8,
        killed_after: Option<Duration>,
    },
    Withdraw,
}

#[derive(Debug)]
pub struct Schedule {
    pub id: String,
    /// The number of its organization.
    pub organization: u64,
    pub channel: String,
    /// What posts meet, until the end of the round.
    pub script: Vec<Meets>,
    /// The steps, each with the time that it waits first.
    pub steps: Vec<(Duration, Step)>,
    /// Whether the agent asks the last content again at the end, before the sweep comes.
    pub asks_again: bool,
}

impl Schedule {
    pub fn random(random: &mut fastrand::Rng, round: u64, organization: u64) -> Self {
        let script = (0..random.usize(0..5)).flat_map(|_| {
            let meets = meets(random);
            // What refuses a card mostly refuses its text as well.
            let twice = meets == Meets::Refusal && random.u8(0..3) > 0;
            [Some(meets), twice.then_some(meets)].into_iter().flatten()
        });
        let script = script.collect();
        let steps = (0..random.usize(1..4)).map(|n| {
            let wait = Duration::from_millis(random.u64(0..120));
            (wait, step(random, n == 0))
        });
        let steps = steps.collect();
        Self {
            id: format!("q-{round}"),
            organization,
            channel: channel(organization),
            script,
            steps,
            asks_again: random.u8(0..4) == 0,
        }
    }

    /// The content that was asked last.
    pub fn last(&self) -> u8 {
        let asked = self.steps.iter().rev().find_map(|(_, step)| match step {
            Step::Ask { text, .. } => Some(*text),
            Step::Withdraw => None,
        });
        asked.unwrap_or_default()
    }
}

/// The channel of an organization.
pub fn channel(organization: u64) -> String {
    format!("C{organization}")
}

fn meets(random: &mut fastrand::Rng) -> Meets {
    let created = random.bool();
    match random.u8(0..16) {
        0..=2 => Meets::Nothing,
        3 => Meets::RateLimit(0),
        4..=6 => Meets::RateLimit(600),
        7..=8 => Meets::InternalError { created },
        9..=10 => Meets::Unavailable { created },
        11..=12 => Meets::UnheardOf,
        13..=14 => Meets::Refusal,
        _ => Meets::Reset { created },
    }
}

fn step(random: &mut fastrand::Rng, first: bool) -> Step {
    if !first && random.u8(0..6) == 0 {
        return Step::Withdraw;
    }
    let killed = random.u8(0..4) == 0;
    Step::Ask {
        text: u8::from(random.u8(0..4) == 0),
        killed_after: killed.then(|| Duration::from_micros(random.u64(0..15_000))),
    }
}
