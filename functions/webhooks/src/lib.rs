//! The webhooks function: agents ask people questions, and exactly one click by the person asked answers each.

mod app;
mod click;
mod grant;
mod interaction;
mod reply;
mod route;

pub use app::App;
