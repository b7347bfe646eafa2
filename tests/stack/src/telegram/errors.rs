//! Telegram's errors, as its server writes them (github.com/tdlib/telegram-bot-api, `fail_query_with_error`).

use crate::chat::{Failure, Wire};
use serde_json::json;

/// The errors that the sample can answer: their statuses and sentences.
pub const ERRORS: &[(u16, &str)] = &[
    (429, "Too Many Requests: retry after"),
    (500, "Internal Server Error: restart"),
    (500, "Internal Server Error: request aborted"),
    (
        400,
        "Bad Request: group chat was upgraded to a supergroup chat",
    ),
    (400, "Bad Request: message thread not found"),
    (400, "Bad Request: TOPIC_CLOSED"),
    (400, "Bad Request: TOPIC_DELETED"),
    (400, "Bad Request: message to be replied not found"),
    (400, "Bad Request: REPLY_MESSAGE_ID_INVALID"),
    (
        400,
        "Bad Request: can't parse MessageEntity: Field \"offset\" must be of type Number",
    ),
    (
        400,
        "Bad Request: entity beginning at UTF-16 offset 90 ends after the end of the text at UTF-16 offset 90",
    ),
    (
        400,
        "Bad Request: entity begins in a middle of a UTF-16 symbol at byte offset 9",
    ),
    (
        400,
        "Bad Request: receive an entity with incorrect offset -1",
    ),
    (400, "Bad Request: ENTITY_BOUNDS_INVALID"),
    (
        400,
        "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message",
    ),
    (400, "Bad Request: message to edit not found"),
    (400, "Bad Request: MESSAGE_ID_INVALID"),
    (400, "Bad Request: message can't be edited"),
    (400, "Bad Request: there is no text in the message to edit"),
    (400, "Bad Request: message to delete not found"),
    (400, "Bad Request: message can't be deleted for everyone"),
    (400, "Bad Request: message text is empty"),
    (400, "Bad Request: text must be non-empty"),
    (400, "Bad Request: message is too long"),
    (400, "Bad Request: text is too long"),
    (400, "Bad Request: MESSAGE_TOO_LONG"),
    (400, "Bad Request: BUTTON_DATA_INVALID"),
    (400, "Bad Request: reply markup is too long"),
    (403, "Forbidden: bot was blocked by the user"),
    (
        403,
        "Forbidden: bot can't initiate conversation with a user",
    ),
    (403, "Forbidden: the bot can't send messages to the bot"),
    (403, "Forbidden: user is deactivated"),
    (403, "Forbidden: bot was kicked from the group chat"),
    (403, "Forbidden: bot was kicked from the supergroup chat"),
    (403, "Forbidden: bot is not a member of the supergroup chat"),
    (403, "Forbidden: bot is not a member of the channel chat"),
    (403, "Forbidden: the group chat was deleted"),
    (400, "Bad Request: chat not found"),
    (400, "Bad Request: chat_id is empty"),
    (400, "Bad Request: have no write access to the chat"),
    (400, "Bad Request: can't access the chat"),
    (
        400,
        "Bad Request: not enough rights to send text messages to the chat",
    ),
    (
        400,
        "Bad Request: need administrator rights in the channel chat",
    ),
    (400, "Bad Request: CHAT_WRITE_FORBIDDEN"),
    (400, "Bad Request: CHAT_SEND_PLAIN_FORBIDDEN"),
    (400, "Bad Request: CHAT_GUEST_SEND_FORBIDDEN"),
    (400, "Bad Request: CHAT_RESTRICTED"),
    (400, "Bad Request: CHAT_ADMIN_REQUIRED"),
    (400, "Bad Request: CHANNEL_PRIVATE"),
    (400, "Bad Request: USER_BANNED_IN_CHANNEL"),
    (400, "Bad Request: PEER_ID_INVALID"),
    (400, "Bad Request: ALLOW_PAYMENT_REQUIRED_25"),
    (400, "Bad Request: FROZEN_METHOD_INVALID"),
    (400, "Logged out"),
    (401, "Unauthorized"),
    (401, "Unauthorized: invalid token specified"),
    (404, "Not Found"),
    (404, "Not Found: method not found"),
    // Forbidden for a reason of which the table has no row of its own.
    (403, "Forbidden: another reason"),
    // Not in Postern's table.
    (400, "Bad Request: a new error was not found"),
];

pub(super) fn error(failure: &Failure) -> Option<Wire> {
    let (status, words) = ERRORS.iter().find(|(_, words)| *words == failure.error)?;
    if *status == 429 {
        return Some(too_many(failure.after.unwrap_or(1.0)));
    }
    let mut body = json!({"ok": false, "error_code": status, "description": words});
    if let Some(chat) = failure.chat {
        body["parameters"] = json!({"migrate_to_chat_id": chat});
    }
    Some(Wire::json(*status, &body))
}

/// The answer to a message that is too much.
pub(super) fn too_many(seconds: f64) -> Wire {
    let seconds = seconds.ceil() as u64;
    let body = json!({"ok": false, "error_code": 429, "description": format!("Too Many Requests: retry after {seconds}"),
        "parameters": {"retry_after": seconds}});
    Wire::json(429, &body).with("retry-after", seconds)
}
