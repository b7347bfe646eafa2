//! How a question stands.

use crate::id::AgentId;
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

impl Owed {
    /// The name under which the database keeps it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Card => "card",
        }
    }
}
