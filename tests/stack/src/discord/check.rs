//! What tells of a bot and its application, the deletion of a message, and what Discord refuses.

use crate::chat::{ChatCall, State};
use crate::known::Refusal;
use serde_json::{Value, json};

/// The answer to a call of these, or a refusal of any other.
pub(super) fn answer(call: &ChatCall, state: &mut State) -> Option<(u16, Value)> {
    let refuse = |status, code: u64, message: &str| {
        Some((status, json!({"message": message, "code": code})))
    };
    let mut parts = call.method.split('/');
    let (verb, place) = (parts.next().unwrap_or_default(), parts.next());
    let channel = parts.next().filter(|_| place == Some("channels"));
    match state.known.refuses(&call.token, channel) {
        Some(Refusal::Token) => return refuse(401, 0, "401: Unauthorized"),
        Some(Refusal::UnknownChannel) => return refuse(404, 10003, "Unknown Channel"),
        Some(Refusal::NotInChannel) => return refuse(403, 50001, "Missing Access"),
        None => {}
    }
    match call.method.as_str() {
        "GET /users/@me" => Some((200, json!({"id": "900", "username": "sample", "bot": true}))),
        "GET /applications/@me" => {
            let usual = json!({"id": "900", "name": "sample", "interactions_endpoint_url": null});
            Some((200, state.known.told(usual)))
        }
        _ if verb == "DELETE " => {
            let message = parts.nth(1).unwrap_or_default();
            if !state.known.deletes {
                return refuse(403, 50013, "Missing Permissions");
            }
            if !state.takes_back(channel.unwrap_or_default(), message) {
                return refuse(404, 10008, "Unknown Message");
            }
            Some((204, Value::Null))
        }
        _ => None,
    }
}
