//! Real clients, unmodified, as an agent uses them: only the base URL and the key differ.

mod command;
mod git;
mod install;
mod mcp;
mod models;
mod provider;
mod seen;
mod services;
mod strict;
mod strict_services;
mod suite;

pub use command::{RUNNING, done};
pub use install::clients;
