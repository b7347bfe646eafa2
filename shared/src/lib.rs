//! Postern's scopes and proofs, the store's queries, and what the four functions share.
//!
//! A room imports only rooms to its left; rooms of one group never import each other (`rooms.rs` holds it):
//! `id` `host` `digest` `deadline` `moment` `literal` `rate` <- `error` `config` <- `telemetry` `secret` `wire` <-
//! `policy` <- `provider` <- `authority` <- `question` <- `store` `chat` <- `base` `judge` <- `interactions` <-
//! `gate`.

pub mod authority;
pub mod base;
pub mod chat;
pub mod config;
pub mod deadline;
mod digest;
pub mod error;
pub mod gate;
pub mod host;
pub mod id;
pub mod interactions;
pub mod judge;
pub mod literal;
pub mod moment;
pub mod policy;
pub mod provider;
pub mod question;
pub mod rate;
#[cfg(test)]
mod rooms;
pub mod secret;
pub mod store;
pub mod telemetry;
pub mod wire;

pub use authority::placeholder::{Placeholder, PlaceholderHash};
pub use authority::scope::{AgentScope, ConnectionScope, ExpectedOrganization, PersonScope};
pub use error::{Code, Error};
pub use id::{
    AgentId, ConnectionId, DeploymentName, InteractionId, OrganizationId, ProviderId, Revision,
    UserId,
};
pub use secret::Secrets;
pub use store::Store;
