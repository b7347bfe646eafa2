//! The rates that platforms document, and who keeps them.

use futures_util::future::BoxFuture;
use std::time::Duration;

/// How often messages may be sent to one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The least time between two messages.
    pub apart: Duration,
    /// The least time between two messages in the long run.
    pub each: Duration,
    /// How many messages may be sent before `each` counts.
    pub burst: u32,
}

/// The rates of a message: of its channel, and of the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Messages to one channel.
    pub channel: Rate,
    /// All messages of the bot.
    pub bot: Rate,
}

impl Rate {
    /// One message each time this passes.
    pub(super) const fn one_in(apart: Duration) -> Self {
        Self {
            apart,
            each: apart,
            burst: 1,
        }
    }

    /// This many at once, and then one each time this passes.
    pub(super) const fn burst(burst: u32, each: Duration) -> Self {
        Self {
            apart: Duration::ZERO,
            each,
            burst,
        }
    }
}

/// Whom a pause is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paused<'a> {
    /// Messages to this channel.
    Channel(&'a str),
    /// All messages of the bot.
    Bot,
}

/// Keeps the rates of one connection, among all environments.
pub trait Turns: Send + Sync {
    /// Takes the next turn to send a message to the channel, if it comes within `most`. Returns how long to wait for
    /// it; if that is more than `most`, no turn was taken. `None` if no turn can be had.
    fn take(&self, channel: &str, rates: Rates, most: Duration) -> BoxFuture<'_, Option<Duration>>;

    /// Gives no turn for this long, because the platform asks for it.
    fn pause(&self, whom: Paused<'_>, time: Duration) -> BoxFuture<'_, ()>;
}
