//! Discord's errors and what they mean.

use crate::chat::call::{Purpose, Whom};
use crate::chat::error_table::calls::{CARDS, CHANGES, EDITS, POSTS, RECEIPTS, WRITES};
use crate::chat::error_table::{Means, Row, rows};
use Means::{Done, Doubtful, Never, NoReference, Reopen, Wait};

const CODES: &str = "https://docs.discord.com/developers/topics/opcodes-and-status-codes#json";
const STATUS: &str = "https://docs.discord.com/developers/topics/opcodes-and-status-codes#http";
const RATES: &str = "https://docs.discord.com/developers/topics/rate-limits";
const THREADS: &str = "https://docs.discord.com/developers/topics/threads";
const MESSAGE: &str = "https://docs.discord.com/developers/resources/message";
const ERRORS: &str = "https://docs.discord.com/developers/reference#error-messages";

/// Every call. A note to one person is part of the answer to the click, and Discord does not say how it fared.
const ALL: &[Purpose] = &[
    Purpose::Card,
    Purpose::Text,
    Purpose::Receipt,
    Purpose::Edit,
    Purpose::Delete,
    Purpose::Reopen,
    Purpose::Read,
];
/// The calls that need an open thread.
const IN_THREADS: &[Purpose] = &[
    Purpose::Card,
    Purpose::Text,
    Purpose::Receipt,
    Purpose::Edit,
    Purpose::Reopen,
];
/// The calls that may open a thread.
const OPENING: &[Purpose] = &[
    Purpose::Card,
    Purpose::Text,
    Purpose::Receipt,
    Purpose::Reopen,
];

/// The error of a refused reply, in the table's form: the number, and the part of the request that is wrong.
pub(super) const REFERENCE: &str = "50035 message_reference";
/// The number that Discord's network writes when it blocks an address.
pub(super) const BLOCKED: &str = "1015";

/// Discord's errors by their numbers. An answer that has none goes by its status.
pub(in crate::chat) const TABLE: &[Row] = rows! {
    "429", ALL, Wait(Whom::Channel), "", RATES;
    "500", ALL, Doubtful, "", STATUS;
    "502", ALL, Doubtful, "", STATUS;
    "1015", ALL, Wait(Whom::Bot), "Discord's network blocks this address", "https://github.com/discord/discord-api-docs/issues/5385";
    "40333", ALL, Wait(Whom::Call), "Discord's network refuses this client", CODES;
    "20016", POSTS, Wait(Whom::Channel), "", CODES;
    "20022", EDITS, Wait(Whom::Call), "", CODES;
    "20028", WRITES, Wait(Whom::Channel), "", CODES;
    "20029", WRITES, Wait(Whom::Bot), "", CODES;
    "30046", EDITS, Wait(Whom::Call), "", "https://github.com/discord/discord-api-docs/issues/4413";
    "40004", POSTS, Wait(Whom::Call), "Discord has turned off sending for now", CODES;
    "40006", ALL, Wait(Whom::Call), "Discord has turned off this feature for now", CODES;
    "40062", ALL, Wait(Whom::Channel), "", CODES;
    "130000", ALL, Doubtful, "", CODES;
    // Sending opens an archived thread by itself, unless it is locked.
    "50083", CHANGES, Reopen, "", THREADS;
    "50083", POSTS, Never, "the thread is archived and locked; choose another channel", THREADS;
    "160002", RECEIPTS, NoReference, "allow the bot to read the message history", MESSAGE;
    "160009", RECEIPTS, NoReference, "allow the bot to read the message history", "https://github.com/discord/discord-api-docs/pull/8424";
    "50035 message_reference", RECEIPTS, NoReference, "", MESSAGE;
    "10008", RECEIPTS, NoReference, "", MESSAGE;
    // A repeated post whose first message was deleted meanwhile.
    "10008", CARDS, Done, "", "https://github.com/discord/discord-api-docs/issues/6647";
    "10008", CHANGES, Done, "", CODES;
    "50035", ALL, Never, "", ERRORS;
    "50006", WRITES, Never, "allow the bot to embed links", CODES;
    "50109", WRITES, Never, "", CODES;
    "40005", WRITES, Never, "", CODES;
    "401", ALL, Never, "the bot token is wrong; Discord blocks an address that goes on", RATES;
    "40001", ALL, Never, "the bot token is wrong", CODES;
    "50014", ALL, Never, "the bot token is wrong", CODES;
    "40002", ALL, Never, "the account of the bot must be verified", CODES;
    "404", ALL, Never, "`api_base_url` is wrong", STATUS;
    "50041", ALL, Never, "`api_base_url` names another version than v10", CODES;
    "10003", ALL, Never, "the channel's id is wrong, or the channel is gone", CODES;
    "10004", ALL, Never, "the server is gone, or the bot was removed from it", CODES;
    "50001", ALL, Never, "add the bot to the server and let it view the channel", CODES;
    "50013", ALL, Never, "let the bot send messages, send messages in threads and embed links here; it may also be timed out", CODES;
    "50005", EDITS, Never, "another bot posted the card", CODES;
    "50007", POSTS, Never, "the person takes no direct messages from the bot", CODES;
    "50278", POSTS, Never, "the person shares no server with the bot", CODES;
    "50008", POSTS, Never, "the channel takes no text; in a forum, give a post's id", CODES;
    "40058", POSTS, Never, "the channel takes no text; in a forum, give a post's id", CODES;
    "50024", ALL, Never, "the channel takes no text; in a forum, give a post's id", CODES;
    "50009", POSTS, Never, "the server's verification level is too high for the bot", CODES;
    "50021", CHANGES, Never, "", CODES;
    "20009", POSTS, Never, "Discord blocks explicit content", CODES;
    "20026", POSTS, Never, "Discord has flagged the bot; appeal", "https://github.com/discord/discord-api-docs/issues/2669";
    "160005", IN_THREADS, Never, "unlock the thread", THREADS;
    "160006", OPENING, Never, "the server has too many active threads", THREADS;
    "160007", OPENING, Never, "the server has too many active announcement threads", THREADS;
    "200000", WRITES, Never, "the server's AutoMod blocks the message", CODES;
    "240000", WRITES, Never, "Discord blocks a link in the message", CODES;
};
