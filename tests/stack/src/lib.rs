//! The whole bundle on one machine: what AWS, Postgres, providers and Slack are to it, on loopback.

pub mod binaries;
pub mod event;
pub mod front;
pub mod guard;
pub mod postgres;
pub mod runtime_api;
pub mod secrets_manager;
pub mod slack;
pub mod upstream;

mod server;

pub use event::HttpRequest;
pub use front::Front;
pub use guard::Guard;
pub use postgres::Postgres;
pub use runtime_api::{Function, Invocation, StreamBody, StreamingInvocation};
pub use secrets_manager::{SecretsManager, SecretsMode};
pub use slack::{Slack, SlackMode};
pub use upstream::Upstream;

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;
