//! Reads Discord's interactions (docs.discord.com/developers/interactions/receiving-and-responding).

use crate::chat::{Button, Click};
use crate::id::UserId;
use crate::question::{CardAddress, ClickKey};
use serde_json::Value;

/// The click, if the interaction is a click on one of Postern's buttons.
pub(super) fn click(interaction: &Value) -> Option<Click> {
    let button = Button::parse(interaction["data"]["custom_id"].as_str()?)?;
    // In a server the clicker is in `member`, in a direct message in `user`.
    let user = interaction["member"]["user"]["id"]
        .as_str()
        .or(interaction["user"]["id"].as_str())?;
    let click_id = interaction["id"].as_str()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let message = &interaction["message"];
    // The message that a thread was made from is shown in the thread, and stays in the channel above it.
    let channel = text(&message["channel_id"]).or_else(|| text(&interaction["channel_id"]));
    Some(Click {
        user: UserId::parse(user).ok()?,
        also: Vec::new(),
        interaction: button.interaction,
        revision: button.revision,
        choice: button.choice,
        key: ClickKey::from_parts(&[click_id]),
        card: channel
            .zip(text(&message["id"]))
            .and_then(|(channel, message)| CardAddress::new(channel, message)),
        id: click_id.to_owned(),
    })
}
