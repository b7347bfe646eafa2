//! A click on a card's button.

use crate::digest;
use serde::{Deserialize, Serialize};

/// The index of the stored option that was clicked, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Choice(pub u8);

/// Identifies a click: it is the same when the platform delivers the click again. SHA-256 of the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickKey(Vec<u8>);

impl ClickKey {
    /// A key of these parts, in this order.
    pub fn from_parts(parts: &[&str]) -> Self {
        Self(digest::sha256_of_parts(parts).to_vec())
    }

    /// The bytes of the key, which the database stores and compares.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
