//! A click on a card's button.

use crate::digest;
use serde::{Deserialize, Serialize};

/// Which of the stored options was clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Choice(pub u8);

/// What makes a click the same click when the platform delivers it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickKey(Vec<u8>);

impl ClickKey {
    /// A key of these parts, in this order.
    pub fn from_parts(parts: &[&str]) -> Self {
        Self(digest::sha256_of_parts(parts).to_vec())
    }

    /// The key's bytes, as the database compares them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
