//! The proxy: placeholder in, secret out, and nothing before everything is checked.

mod app;
mod credential;
#[doc(hidden)]
pub mod fuzz;
mod known;
mod limiter;
mod metric;
mod outgoing;
mod redact;
mod response;
mod route;
mod runtime;
mod tunnel;

pub use app::App;
pub use runtime::run;
