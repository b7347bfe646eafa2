//! What Telegram's answers mean. Telegram names an error by its status and a sentence, which its server writes
//! (github.com/tdlib/telegram-bot-api), and says in `parameters` what to do (core.telegram.org/bots/api#responseparameters).

use crate::chat::call::{Answered, ApiCall, Purpose, Reply, Whom, located};
use crate::chat::error_table::{ALL, EDITS, Means, POSTS, Row};
use crate::question::CardAddress;
use serde_json::Value;
use std::time::Duration;

const API: &str = "https://core.telegram.org/bots/api";
const PARAMETERS: &str = "https://core.telegram.org/bots/api#responseparameters";
const SERVER: &str =
    "https://github.com/tdlib/telegram-bot-api/blob/master/telegram-bot-api/Client.cpp";
const FAQ: &str = "https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this";

const fn row(
    error: &'static str,
    calls: &'static [Purpose],
    means: Means,
    advice: &'static str,
    page: &'static str,
) -> Row {
    Row {
        error,
        calls,
        means,
        advice,
        page,
    }
}

/// Telegram's errors: what their sentences contain, in any case. The first that fits counts.
pub(in crate::chat) const TABLE: &[Row] = &[
    row(
        "Too Many Requests",
        ALL,
        Means::Wait(Whom::Channel),
        "",
        FAQ,
    ),
    row(
        "group chat was upgraded to a supergroup chat",
        ALL,
        Means::Moved,
        "mint tokens with the chat's new number",
        PARAMETERS,
    ),
    row(
        "message thread not found",
        POSTS,
        Means::NoThread,
        "",
        "https://github.com/tdlib/telegram-bot-api/issues/798",
    ),
    row(
        "TOPIC_CLOSED",
        POSTS,
        Means::NoThread,
        "the topic is closed",
        SERVER,
    ),
    row("TOPIC_DELETED", POSTS, Means::NoThread, "", SERVER),
    row("TOPIC_ID_INVALID", POSTS, Means::NoThread, "", SERVER),
    row(
        "message to be replied not found",
        POSTS,
        Means::NoReference,
        "",
        SERVER,
    ),
    row(
        "REPLY_MESSAGE_ID_INVALID",
        POSTS,
        Means::NoReference,
        "",
        SERVER,
    ),
    row(
        "can't parse MessageEntity",
        ALL,
        Means::NoEntities,
        "",
        SERVER,
    ),
    row(
        "entity beginning at UTF-16 offset",
        ALL,
        Means::NoEntities,
        "",
        SERVER,
    ),
    row("ENTITY_BOUNDS_INVALID", ALL, Means::NoEntities, "", SERVER),
    row("message is not modified", EDITS, Means::Done, "", SERVER),
    row("message to edit not found", EDITS, Means::Done, "", SERVER),
    row("MESSAGE_ID_INVALID", EDITS, Means::Done, "", SERVER),
    row(
        "message can't be edited",
        EDITS,
        Means::Never,
        "another bot posted the card",
        SERVER,
    ),
    row(
        "there is no text in the message to edit",
        EDITS,
        Means::Never,
        "",
        SERVER,
    ),
    row(
        "message to delete not found",
        &[Purpose::Delete],
        Means::Done,
        "",
        SERVER,
    ),
    row(
        "message can't be deleted",
        &[Purpose::Delete],
        Means::Never,
        "the message is too old",
        API,
    ),
    row(
        "query is too old",
        &[Purpose::Note],
        Means::Done,
        "",
        SERVER,
    ),
    row("message text is empty", ALL, Means::Never, "", SERVER),
    row("message is too long", ALL, Means::Never, "", SERVER),
    row("MESSAGE_TOO_LONG", ALL, Means::Never, "", SERVER),
    row("BUTTON_DATA_INVALID", ALL, Means::Never, "", SERVER),
    row("reply markup is too long", ALL, Means::Never, "", SERVER),
    row(
        "bot was blocked by the user",
        ALL,
        Means::Never,
        "the person must unblock the bot",
        SERVER,
    ),
    row(
        "bot can't initiate conversation with a user",
        ALL,
        Means::Never,
        "the person must start the bot first",
        SERVER,
    ),
    row(
        "bot can't send messages to",
        ALL,
        Means::Never,
        "the chat is that of a bot",
        SERVER,
    ),
    row(
        "user is deactivated",
        ALL,
        Means::Never,
        "the person's account is gone",
        SERVER,
    ),
    row(
        "bot was kicked from",
        ALL,
        Means::Never,
        "add the bot to the chat again",
        SERVER,
    ),
    row(
        "bot is not a member of",
        ALL,
        Means::Never,
        "add the bot to the chat",
        SERVER,
    ),
    row(
        "the group chat was deleted",
        ALL,
        Means::Never,
        "choose another chat",
        SERVER,
    ),
    row(
        "chat not found",
        ALL,
        Means::Never,
        "the chat's number is wrong, or the bot was never added to it",
        SERVER,
    ),
    row(
        "have no write access to the chat",
        ALL,
        Means::Never,
        "allow the bot to write",
        SERVER,
    ),
    row(
        "not enough rights to send",
        ALL,
        Means::Never,
        "allow the bot to send text messages",
        SERVER,
    ),
    row(
        "need administrator rights in the channel chat",
        ALL,
        Means::Never,
        "make the bot an administrator who may post",
        SERVER,
    ),
    row(
        "CHAT_WRITE_FORBIDDEN",
        ALL,
        Means::Never,
        "allow the bot to write",
        SERVER,
    ),
    row(
        "CHAT_RESTRICTED",
        ALL,
        Means::Never,
        "the chat is restricted",
        SERVER,
    ),
    row(
        "CHAT_ADMIN_REQUIRED",
        ALL,
        Means::Never,
        "make the bot an administrator",
        SERVER,
    ),
    row(
        "CHANNEL_PRIVATE",
        ALL,
        Means::Never,
        "add the bot to the channel",
        SERVER,
    ),
    row(
        "PEER_ID_INVALID",
        ALL,
        Means::Never,
        "the chat's number is wrong",
        SERVER,
    ),
    row(
        "ALLOW_PAYMENT_REQUIRED",
        ALL,
        Means::Never,
        "the person charges for messages",
        SERVER,
    ),
    row(
        "FROZEN_METHOD_INVALID",
        ALL,
        Means::Never,
        "Telegram has frozen the bot",
        SERVER,
    ),
    row(
        "Logged out",
        ALL,
        Means::Never,
        "the bot was moved to another server",
        SERVER,
    ),
    row(
        "Unauthorized",
        ALL,
        Means::Never,
        "the bot token is wrong or was revoked",
        API,
    ),
    row(
        "Not Found",
        ALL,
        Means::Never,
        "the bot token is wrong, or `api_base_url` is",
        API,
    ),
    row("Forbidden", ALL, Means::Never, "", API),
];

