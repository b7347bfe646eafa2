//! What crosses the wire: gateways' events, error answers, and the one client for everything that leaves.

mod address;
pub mod answer;
pub mod client;
pub mod event;
pub mod headers;
mod hosts;
pub mod tls;

pub use address::is_global;
pub use hosts::{AllowedPrivate, HostList};
