//! Who keeps the rates that platforms document.

use crate::rate::Rates;
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::time::Instant;

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
    /// it; if that is more than `most`, no turn was taken. `None` if no turn can be had
    /// before `until`.
    fn take<'a>(
        &'a self,
        channel: &'a str,
        rates: Rates,
        most: Duration,
        until: Instant,
    ) -> BoxFuture<'a, Option<Duration>>;

    /// Gives no turn for this time, because the platform asks for it.
    fn pause<'a>(&'a self, whom: Paused<'a>, time: Duration, until: Instant) -> BoxFuture<'a, ()>;
}
