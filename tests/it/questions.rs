//! Questions: asked in a chat, answered by a click, read or delivered to the agent.

mod answers;
pub mod approvals;
mod at_once;
pub mod callbacks;
mod chats;
mod cold_clicks;
mod crashes;
mod former_cards;
mod in_time;
mod libraries;
mod life;
mod odd_rows;
pub mod platforms;
mod posts;
mod schedules;
mod threads;
mod webhooks;
mod workspaces;
