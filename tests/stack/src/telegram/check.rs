//! The methods that tell of a bot, the one that deletes a message, and what Telegram refuses.

use super::bad;
use crate::chat::{ChatCall, State};
use crate::known::{Refusal, id};
use serde_json::{Value, json};

/// The answer to a call of these methods, or a refusal of any other.
pub(super) fn answer(call: &ChatCall, state: &mut State) -> Option<(u16, Value)> {
    let refuse = |status: u16, description: &str| {
        let refusal = json!({"ok": false, "error_code": status, "description": description});
        Some((status, refusal))
    };
    let done = |result: Value| Some((200, json!({"ok": true, "result": result})));
    let chat = &call.body["chat_id"];
    let named = (!chat.is_null()).then(|| id(chat));
    match state.known.refuses(&call.token, named.as_deref()) {
        Some(Refusal::Token) => return refuse(401, "Unauthorized"),
        Some(Refusal::UnknownChannel) => return Some(bad("chat not found")),
        Some(Refusal::NotInChannel) => {
            return refuse(403, "Forbidden: bot is not a member of the supergroup chat");
        }
        None => {}
    }
    if !state.known.threads && !call.body["message_thread_id"].is_null() {
        return Some(bad("message thread not found"));
    }
    match call.method.as_str() {
        "getMe" => {
            done(json!({"id": 1, "is_bot": true, "first_name": "Sample", "username": "sample_bot"}))
        }
        "getWebhookInfo" => {
            let usual =
                json!({"url": "", "has_custom_certificate": false, "pending_update_count": 0});
            done(state.known.told(usual))
        }
        "deleteMessage" if !state.known.deletes => Some(bad("message can't be deleted")),
        "deleteMessage" if !state.takes_back(&id(chat), &id(&call.body["message_id"])) => {
            Some(bad("message to delete not found"))
        }
        "deleteMessage" => done(true.into()),
        _ => None,
    }
}
