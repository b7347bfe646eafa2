//! Every row of a table, for every call that it names, with every switch of the sample that is this row.

use crate::questions::platforms::On;
use postern::authority::Platform;
use postern::chat::{Means, Purpose, Row, errors};
use postern_stack::{Kind, discord, slack, telegram};

/// One call that meets one error.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub on: On,
    /// Tells it from the other cases; part of its connection's, channel's and question's names.
    pub number: usize,
    /// The error as the sample's switch names it.
    pub error: &'static str,
    pub row: &'static Row,
    pub call: Purpose,
    /// Whether the call takes effect all the same.
    pub created: bool,
}

/// The calls that Postern makes about questions.
pub const CALLS: [Purpose; 6] = [
    Purpose::Card,
    Purpose::Text,
    Purpose::Receipt,
    Purpose::Edit,
    Purpose::Note,
    Purpose::Reopen,
];

pub fn table(on: On) -> &'static [Row] {
    errors(match on {
        On::Slack => Platform::Slack,
        On::Telegram => Platform::Telegram,
        On::Discord => Platform::Discord,
    })
}

/// The errors that the sample can answer.
pub fn switches(on: On) -> Vec<&'static str> {
    match on {
        On::Slack => slack::ERRORS.to_vec(),
        On::Telegram => telegram::ERRORS.iter().map(|(_, words)| *words).collect(),
        On::Discord => discord::ERRORS.iter().map(|(code, ..)| *code).collect(),
    }
}

/// The row that a switch is for this call.
pub fn row_of(on: On, switch: &str, call: Purpose) -> Option<&'static Row> {
    let is = |row: &&Row| match on {
        On::Slack | On::Discord => row.error() == switch,
        On::Telegram if row.error().chars().nth(1).is_some_and(char::is_lowercase) => {
            // What begins with a capital is the sentence's beginning.
            let inside = row.error().chars().next().is_some_and(char::is_lowercase);
            switch.starts_with(row.error()) || inside && switch.contains(row.error())
        }
        On::Telegram => switch.contains(row.error()),
    };
    let mut rows = table(on).iter();
    rows.find(|row| row.calls().contains(&call) && is(row))
}

/// All cases of a platform. Each row has one for each of its calls.
pub fn cases(on: On) -> Vec<Case> {
    let mut cases = Vec::new();
    for call in CALLS {
        for error in switches(on) {
            let Some(row) = row_of(on, error, call) else {
                continue;
            };
            let doubtful = row.means() == Means::Doubtful;
            for created in if doubtful {
                &[false, true][..]
            } else {
                &[false]
            } {
                cases.push(Case {
                    on,
                    number: cases.len(),
                    error,
                    row,
                    call,
                    created: *created,
                });
            }
        }
    }
    for row in table(on) {
        for call in row.calls().iter().filter(|call| CALLS.contains(call)) {
            let played = cases
                .iter()
                .any(|case| std::ptr::eq(case.row, row) && case.call == *call);
            assert!(
                played,
                "{on:?}: the sample has no switch for {row:?}, {call:?}"
            );
        }
    }
    cases
}

pub fn kind(call: Purpose) -> Kind {
    match call {
        Purpose::Card => Kind::Card,
        Purpose::Text => Kind::Text,
        Purpose::Receipt => Kind::Receipt,
        Purpose::Edit => Kind::Edit,
        Purpose::Note => Kind::Note,
        Purpose::Reopen => Kind::Reopen,
        Purpose::Delete | Purpose::Read => Kind::Other,
    }
}

impl Case {
    pub fn id(&self) -> String {
        format!("{}-{}", self.on.name(), self.number)
    }

    /// The case's own connection, so that a pause of its bot concerns no other case.
    pub fn connection(&self) -> String {
        format!("{}-{}-a", self.on.name(), self.number)
    }

    pub fn channel(&self) -> String {
        match (self.on, self.row.means()) {
            (On::Slack, _) => format!("C{}", self.number),
            (On::Telegram, Means::Moved) => format!("-{}", 1000 + self.number),
            (On::Telegram, Means::NoThread) => format!("-100{}", 1000 + self.number),
            (On::Telegram | On::Discord, _) => (1000 + self.number).to_string(),
        }
    }

    /// The chat that the case's group becomes.
    pub fn supergroup(&self) -> i64 {
        -1_000_000_000_000 - i64::try_from(self.number).unwrap()
    }

    pub fn conversation(&self) -> String {
        match (self.on, self.row.means()) {
            (On::Slack, Means::NoThread) => "1700000000.000100".into(),
            (On::Telegram, Means::NoThread) => "7".into(),
            _ => "conversation".into(),
        }
    }

    /// The member of the call that the platform does not take.
    pub fn member(&self) -> Option<&'static str> {
        Some(match (self.on, self.row.means()) {
            (On::Slack, Means::NoThread) => "thread_ts",
            (On::Telegram, Means::NoThread) => "message_thread_id",
            (On::Telegram, Means::NoReference) => "reply_parameters",
            (On::Telegram, Means::NoEntities) => "entities",
            (On::Discord, Means::NoReference) => "message_reference",
            _ => return None,
        })
    }

    /// The name of the case's call in the log.
    pub fn method(&self) -> &'static str {
        match (self.on, self.call) {
            (On::Slack, Purpose::Edit) => "chat.update",
            (On::Slack, Purpose::Note) => "chat.postEphemeral",
            (On::Slack, _) => "chat.postMessage",
            (On::Telegram, Purpose::Edit) => "editMessageText",
            (On::Telegram, _) => "sendMessage",
            (On::Discord, Purpose::Edit) => "edit message",
            (On::Discord, Purpose::Reopen) => "open thread",
            (On::Discord, _) => "create message",
        }
    }
}
