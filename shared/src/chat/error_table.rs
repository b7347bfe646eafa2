//! The form of a platform's table of errors. `docs/chat.md` shows the three tables.

use super::call::{Instead, Purpose, PutOff, Reply, Whom};
use std::time::Duration;

/// One error of a platform.
#[derive(Debug)]
pub(crate) struct Row {
    /// The error, as the platform writes it.
    pub(crate) error: &'static str,
    /// The calls that meet it.
    pub(crate) calls: &'static [Purpose],
    /// What it means for them.
    pub(crate) means: Means,
    /// What to do about it, for the operator; empty if there is nothing to do.
    pub(crate) advice: &'static str,
    /// The page of the platform's documentation, or of the report where the documentation is silent.
    pub(crate) page: &'static str,
}

/// What an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// The call had no effect. The same call works later.
    Wait(Whom),
    /// The call may have taken effect. The same call works later.
    Doubtful,
    /// The same call works without its thread.
    NoThread,
    /// The same call works without the message that it replies to.
    NoReference,
    /// The same call works with plain text only.
    NoEntities,
    /// The same call works after the thread was opened again.
    Reopen,
    /// The chat has a new id, which the answer gives.
    Moved,
    /// There is nothing left to do.
    Done,
    /// The call fails for good.
    Never,
}

/// Every purpose of a call.
pub(super) const ALL: &[Purpose] = &[
    Purpose::Card,
    Purpose::Text,
    Purpose::Receipt,
    Purpose::Edit,
    Purpose::Note,
    Purpose::Delete,
    Purpose::Reopen,
    Purpose::Read,
];
/// The calls that create a message which others see.
pub(super) const POSTS: &[Purpose] = &[Purpose::Card, Purpose::Text, Purpose::Receipt];
/// The calls that change a message.
pub(super) const EDITS: &[Purpose] = &[Purpose::Edit];

impl Row {
    /// The reply of this row. `after` is the time that the answer asks to wait, `chat` the new id that it gives.
    pub(super) fn reply(
        &self,
        after: Option<Duration>,
        chat: Option<String>,
        words: &str,
    ) -> Reply {
        let why = if self.advice.is_empty() {
            words.to_owned()
        } else {
            format!("{words}: {}", self.advice)
        };
        let put_off = |whom, doubtful, why| {
            Reply::PutOff(PutOff {
                after,
                whom,
                doubtful,
                why,
            })
        };
        match (self.means, chat) {
            (Means::Wait(whom), _) => put_off(whom, false, why),
            (Means::Doubtful, _) => put_off(Whom::Call, true, why),
            (Means::NoThread, _) => Reply::Instead(Instead::NoThread, why),
            (Means::NoReference, _) => Reply::Instead(Instead::NoReference, why),
            (Means::NoEntities, _) => Reply::Instead(Instead::NoEntities, why),
            (Means::Reopen, _) => Reply::Instead(Instead::Reopened, why),
            (Means::Moved, Some(chat)) => Reply::Instead(Instead::Chat(chat), why),
            (Means::Done, _) => Reply::Done(None),
            (Means::Moved, None) | (Means::Never, _) => Reply::Refused(why),
        }
    }
}
