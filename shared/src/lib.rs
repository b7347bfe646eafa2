//! Postern's scoping types and logic, the store's queries, secrets, configuration and errors.
//! Imports flow one way: `id` <- `scope`, `secret`, `error` <- `token`, `policy`, `access` <- `store` <-
//! `chat`, `courier`, `judge` <- `interactions` <- `gate`.

pub mod access;
pub mod answer;
pub mod approval;
pub mod ask;
pub mod chat;
pub mod config;
pub mod courier;
pub mod deadline;
pub mod egress;
pub mod error;
pub mod event;
pub mod gate;
mod hash;
mod hex;
pub mod id;
pub mod interactions;
pub mod judge;
pub mod moment;
pub mod pem;
pub mod placeholder;
pub mod policy;
pub mod provider;
pub mod scope;
pub mod secret;
pub mod signature;
pub mod store;
pub mod telemetry;
pub mod token;

pub use error::{Code, Error};
pub use id::{
    AgentId, ConnectionId, DeploymentName, InteractionId, OrganizationId, ProviderId, Revision,
    UserId,
};
pub use placeholder::{Placeholder, PlaceholderHash};
pub use scope::{AgentScope, ConnectionScope, ExpectedOrganization, Scope};
pub use secret::Secrets;
pub use store::Store;
