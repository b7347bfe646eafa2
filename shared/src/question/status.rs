//! How a question stands.

use crate::id::AgentId;
use crate::literal::literals;
use serde_json::Value;
use time::OffsetDateTime;

/// How an interaction stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub outcome: Outcome,
    pub created_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

/// Every interaction ends in exactly one of the last two, or is withdrawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Pending,
    Answered(Value),
    Expired,
}

/// The question as it was asked, and its answer.
#[derive(Debug)]
pub struct Answered {
    pub agent: AgentId,
    pub payload: Value,
    pub answer: Value,
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
