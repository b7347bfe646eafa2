//! Switches of the sample chats: one kind of call meets one error of the platform.

use super::ChatMode;
use serde_json::Value;

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Posts a message with buttons.
    Card,
    /// Posts a message without buttons that replies to nothing.
    Text,
    /// Posts what became of a card.
    Receipt,
    /// Changes a message.
    Edit,
    /// Tells one person something.
    Note,
    /// Opens an archived thread.
    Reopen,
    Other,
}

/// Calls of these kinds about this channel meet an error, so many times.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The error by the platform's own name: Slack's word, Telegram's sentence, Discord's number.
    pub error: &'static str,
    /// The channel or chat.
    pub channel: String,
    pub calls: Vec<Kind>,
    pub times: usize,
    /// Only calls whose body has this member meet it.
    pub having: Option<&'static str>,
    /// Whether the call takes effect all the same.
    pub created: bool,
    /// How many seconds the platform asks to wait, where it does.
    pub after: Option<f64>,
    /// The chat that the former one has become.
    pub chat: Option<i64>,
    /// Whether it is for the whole bot and not for the channel.
    pub global: bool,
    /// Whether the answer has no body.
    pub empty: bool,
    /// The sample behaves like this instead of answering the error.
    pub mode: Option<ChatMode>,
}

impl Failure {
    /// The next call of this kind about this channel has no effect and meets this error.
    pub fn of(error: &'static str, channel: &str, call: Kind) -> Self {
        Self {
            error,
            channel: channel.to_owned(),
            calls: vec![call],
            times: 1,
            having: None,
            created: false,
            after: None,
            chat: None,
            global: false,
            empty: false,
            mode: None,
        }
    }

    /// The next call of this kind about this channel finds the platform like this.
    pub fn mode(mode: ChatMode, channel: &str, call: Kind) -> Self {
        Self {
            mode: Some(mode),
            ..Self::of("", channel, call)
        }
    }

    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// It takes effect all the same.
    pub fn created(self, created: bool) -> Self {
        Self { created, ..self }
    }

    pub fn after(self, seconds: f64) -> Self {
        let after = Some(seconds);
        Self { after, ..self }
    }

    pub fn having(self, member: &'static str) -> Self {
        let having = Some(member);
        Self { having, ..self }
    }

    /// Whether the call meets it.
    pub(super) fn meets(&self, kind: Kind, channel: &str, body: &Value) -> bool {
        let has = self.having.is_none_or(|member| body.get(member).is_some());
        self.times > 0 && self.channel == channel && self.calls.contains(&kind) && has
    }
}

/// An answer as it is on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Wire {
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".into())],
            body: body.to_string(),
        }
    }

    pub fn html(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![("content-type", "text/html".into())],
            body: body.to_owned(),
        }
    }

    pub fn with(mut self, header: &'static str, value: impl ToString) -> Self {
        self.headers.push((header, value.to_string()));
        self
    }
}
