//! Where a card is on its platform.

use serde::{Deserialize, Serialize};

/// Longest part of an address that is kept, in characters: the addresses come from the platform.
const MAX_PART: usize = 255;

/// A posted card's own address on its platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardAddress {
    channel: String,
    message: String,
}

impl CardAddress {
    /// An address of these parts, each at most 255 characters long.
    pub fn new(channel: impl Into<String>, message: impl Into<String>) -> Option<Self> {
        let (channel, message) = (channel.into(), message.into());
        let bounded = |part: &String| part.chars().count() <= MAX_PART;
        (bounded(&channel) && bounded(&message)).then_some(Self { channel, message })
    }

    /// The channel, chat or conversation, as the platform names it.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The message in it.
    pub fn message(&self) -> &str {
        &self.message
    }
}
