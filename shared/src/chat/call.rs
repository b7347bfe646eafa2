//! A call to a platform's API as data, and what an answer to it means.

use crate::question::CardAddress;
use http::{HeaderMap, Method, StatusCode, header};
use secrecy::SecretString;
use serde_json::Value;
use std::time::Duration;

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Posts a card with buttons.
    Card,
    /// Posts a card as plain text.
    Text,
    /// Posts a message that says how a card ended.
    Receipt,
    /// Changes a card that was posted.
    Edit,
    /// Tells one person something.
    Note,
    /// Takes a card back.
    Delete,
    /// Makes an archived thread take messages again.
    Reopen,
    /// Reads something, for the check of a connection.
    Read,
}

impl Purpose {
    /// Whether the call creates a message that others see, so that making it twice shows two.
    pub(super) fn creates(self) -> bool {
        match self {
            Self::Card | Self::Text | Self::Receipt => true,
            Self::Edit | Self::Note | Self::Delete | Self::Reopen | Self::Read => false,
        }
    }

    /// The least time that must be left after a wait for the call to be made then. A call that is cut off before the
    /// connection stands cannot be told from one that arrived, so no card waits until the last moment. Connecting has
    /// 3 s.
    pub(super) fn least_time(self) -> Duration {
        match self {
            Self::Card | Self::Text => Duration::from_secs(4),
            Self::Receipt | Self::Edit | Self::Note | Self::Delete | Self::Reopen | Self::Read => {
                Duration::from_millis(50)
            }
        }
    }

    /// Whether the call may be made twice to the same effect.
    pub(super) fn repeats(self) -> bool {
        match self {
            Self::Edit | Self::Delete | Self::Reopen | Self::Read => true,
            Self::Card | Self::Text | Self::Receipt | Self::Note => false,
        }
    }
}

/// A call to a platform's API. Its address may contain a token, so it is never logged.
#[derive(Clone)]
pub struct ApiCall {
    pub(crate) purpose: Purpose,
    /// The call's name in the log.
    pub(super) name: &'static str,
    pub(super) method: Method,
    pub(super) url: SecretString,
    pub(super) authorization: Option<SecretString>,
    pub(super) body: Value,
    /// The channel that the call is about.
    pub(super) channel: Option<String>,
    /// Whether the platform creates the message only once, however often the call arrives.
    pub(super) once: bool,
}

/// A platform's HTTP answer.
pub(crate) struct Answered<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// What a platform's answer means, as the platform's table says.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The call has taken effect, or there was nothing left to do. Holds the message's address, if the answer gives
    /// it.
    Done(Option<CardAddress>),
    /// The call had no effect for now. The same call is to be made again later.
    PutOff(PutOff),
    /// The platform says how the call is to be made instead.
    Instead(Instead, String),
    /// The call had no effect, and never will. The reason.
    Refused(String),
    /// The table does not have this error. It is put off once and then counts as refused.
    Unlisted(String),
    /// The answer is not one of the platform's, so that the call may have taken effect. What is wrong with it.
    Unknown(String),
}

/// A call that is to be made again later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PutOff {
    /// How long the platform asks to wait.
    pub(super) after: Option<Duration>,
    /// Who has to wait.
    pub(super) whom: Whom,
    /// Whether the call may have taken effect all the same.
    pub(super) doubtful: bool,
    /// The reason, for the log.
    pub(super) why: String,
}

/// Who has to wait when a platform puts a call off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// This call alone.
    Call,
    /// Every message to the channel.
    Channel,
    /// Every message of the bot.
    Bot,
}

/// How a call is to be made instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Instead {
    /// To the chat that the former one has become.
    Chat(String),
    /// Outside of the thread or topic.
    NoThread,
    /// Without naming the message that it replies to.
    NoReference,
    /// Without the parts of the text that are shown in another form.
    NoEntities,
    /// After the archived thread was opened again.
    Reopened,
}

/// The result of a call.
#[derive(Debug)]
pub enum Posted {
    /// The call took effect.
    Done(Done),
    /// The call is to be made again after this time.
    Later(Later),
    /// The call had no effect; the reason.
    Refused(String),
    /// The call had no effect, but an earlier attempt may have had one; the reason.
    RefusedInDoubt(String),
    /// The call may have taken effect: it was sent, but no usable response came back. Holds the reason.
    Unknown(String),
}

/// A message that was posted or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Its address, if the platform gave it.
    pub at: Option<CardAddress>,
    /// Whether another message of the same content may stand, because an earlier attempt may have succeeded.
    pub doubtful: bool,
}

/// A call that could not be made in the time that was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Later {
    /// How long to wait.
    pub after: Duration,
    /// Whether an attempt may have taken effect all the same.
    pub doubtful: bool,
    /// Whether the reason was an error that the platform's table does not have.
    pub unlisted: bool,
    /// The reason, for the log.
    pub why: String,
}

/// The reply to a successful call whose message has this address. An overlong address cannot be from the platform.
pub(super) fn located(at: Option<CardAddress>) -> Reply {
    match at {
        Some(at) => Reply::Done(Some(at)),
        None => Reply::Unknown("the message's address is too long".into()),
    }
}

impl Answered<'_> {
    /// What the status alone says: that the rate was exceeded, by `whom`, or that the platform failed. `None` for any
    /// other.
    pub(super) fn by_status(&self, whom: Whom) -> Option<Reply> {
        self.by_status_after(whom, self.retry_after())
    }

    /// The same, where the platform asks to wait for this time.
    pub(super) fn by_status_after(&self, whom: Whom, after: Option<Duration>) -> Option<Reply> {
        let status = self.status;
        let put_off = |whom, doubtful| {
            Some(Reply::PutOff(PutOff {
                after,
                whom,
                doubtful,
                why: format!("status {}", status.as_u16()),
            }))
        };
        match status {
            StatusCode::TOO_MANY_REQUESTS => put_off(whom, false),
            status if status.is_server_error() => put_off(Whom::Call, true),
            _ => None,
        }
    }

    /// How long the header `retry-after` asks to wait. Platforms write seconds, never a date.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
        Duration::try_from_secs_f64(seconds.trim().parse().ok()?).ok()
    }

    /// The reply to an answer that is not of the platform's form. With a status that is not a success, something in
    /// between refused the call.
    pub(super) fn not_the_platforms(&self, platform: &str) -> Reply {
        let status = self.status;
        if status.is_success() {
            return Reply::Unknown(format!("the answer is not {platform}'s"));
        }
        Reply::Refused(format!(
            "status {}, and the answer is not {platform}'s",
            status.as_u16()
        ))
    }
}

impl ApiCall {
    /// The call without this member of its body; `None` if it has no such member, so that the same call would be
    /// made again.
    pub(super) fn without(mut self, member: &str) -> Option<Self> {
        self.body.as_object_mut()?.remove(member)?;
        Some(self)
    }
}

#[cfg(test)]
impl ApiCall {
    /// A call of this purpose, for tests of what an answer to it means.
    pub(super) fn of(purpose: Purpose) -> Self {
        Self {
            purpose,
            name: "call",
            method: Method::POST,
            url: String::new().into(),
            authorization: None,
            body: Value::Null,
            channel: Some("1".into()),
            once: false,
        }
    }
}

#[cfg(test)]
impl<'a> Answered<'a> {
    /// An answer without headers.
    pub(super) fn of(status: u16, body: &'a [u8]) -> Self {
        static NONE: std::sync::LazyLock<HeaderMap> = std::sync::LazyLock::new(HeaderMap::new);
        Self {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &NONE,
            body,
        }
    }
}
