//! What Discord's answers mean. Discord names an error by a number in the JSON
//! (docs.discord.com/developers/topics/opcodes-and-status-codes#json).

use crate::chat::call::{Answered, ApiCall, Purpose, Reply, Whom, located};
use crate::chat::error_table::{ALL, EDITS, Means, POSTS, Row};
use crate::question::CardAddress;
use http::StatusCode;
use serde_json::Value;
use std::time::Duration;

const CODES: &str =
    "https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes";
const RATES: &str = "https://docs.discord.com/developers/topics/rate-limits";
const THREADS: &str = "https://docs.discord.com/developers/topics/threads";
const MESSAGE: &str = "https://docs.discord.com/developers/resources/message";

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

/// Discord's errors, by their numbers.
pub(in crate::chat) const TABLE: &[Row] = &[
    row("20016", ALL, Means::Wait(Whom::Channel), "", CODES),
    row("20022", EDITS, Means::Wait(Whom::Call), "", CODES),
    row("20028", ALL, Means::Wait(Whom::Channel), "", CODES),
    row("20029", ALL, Means::Wait(Whom::Bot), "", CODES),
    row(
        "30046",
        EDITS,
        Means::Wait(Whom::Call),
        "",
        "https://github.com/discord/discord-api-docs/issues/4413",
    ),
    row(
        "40004",
        ALL,
        Means::Wait(Whom::Call),
        "Discord has turned off sending for now",
        CODES,
    ),
    row(
        "40006",
        ALL,
        Means::Wait(Whom::Call),
        "Discord has turned off this feature for now",
        CODES,
    ),
    row("40062", ALL, Means::Wait(Whom::Channel), "", CODES),
    row("130000", ALL, Means::Doubtful, "", CODES),
    // Sending opens an archived thread by itself, unless it is locked.
    row(
        "50083",
        &[Purpose::Edit, Purpose::Delete],
        Means::Reopen,
        "",
        THREADS,
    ),
    row(
        "50083",
        POSTS,
        Means::Never,
        "the thread is archived and locked; choose another channel",
        THREADS,
    ),
    row(
        "160002",
        POSTS,
        Means::NoReference,
        "allow the bot to read the message history",
        MESSAGE,
    ),
    row(
        "160009",
        POSTS,
        Means::NoReference,
        "allow the bot to read the message history",
        MESSAGE,
    ),
    // A repeated post whose first message was deleted meanwhile.
    row(
        "10008",
        &[Purpose::Card],
        Means::Done,
        "",
        "https://github.com/discord/discord-api-docs/issues/6647",
    ),
    row(
        "10008",
        &[Purpose::Edit, Purpose::Delete],
        Means::Done,
        "",
        CODES,
    ),
    row("10008", POSTS, Means::NoReference, "", MESSAGE),
    row(
        "50035",
        ALL,
        Means::Never,
        "",
        "https://docs.discord.com/developers/reference#error-messages",
    ),
    row(
        "50006",
        ALL,
        Means::Never,
        "allow the bot to embed links",
        CODES,
    ),
    row("50109", ALL, Means::Never, "", CODES),
    row("40005", ALL, Means::Never, "", CODES),
    row(
        "10003",
        ALL,
        Means::Never,
        "the channel's id is wrong, or the channel is gone",
        CODES,
    ),
    row(
        "10004",
        ALL,
        Means::Never,
        "the server is gone, or the bot was removed from it",
        CODES,
    ),
    row("40001", ALL, Means::Never, "the bot token is wrong", CODES),
    row(
        "40002",
        ALL,
        Means::Never,
        "the account of the bot must be verified",
        CODES,
    ),
    row("50014", ALL, Means::Never, "the bot token is wrong", CODES),
    row(
        "50001",
        ALL,
        Means::Never,
        "add the bot to the server and let it view the channel",
        CODES,
    ),
    row(
        "50005",
        EDITS,
        Means::Never,
        "another bot posted the card",
        CODES,
    ),
    row(
        "50007",
        ALL,
        Means::Never,
        "the person takes no direct messages from the bot",
        CODES,
    ),
    row(
        "50278",
        ALL,
        Means::Never,
        "the person shares no server with the bot",
        CODES,
    ),
    row(
        "50008",
        ALL,
        Means::Never,
        "the channel takes no text; in a forum, give a post's id",
        CODES,
    ),
    row(
        "50024",
        ALL,
        Means::Never,
        "the channel takes no text; in a forum, give a post's id",
        CODES,
    ),
    row(
        "50009",
        ALL,
        Means::Never,
        "the server's verification level is too high for the bot",
        CODES,
    ),
    row(
        "50013",
        ALL,
        Means::Never,
        "let the bot send messages, send messages in threads and embed links here; it may also be timed out",
        CODES,
    ),
    row("50021", ALL, Means::Never, "", CODES),
    row(
        "20009",
        ALL,
        Means::Never,
        "Discord blocks explicit content",
        CODES,
    ),
    row(
        "20026",
        ALL,
        Means::Never,
        "Discord has flagged the bot; appeal",
        "https://github.com/discord/discord-api-docs/issues/2669",
    ),
    row("160005", ALL, Means::Never, "unlock the thread", THREADS),
    row(
        "160006",
        &[Purpose::Reopen],
        Means::Never,
        "the server has too many active threads",
        THREADS,
    ),
    row(
        "160007",
        &[Purpose::Reopen],
        Means::Never,
        "the server has too many active announcement threads",
        THREADS,
    ),
    row(
        "200000",
        ALL,
        Means::Never,
        "the server's AutoMod blocks the message",
        CODES,
    ),
    row(
        "240000",
        ALL,
        Means::Never,
        "Discord blocks a link in the message",
        CODES,
    ),
    row(
        "40333",
        ALL,
        Means::Wait(Whom::Call),
        "Discord's network refuses this client",
        "https://github.com/discord/discord-api-docs/issues/6473",
    ),
];

