//! Reads Telegram's `callback_query` (core.telegram.org/bots/api#callbackquery).

use super::answer::topic;
use crate::chat::{Button, Click};
use crate::id::UserId;
use crate::question::{CardAddress, ClickKey};
use serde_json::Value;

/// The click, if the `callback_query` is a click on one of Postern's buttons.
pub(super) fn click(query: &Value) -> Option<Click> {
    let button = Button::parse(query["data"].as_str()?)?;
    let id = query["id"].as_str()?;
    let user = query["from"]["id"].as_i64()?.to_string();
    // A message that is too old to be accessible still has its ids.
    let message = &query["message"];
    let at = message["chat"]["id"]
        .as_i64()
        .zip(message["message_id"].as_i64());
    Some(Click {
        user: UserId::parse(user).ok()?,
        also: Vec::new(),
        interaction: button.interaction,
        revision: button.revision,
        choice: button.choice,
        key: ClickKey::from_parts(&[id]),
        card: at
            .and_then(|(chat, id)| CardAddress::new(chat.to_string(), id.to_string()))
            .map(|at| at.within(topic(message))),
        id: id.to_owned(),
    })
}
