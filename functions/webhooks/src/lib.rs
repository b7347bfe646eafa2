//! Webhooks: an agent asks a person a question, and exactly one click by the right person answers it.

mod app;
mod click;
mod grant;
mod interaction;
mod reply;
mod route;

pub use app::App;
