//! How a question stands.

use super::{Answer, Payload};
use crate::id::AgentId;
use crate::literal::literals;
use time::OffsetDateTime;

/// How an interaction stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// What has become of it.
    pub outcome: Outcome,
    /// When its id was first stored.
    pub created_at: OffsetDateTime,
    /// When it can no longer be answered.
    pub expires_at: OffsetDateTime,
}

/// Every interaction ends in exactly one of the last two, or is withdrawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Pending,
    Answered(Answer),
    Expired,
}

/// The question as it was asked, and its answer.
#[derive(Debug)]
pub struct Answered {
    /// The agent that asked.
    pub agent: AgentId,
    /// What it asked.
    pub payload: Payload,
    /// What it was answered.
    pub answer: Answer,
}

/// What an answered interaction may still owe to chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owed {
    Receipt,
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
