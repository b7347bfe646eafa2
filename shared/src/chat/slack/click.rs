//! Reads Slack's `block_actions` (docs.slack.dev/reference/interaction-payloads/block_actions-payload).

use crate::chat::{Button, Click};
use crate::error::{Code, Error};
use crate::id::UserId;
use crate::question::{CardAddress, ClickKey};
use percent_encoding::percent_decode;
use serde_json::Value;

/// Checks that the payload is from the connection's own workspace and app. This is needed because all workspaces of
/// an app share one signing secret.
pub(super) fn same_workspace(payload: &Value, config: &Value) -> Result<(), Error> {
    let team = payload["team"]["id"]
        .as_str()
        .or(payload["user"]["team_id"].as_str());
    for (own, named) in [
        ("team_id", team),
        ("api_app_id", payload["api_app_id"].as_str()),
    ] {
        if let Some(expected) = config.get(own).filter(|expected| !expected.is_null())
            && expected.as_str() != named
        {
            return Err(
                Code::InvalidSignature.because("the payload is of another workspace or app")
            );
        }
    }
    Ok(())
}

/// The click, if the payload is a click on one of Postern's buttons.
pub(super) fn click(payload: &Value) -> Option<Click> {
    if payload["type"] != "block_actions" {
        return None;
    }
    let action = &payload["actions"][0];
    let action_id = action["action_id"].as_str()?;
    let button = Button::parse(action_id)?;
    let user = payload["user"]["id"].as_str()?;
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
            ClickKey::from_parts(&[at, message, action_id, user])
        }
        None => ClickKey::from_parts(&[&payload.to_string()]),
    };
    Some(Click {
        user: UserId::parse(user).ok()?,
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
