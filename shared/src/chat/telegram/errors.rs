//! Telegram's errors and what they mean. Its server writes most of them; those in capitals come from the servers
//! behind it.

use crate::chat::call::{Purpose, Whom};
use crate::chat::error_table::calls::{CARDS, CHANGES, DELETES, EDITS, POSTS, RECEIPTS, WRITES};
use crate::chat::error_table::{Means, Row, rows};
use Means::{Done, Doubtful, Moved, Never, NoEntities, NoReference, NoThread, Wait};

const API: &str = "https://core.telegram.org/bots/api";
const REQUESTS: &str = "https://core.telegram.org/bots/api#making-requests";
const PARAMETERS: &str = "https://core.telegram.org/bots/api#responseparameters";
const BUTTON: &str = "https://core.telegram.org/bots/api#inlinekeyboardbutton";
const DELETE: &str = "https://core.telegram.org/bots/api#deletemessage";
const FAQ: &str = "https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this";
const SEND: &str = "https://core.telegram.org/method/messages.sendMessage";
const EDIT: &str = "https://core.telegram.org/method/messages.editMessage";
const SERVER: &str =
    "https://github.com/tdlib/telegram-bot-api/blob/master/telegram-bot-api/Client.cpp";
const MESSAGES: &str = "https://github.com/tdlib/td/blob/master/td/telegram/MessagesManager.cpp";
const CONTENT: &str = "https://github.com/tdlib/td/blob/master/td/telegram/MessageContent.cpp";
const ENTITIES: &str = "https://github.com/tdlib/td/blob/master/td/telegram/MessageEntity.cpp";
const DIALOGS: &str = "https://github.com/tdlib/td/blob/master/td/telegram/DialogManager.cpp";

/// Every call. A note to one person is part of the answer to the click, and Telegram does not say how it fared.
const ALL: &[Purpose] = &[
    Purpose::Card,
    Purpose::Text,
    Purpose::Receipt,
    Purpose::Edit,
    Purpose::Delete,
    Purpose::Read,
];
/// The calls that a group refuses which has become a supergroup.
const MOVED: &[Purpose] = &[
    Purpose::Card,
    Purpose::Text,
    Purpose::Receipt,
    Purpose::Delete,
];

/// Telegram's errors. A row that begins with a capital and goes on small is how the sentence begins; any other is
/// part of the sentence. The first that fits counts.
pub(in crate::chat) const TABLE: &[Row] = rows! {
    "Too Many Requests", ALL, Wait(Whom::Channel), "", FAQ;
    "Internal Server Error", ALL, Doubtful, "", SERVER;
    "group chat was upgraded to a supergroup chat", MOVED, Moved, "mint tokens with the chat's new number", PARAMETERS;
    "message thread not found", POSTS, NoThread, "", "https://github.com/tdlib/telegram-bot-api/issues/798";
    "TOPIC_CLOSED", POSTS, NoThread, "open the topic again, or let the bot manage topics", SEND;
    "TOPIC_DELETED", POSTS, NoThread, "", SEND;
    "message to be replied not found", RECEIPTS, NoReference, "", SERVER;
    "REPLY_MESSAGE_ID_INVALID", RECEIPTS, NoReference, "", MESSAGES;
    "can't parse MessageEntity", WRITES, NoEntities, "", SERVER;
    "entity beginning at UTF-16 offset", WRITES, NoEntities, "", ENTITIES;
    "entity begins in a middle of a UTF-16 symbol", WRITES, NoEntities, "", ENTITIES;
    "receive an entity with incorrect", WRITES, NoEntities, "", ENTITIES;
    "ENTITY_BOUNDS_INVALID", WRITES, NoEntities, "", SEND;
    "message is not modified", EDITS, Done, "", SERVER;
    "message to edit not found", EDITS, Done, "", SERVER;
    "MESSAGE_ID_INVALID", CHANGES, Done, "", EDIT;
    "message can't be edited", EDITS, Never, "another bot posted the card", MESSAGES;
    "there is no text in the message to edit", EDITS, Never, "", MESSAGES;
    "message to delete not found", DELETES, Done, "", SERVER;
    "message can't be deleted", DELETES, Never, "the message is too old", DELETE;
    "message text is empty", WRITES, Never, "", SERVER;
    "text must be non-empty", WRITES, Never, "", ENTITIES;
    "message is too long", WRITES, Never, "", CONTENT;
    "text is too long", WRITES, Never, "", SERVER;
    "MESSAGE_TOO_LONG", WRITES, Never, "", SEND;
    "BUTTON_DATA_INVALID", CARDS, Never, "", BUTTON;
    "reply markup is too long", CARDS, Never, "", SERVER;
    "bot was blocked by the user", WRITES, Never, "the person must unblock the bot", SERVER;
    "bot can't initiate conversation with a user", WRITES, Never, "the person must start the bot first", MESSAGES;
    "bot can't send messages to", WRITES, Never, "the chat is that of a bot", MESSAGES;
    "user is deactivated", ALL, Never, "the person's account is gone", SERVER;
    "bot was kicked from", ALL, Never, "add the bot to the chat again", SERVER;
    "bot is not a member of", ALL, Never, "add the bot to the chat", SERVER;
    "the group chat was deleted", ALL, Never, "choose another chat", SERVER;
    "chat not found", ALL, Never, "the chat's number is wrong, or the bot was never added to it", SERVER;
    "chat_id is empty", ALL, Never, "the chat's number is missing", SERVER;
    "have no write access to the chat", WRITES, Never, "allow the bot to write", DIALOGS;
    "can't access the chat", ALL, Never, "add the bot to the chat", DIALOGS;
    "not enough rights to send", WRITES, Never, "allow the bot to send text messages", CONTENT;
    "need administrator rights in the channel chat", WRITES, Never, "make the bot an administrator who may post", DIALOGS;
    "CHAT_WRITE_FORBIDDEN", WRITES, Never, "allow the bot to write", SEND;
    "CHAT_SEND_PLAIN_FORBIDDEN", WRITES, Never, "allow the bot to send text messages", SEND;
    "CHAT_GUEST_SEND_FORBIDDEN", WRITES, Never, "add the bot to the chat", SEND;
    "CHAT_RESTRICTED", WRITES, Never, "Telegram restricts the chat", SEND;
    "CHAT_ADMIN_REQUIRED", ALL, Never, "make the bot an administrator", SEND;
    "CHANNEL_PRIVATE", ALL, Never, "add the bot to the channel", SEND;
    "USER_BANNED_IN_CHANNEL", WRITES, Never, "lift the bot's ban", SEND;
    "PEER_ID_INVALID", ALL, Never, "the chat's number is wrong", SEND;
    "ALLOW_PAYMENT_REQUIRED", WRITES, Never, "the person charges for messages", MESSAGES;
    "FROZEN_METHOD_INVALID", ALL, Never, "Telegram has frozen the bot", SERVER;
    "Logged out", ALL, Never, "the bot was moved to another server", SERVER;
    "Unauthorized", ALL, Never, "the bot token is wrong or was revoked", REQUESTS;
    "Not Found", ALL, Never, "the bot token is wrong, or `api_base_url` is", SERVER;
    "Forbidden", ALL, Never, "", API;
};
