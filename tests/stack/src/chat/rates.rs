//! The rates that the sample chats keep, if a test switches them on.

use std::time::{Duration, Instant};

/// At most `count` messages in `time`: to one channel, or of the whole bot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub count: usize,
    pub time: Duration,
    pub of_bot: bool,
}

impl Window {
    pub const fn of_channel(count: usize, time: Duration) -> Self {
        Self {
            count,
            time,
            of_bot: false,
        }
    }

    pub const fn of_bot(count: usize, time: Duration) -> Self {
        Self {
            count,
            time,
            of_bot: true,
        }
    }
}

/// The messages that were accepted.
#[derive(Debug, Default)]
pub(crate) struct Accepted(Vec<(Instant, String, String)>);

impl Accepted {
    /// Accepts a message of this bot to this channel; or says after which time it would be.
    pub fn accept(
        &mut self,
        windows: &[Window],
        token: &str,
        channel: &str,
    ) -> Result<(), Duration> {
        let now = Instant::now();
        let wait = |window: &Window| {
            let counts = |(at, bot, to): &&(Instant, String, String)| {
                now - *at < window.time && bot == token && (window.of_bot || to == channel)
            };
            let mut counted = self.0.iter().rev().filter(counts);
            let (first, _, _) = counted.nth(window.count - 1)?;
            Some(window.time - (now - *first))
        };
        match windows.iter().filter_map(wait).max() {
            Some(wait) => Err(wait),
            None => {
                self.0.push((now, token.to_owned(), channel.to_owned()));
                Ok(())
            }
        }
    }
}

#[test]
fn a_message_is_accepted_when_its_windows_have_room() {
    let windows = [
        Window::of_channel(2, Duration::from_secs(60)),
        Window::of_bot(3, Duration::from_secs(90)),
    ];
    let mut accepted = Accepted::default();
    for _ in 0..2 {
        assert!(accepted.accept(&windows, "bot", "a").is_ok());
    }
    let wait = accepted.accept(&windows, "bot", "a").unwrap_err();
    assert!(wait > Duration::from_secs(59) && wait <= Duration::from_secs(60));
    assert!(accepted.accept(&windows, "bot", "b").is_ok());
    let wait = accepted.accept(&windows, "bot", "c").unwrap_err();
    assert!(wait > Duration::from_secs(89));
    assert!(accepted.accept(&windows, "other", "a").is_ok());
}