/// What Discord's answer to this call means.
pub(super) fn read(call: &ApiCall, answer: &Answered<'_>) -> Reply {
    // A deletion is answered 204, without a body.
    if call.purpose == Purpose::Delete && answer.status == StatusCode::NO_CONTENT {
        return Reply::Done(None);
    }
    let body: Option<Value> = serde_json::from_slice(answer.body).ok();
    let Some(body) = body else {
        // Without JSON it is Discord's network that refuses, and then all that the bot sends.
        return match answer.by_status(Whom::Bot) {
            Some(reply) => reply,
            None => answer.not_the_platforms("Discord"),
        };
    };
    if answer.status.is_success() {
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        return match (call.purpose, text("channel_id").zip(text("id"))) {
            (_, Some((channel, message))) => located(CardAddress::new(channel, message)),
            (Purpose::Delete | Purpose::Reopen | Purpose::Read, None) => Reply::Done(None),
            (
                Purpose::Card | Purpose::Text | Purpose::Receipt | Purpose::Edit | Purpose::Note,
                None,
            ) => Reply::Unknown("the answer is not Discord's".into()),
        };
    }
    let after = body["retry_after"].as_f64();
    let after = after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let after = after.or_else(|| answer.retry_after());
    let code = body["code"].as_u64().filter(|code| *code != 0);
    let words = match (body["message"].as_str(), code) {
        (Some(words), Some(code)) => format!("{code} {words}"),
        (Some(words), None) => words.to_owned(),
        (None, Some(code)) => code.to_string(),
        (None, None) => "no reason given".into(),
    };
    let row = code.and_then(|code| {
        let code = code.to_string();
        let mut rows = TABLE.iter();
        rows.find(|row| row.error == code && row.calls.contains(&call.purpose))
    });
    let whom = if body["global"] == true {
        Whom::Bot
    } else {
        Whom::Channel
    };
    match row {
        Some(row) => row.reply(after, None, &words),
        None => match answer.by_status_after(whom, after) {
            Some(reply) => reply,
            None if answer.status.as_u16() == 401 => Reply::Refused(format!(
                "{words}: the bot token is wrong; Discord blocks who calls with it often ({RATES})"
            )),
            None => Reply::Unlisted(words),
        },
    }
}
