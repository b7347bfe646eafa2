//! The whole bundle on one machine, with AWS, Postgres, providers and chat platforms on loopback.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::wildcard_enum_match_arm,
    reason = "only tests use it"
)]

pub mod binaries;
pub mod discord;
pub mod event;
pub mod front;
pub mod guard;
pub mod judge;
pub mod lines;
pub mod pgbouncer;
pub mod postgres;
pub mod receiver;
pub mod relay;
pub mod runtime_api;
pub mod scripted_chat;
pub mod secrets_manager;
pub mod slack;
pub mod telegram;
pub mod upstream;

mod chat;
mod known;
mod server;

pub use chat::{ChatCall, ChatMode, Failure, Kind, PostedCard};
pub use discord::Discord;
pub use event::HttpRequest;
pub use front::Front;
pub use guard::Guard;
pub use judge::{JudgeMode, SampleJudge};
pub use known::{Known, Standing};
pub use pgbouncer::PgBouncer;
pub use postgres::{FUNCTIONS, Postgres, login_of};
pub use receiver::{Receiver, ReceiverMode};
pub use relay::{Fault, Relay, Then};
pub use runtime_api::{Function, Invocation, StreamBody, StreamingInvocation};
pub use scripted_chat::{Meets, ScriptedChat};
pub use secrets_manager::{SecretsManager, SecretsMode};
pub use slack::Slack;
pub use telegram::Telegram;
pub use upstream::{Seen, Upstream};

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

/// Locks a mutex even if a test panicked while it held it; the others can still use the value.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
