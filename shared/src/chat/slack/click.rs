//! Reads Slack's `block_actions` (docs.slack.dev/reference/interaction-payloads/block_actions-payload).

use super::config::other_ids;
use crate::chat::{Button, Click};
use crate::id::UserId;
use crate::question::{CardAddress, ClickKey};
use percent_encoding::percent_decode;
use serde_json::Value;

/// The click, if the payload is a click on one of Postern's buttons. `config` is the connection's.
pub(super) fn click(payload: &Value, config: &Value) -> Option<Click> {
    if payload["type"] != "block_actions" {
        return None;
    }
    let action = &payload["actions"][0];
    let action_id = action["action_id"].as_str()?;
    let button = Button::parse(action_id)?;
    let user = UserId::parse(payload["user"]["id"].as_str()?).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let container = &payload["container"];
    let channel = text(&container["channel_id"]).or_else(|| text(&payload["channel"]["id"]));
    let message = text(&container["message_ts"]).or_else(|| text(&payload["message"]["ts"]));
    let thread = text(&container["thread_ts"]).or_else(|| text(&payload["message"]["thread_ts"]));
    // The first message of a thread names itself.
    let thread = thread.filter(|thread| Some(thread) != message.as_ref());
    let key = match action["action_ts"].as_str() {
        Some(at) => {
            // Without a message, an empty part keeps its place, so that keys stay unambiguous.
            let message = message.as_deref().unwrap_or("");
            ClickKey::from_parts(&[at, message, action_id, user.as_str()])
        }
        None => ClickKey::from_parts(&[&payload.to_string()]),
    };
    Some(Click {
        also: other_ids(config, &user),
        user,
        interaction: button.interaction,
        revision: button.revision,
        choice: button.choice,
        key,
        card: channel
            .zip(message)
            .and_then(|(channel, message)| CardAddress::new(channel, message))
            .map(|at| at.within(thread)),
        id: String::new(),
    })
}

/// The decoded value of a field in a form (application/x-www-form-urlencoded).
pub(super) fn field(body: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    body.split(|byte| *byte == b'&').find_map(|pair| {
        let value = pair.strip_prefix(name)?.strip_prefix(b"=")?;
        let spaced: Vec<u8> = value
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        Some(percent_decode(&spaced).collect())
    })
}
