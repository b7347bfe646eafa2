//! Who is asking, and what proves it. Only this room makes a scope: from a verified worker token, a
//! resolved placeholder, or a platform's verified signature.

pub mod access;
mod connection;
pub mod placeholder;
pub mod scope;
pub mod signature;
pub mod token;

pub use connection::{Connection, Platform};