/// What Telegram's answer to this call means.
pub(super) fn read(call: &ApiCall, answer: &Answered<'_>) -> Reply {
    // A body that is not JSON lacks the fields below, so it counts as not Telegram's.
    let body: Value = serde_json::from_slice(answer.body).unwrap_or(Value::Null);
    let parameters = &body["parameters"];
    let after = parameters["retry_after"].as_u64().map(Duration::from_secs);
    let after = after.or_else(|| answer.retry_after());
    if answer.status.as_u16() != 429
        && let Some(reply) = answer.by_status(Whom::Channel)
    {
        return reply;
    }
    let id = |value: &Value| value.as_i64().map(|id| id.to_string());
    match (body["ok"].as_bool(), body["description"].as_str()) {
        (Some(true), _) => {
            let message = &body["result"];
            match id(&message["chat"]["id"]).zip(id(&message["message_id"])) {
                Some((channel, message_id)) => {
                    let topic = topic(message);
                    located(CardAddress::new(channel, message_id).map(|at| at.within(topic)))
                }
                None => Reply::Done(None),
            }
        }
        (Some(false), Some(words)) => {
            let said = words.to_ascii_lowercase();
            let row = TABLE.iter().find(|row| {
                row.calls.contains(&call.purpose) && said.contains(&row.error.to_ascii_lowercase())
            });
            match row {
                Some(row) => row.reply(after, id(&parameters["migrate_to_chat_id"]), words),
                None => Reply::Unlisted(words.to_owned()),
            }
        }
        (Some(false), None) => Reply::Unlisted("no reason given".into()),
        (None, _) => match answer.by_status(Whom::Channel) {
            Some(reply) => reply,
            None => answer.not_the_platforms("Telegram"),
        },
    }
}

/// The topic that a message is in. A thread without the flag is a chain of replies, which cannot be posted to; the
/// general topic is given by neither.
pub(super) fn topic(message: &Value) -> Option<String> {
    let in_topic = message["is_topic_message"].as_bool() == Some(true);
    let id = message["message_thread_id"].as_i64();
    id.filter(|_| in_topic).map(|id| id.to_string())
}
