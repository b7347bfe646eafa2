//! The status of an interaction.

use super::{Answer, Payload};
use crate::id::AgentId;
use crate::literal::literals;
use time::OffsetDateTime;

/// The status of an interaction, as the agent reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Whether it is pending, answered or expired.
    pub outcome: Outcome,
    /// When its id was first stored. Replacing the content does not change it, but opening an expired or answered
    /// approval of a policy again does.
    pub created_at: OffsetDateTime,
    /// When it expires, and can no longer be answered.
    pub expires_at: OffsetDateTime,
}

/// The state of an interaction that has not been withdrawn. It ends as answered or as expired, never both.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It can still be answered.
    Pending,
    /// It was answered in time.
    Answered(Answer),
    /// It was not answered in time.
    Expired,
}

/// An answered interaction: the question as it was asked, and its answer.
#[derive(Debug)]
pub struct Answered {
    /// The agent that asked.
    pub agent: AgentId,
    /// The question or the approval.
    pub payload: Payload,
    /// The person's answer.
    pub answer: Answer,
}

/// An update that chat may still have to receive about an answered interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owed {
    /// The message next to the card that says how it ended.
    Receipt,
    /// The edit of the card that removes its buttons.
    Card,
}

literals! {
    Owed {
        Receipt = "receipt",
        Card = "card",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_owed_is_read_back_from_its_name() {
        crate::literal::assert_read_back(&Owed::ALL, Owed::as_str);
    }
}
