//! The methods that tell of a bot, the one that deletes a message, and what Slack refuses.

use crate::chat::{ChatCall, State};
use crate::known::{Refusal, id};
use serde_json::{Value, json};

/// The answer to a call of these methods, or a refusal of any other.
pub(super) fn answer(call: &ChatCall, state: &mut State) -> Option<(u16, Value)> {
    let refuse = |error: &str| Some((200, json!({"ok": false, "error": error})));
    let body = &call.body;
    match state.known.refuses(&call.token, body["channel"].as_str()) {
        Some(Refusal::Token) => return refuse("invalid_auth"),
        Some(Refusal::UnknownChannel) => return refuse("channel_not_found"),
        Some(Refusal::NotInChannel) => return refuse("not_in_channel"),
        None => {}
    }
    if call.method == "auth.test" {
        let usual = json!({"ok": true, "url": "https://sample.slack.com/", "team": "sample", "user": "postern",
            "team_id": "T1", "user_id": "UBOT", "bot_id": "B1", "app_id": "A1", "is_enterprise_install": false});
        return Some((200, state.known.told(usual)));
    }
    let scopes = &state.known.scopes;
    if !scopes.split(',').any(|scope| scope == "chat:write") {
        let refusal = json!({"ok": false, "error": "missing_scope", "needed": "chat:write", "provided": scopes});
        return Some((200, refusal));
    }
    if !state.known.threads && !body["thread_ts"].is_null() {
        return refuse("thread_not_found");
    }
    if call.method != "chat.delete" {
        return None;
    }
    let (channel, ts) = (id(&body["channel"]), id(&body["ts"]));
    if !state.known.deletes {
        return refuse("cant_delete_message");
    }
    if !state.takes_back(&channel, &ts) {
        return refuse("message_not_found");
    }
    Some((200, json!({"ok": true, "channel": channel, "ts": ts})))
}
