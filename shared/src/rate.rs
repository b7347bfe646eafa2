//! How often something may be done.

use std::time::Duration;

/// How often messages may be sent to one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The least time between two messages.
    pub apart: Duration,
    /// The least time between two messages after a burst.
    pub each: Duration,
    /// How many messages a burst has.
    pub burst: u32,
}

impl Rate {
    /// One message each time this passes.
    pub const fn one_in(apart: Duration) -> Self {
        Self {
            apart,
            each: apart,
            burst: 1,
        }
    }

    /// This many at once, and then one each time this passes.
    pub const fn burst(burst: u32, each: Duration) -> Self {
        Self {
            apart: Duration::ZERO,
            each,
            burst,
        }
    }
}

/// The rates that a message counts towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Of messages to its channel.
    pub channel: Rate,
    /// Of all messages of its bot.
    pub bot: Rate,
}
