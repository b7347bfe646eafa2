//! The proxy: placeholder in, secret out, and nothing before everything is checked.

mod app;
mod credential;
#[doc(hidden)]
pub mod fuzz;
mod limiter;
mod metric;
mod outgoing;
mod provider;
mod redact;
mod response;
mod route;
mod runtime;

pub use app::App;
pub use runtime::run;
