//! The form of a platform's table of errors. `docs/chat.md` shows the three tables.

use super::call::{Instead, Purpose, PutOff, Reply, Whom};
use super::cut::cut;
use std::time::Duration;

/// Maximum length of a platform's message in the log, in characters, with the advice.
pub(super) const MAX_WORDS: usize = 200;

/// One error of a platform: what it means for some of the calls.
#[derive(Debug)]
pub struct Row {
    error: &'static str,
    calls: &'static [Purpose],
    means: Means,
    advice: &'static str,
    page: &'static str,
}

/// What an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
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

/// Purposes of calls, by what they do to messages.
pub(super) mod calls {
    use super::Purpose;

    pub(in crate::chat) const CARDS: &[Purpose] = &[Purpose::Card];
    pub(in crate::chat) const RECEIPTS: &[Purpose] = &[Purpose::Receipt];
    pub(in crate::chat) const EDITS: &[Purpose] = &[Purpose::Edit];
    pub(in crate::chat) const DELETES: &[Purpose] = &[Purpose::Delete];
    pub(in crate::chat) const CHANGES: &[Purpose] = &[Purpose::Edit, Purpose::Delete];
    pub(in crate::chat) const POSTS: &[Purpose] = &[Purpose::Card, Purpose::Text, Purpose::Receipt];
    pub(in crate::chat) const WRITES: &[Purpose] = &[
        Purpose::Card,
        Purpose::Text,
        Purpose::Receipt,
        Purpose::Edit,
    ];
}

/// Writes a table, one row a line: the error, the calls that meet it, what it means, the advice, the page.
macro_rules! rows {
    ($($error:literal, $calls:expr, $means:expr, $advice:literal, $page:expr;)*) => {
        &[$($crate::chat::error_table::Row::new($error, $calls, $means, $advice, $page)),*]
    };
}
pub(super) use rows;

impl Row {
    pub(super) const fn new(
        error: &'static str,
        calls: &'static [Purpose],
        means: Means,
        advice: &'static str,
        page: &'static str,
    ) -> Self {
        Self {
            error,
            calls,
            means,
            advice,
            page,
        }
    }

    /// The error, as the platform writes it. Of Telegram's sentences it is the part that tells the error.
    pub fn error(&self) -> &'static str {
        self.error
    }

    /// The calls that meet it.
    pub fn calls(&self) -> &'static [Purpose] {
        self.calls
    }

    /// What it means for them.
    pub fn means(&self) -> Means {
        self.means
    }

    /// What to do about it, for the operator; empty if there is nothing to do.
    pub fn advice(&self) -> &'static str {
        self.advice
    }

    /// The page of the platform's documentation, or of its source or a report where the documentation is silent.
    pub fn page(&self) -> &'static str {
        self.page
    }

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
            // The words are cut, and the advice is not.
            let room = MAX_WORDS.saturating_sub(self.advice.chars().count() + 2);
            format!("{}: {}", cut(words, room, |_| 1), self.advice)
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

#[cfg(test)]
impl Row {
    /// Whether this is the reply of a row with this meaning.
    pub(super) fn fits(&self, reply: &Reply) -> bool {
        match (self.means, reply) {
            (Means::Wait(whom), Reply::PutOff(put_off)) => {
                put_off.whom == whom && !put_off.doubtful
            }
            (Means::Doubtful, Reply::PutOff(put_off)) => put_off.doubtful,
            (Means::NoThread, Reply::Instead(how, _)) => *how == Instead::NoThread,
            (Means::NoReference, Reply::Instead(how, _)) => *how == Instead::NoReference,
            (Means::NoEntities, Reply::Instead(how, _)) => *how == Instead::NoEntities,
            (Means::Reopen, Reply::Instead(how, _)) => *how == Instead::Reopened,
            (Means::Moved, Reply::Instead(how, _)) => matches!(how, Instead::Chat(_)),
            (Means::Done, Reply::Done(None)) => true,
            (Means::Never, Reply::Refused(why)) => why.ends_with(self.advice),
            _ => false,
        }
    }
}
