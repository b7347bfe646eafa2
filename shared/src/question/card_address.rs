//! The address of a card on its platform.

use serde::{Deserialize, Serialize};

/// Maximum length of each part, in characters. The limit is needed because the platform chooses the parts.
const MAX_PART: usize = 255;

/// The address of a posted card on its platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardAddress {
    channel: String,
    message: String,
    /// The thread or topic that the card is in, if it is in one. Two addresses that differ in it alone are of the
    /// same card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thread: Option<String>,
}

impl CardAddress {
    /// An address of these parts; `None` if one of them is longer than 255 characters.
    pub fn new(channel: impl Into<String>, message: impl Into<String>) -> Option<Self> {
        let (channel, message) = (channel.into(), message.into());
        let bounded = |part: &String| part.chars().count() <= MAX_PART;
        (bounded(&channel) && bounded(&message)).then_some(Self {
            channel,
            message,
            thread: None,
        })
    }

    /// The address in this thread or topic. An overlong thread cannot be the platform's, and is left out.
    #[must_use]
    pub fn within(self, thread: Option<impl Into<String>>) -> Self {
        let thread = thread.map(Into::into);
        Self {
            thread: thread.filter(|thread: &String| thread.chars().count() <= MAX_PART),
            ..self
        }
    }

    /// The platform's id of the channel, chat or conversation.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The platform's id of the message in that channel.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The platform's id of the thread or topic that the message is in, if it is in one.
    pub fn thread(&self) -> Option<&str> {
        self.thread.as_deref()
    }
}
