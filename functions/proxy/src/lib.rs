//! The proxy: placeholder in, secret out, and nothing before everything is checked.

mod app;
mod call;
mod credential;
#[doc(hidden)]
pub mod fuzz;
mod limiter;
mod outgoing;
mod record;
mod redact;
mod response;
mod rewrite;
mod route;
mod rule_cache;
mod runtime;
mod serve;
mod tunnel;

pub use app::App;
pub use runtime::run;
