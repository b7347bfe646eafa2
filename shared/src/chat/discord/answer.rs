//! What Discord's answers mean. Discord names an error by a number in the JSON
//! (docs.discord.com/developers/topics/opcodes-and-status-codes#json).

use super::errors::{BLOCKED, REFERENCE, TABLE};
use crate::chat::call::{Answered, ApiCall, Purpose, Reply, Whom, located};
use crate::chat::error_table::Row;
use crate::question::CardAddress;
use http::StatusCode;
use serde_json::Value;
use std::time::Duration;

/// How long to make no call after Discord's network blocked this address without saying for how long.
const BLOCK: Duration = Duration::from_secs(10 * 60);

/// What Discord's answer to this call means.
pub(super) fn read(call: &ApiCall, answer: &Answered<'_>) -> Reply {
    // A deletion is answered 204, without a body.
    if call.purpose == Purpose::Delete && answer.status == StatusCode::NO_CONTENT {
        return Reply::Done(None);
    }
    let body: Option<Value> = serde_json::from_slice(answer.body).ok();
    let Some(body) = body else {
        // Without JSON it is Discord's network that refuses, and then all that the bot sends.
        return match blocked(call, answer, "no JSON").or_else(|| answer.by_status(Whom::Bot)) {
            Some(reply) => reply,
            None => answer.not_the_platforms("Discord"),
        };
    };
    if answer.status.is_success() {
        if is_incomplete(call, &body) {
            tracing::warn!(
                event = "card_incomplete",
                channel_id = call.channel,
                cause = "Discord left out the part of a long card that is in an embed: allow the bot to embed links"
            );
        }
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
    if after.is_none()
        && code.is_none()
        && let Some(reply) = blocked(call, answer, &words)
    {
        return reply;
    }
    let global = body["global"] == true;
    let whom = if global { Whom::Bot } else { Whom::Channel };
    let words = match detail(&body["errors"]) {
        Some(detail) => format!("{words} ({detail})"),
        None => words,
    };
    let code = code.map_or_else(
        || answer.status.as_str().to_owned(),
        |code| code.to_string(),
    );
    let about_reference = body["errors"].get("message_reference").is_some();
    let row = about_reference.then(|| row(call, REFERENCE)).flatten();
    let row = row.or_else(|| self::row(call, &code));
    match row.map(|row| row.reply(after, None, &words)) {
        Some(Reply::PutOff(mut put_off)) if global => {
            put_off.whom = whom;
            Reply::PutOff(put_off)
        }
        Some(reply) => reply,
        None => answer
            .by_status_after(whom, after)
            .unwrap_or(Reply::Unlisted(words)),
    }
}

/// The row of an error.
fn row(call: &ApiCall, error: &str) -> Option<&'static Row> {
    let mut rows = TABLE.iter();
    rows.find(|row| row.error() == error && row.calls().contains(&call.purpose))
}

/// The reply to an answer of status 429 that is not about a rate, since it does not say how long to wait in Discord's
/// form: Discord's network blocks this address, and longer if calls go on.
fn blocked(call: &ApiCall, answer: &Answered<'_>, words: &str) -> Option<Reply> {
    if answer.status.as_u16() != 429 {
        return None;
    }
    let after = answer.retry_after().unwrap_or(BLOCK);
    Some(row(call, BLOCKED)?.reply(Some(after), None, words))
}

/// The first error of a tree of errors: its path and its code.
fn detail(errors: &Value) -> Option<String> {
    let mut path = Vec::new();
    let mut at = errors;
    while let Some((name, below)) = at.as_object()?.iter().next() {
        if name == "_errors" {
            return Some(format!(
                "{}: {}",
                path.join("."),
                below[0]["code"].as_str()?
            ));
        }
        path.push(name.as_str());
        at = below;
    }
    None
}

/// Whether Discord dropped the embeds of the message. It does so without an error when the bot may not embed links
/// (github.com/discord/discord-api-docs/issues/5648).
fn is_incomplete(call: &ApiCall, answer: &Value) -> bool {
    let none = |body: &Value| body["embeds"].as_array().map(Vec::is_empty);
    none(&call.body) == Some(false) && none(answer) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(purpose: Purpose, status: u16, body: impl ToString) -> Reply {
        let body = body.to_string();
        let answer = Answered::of(status, body.as_bytes());
        super::read(&ApiCall::of(purpose), &answer)
    }

    fn put_off(reply: Reply) -> (Whom, Option<Duration>) {
        let Reply::PutOff(put_off) = reply else {
            panic!("{reply:?}");
        };
        assert!(!put_off.doubtful);
        (put_off.whom, put_off.after)
    }

    #[test]
    fn every_row_is_read_for_each_of_its_calls() {
        for row in TABLE {
            let mut words = row.error().split(' ');
            let number: u16 = words.next().unwrap().parse().unwrap_or(0);
            let code: u64 = row.error().split(' ').next().unwrap().parse().unwrap();
            let mut body = json!({"message": "x", "code": code, "retry_after": 1.0});
            let status = if (400..600).contains(&number) {
                body["code"] = 0.into();
                number
            } else {
                400
            };
            if let Some(field) = words.next() {
                body["errors"] = json!({field: {"_errors": [{"code": "X"}]}});
            }
            for call in row.calls() {
                let reply = if row.error() == BLOCKED {
                    read(*call, 429, "error code: 1015")
                } else {
                    read(*call, status, &body)
                };
                assert!(row.fits(&reply), "{row:?} {call:?}: {reply:?}");
            }
        }
    }

    #[test]
    fn a_rate_is_of_the_channel_or_of_the_bot() {
        let body = |global| json!({"message": "x", "retry_after": 0.25, "global": global});
        let quarter = Some(Duration::from_millis(250));
        let reply = |global| put_off(read(Purpose::Card, 429, body(global)));
        assert_eq!(reply(false), (Whom::Channel, quarter));
        assert_eq!(reply(true), (Whom::Bot, quarter));
    }

    #[test]
    fn an_address_that_is_blocked_makes_no_calls_for_long() {
        let json = json!({"message": "You are being blocked", "code": 0});
        for body in ["error code: 1015", "<html></html>", &json.to_string()] {
            let reply = put_off(read(Purpose::Card, 429, body));
            assert_eq!(reply, (Whom::Bot, Some(BLOCK)), "{body}");
        }
    }

    #[test]
    fn the_first_error_of_a_form_is_logged() {
        let body = json!({"message": "Invalid Form Body", "code": 50035,
            "errors": {"embeds": {"0": {"description": {"_errors": [{"code": "LENGTH"}]}}}}});
        let Reply::Refused(why) = read(Purpose::Card, 400, &body) else {
            panic!("{body}");
        };
        let expected = "50035 Invalid Form Body (embeds.0.description: LENGTH)";
        assert_eq!(why, expected);
        let odd = json!({"message": "x", "code": 50035, "errors": {"a": [1]}});
        assert!(matches!(read(Purpose::Card, 400, odd), Reply::Refused(_)));
    }

    #[test]
    fn what_discord_did_not_write_is_read_by_its_status() {
        let page = "<html></html>";
        assert!(matches!(read(Purpose::Card, 200, page), Reply::Unknown(_)));
        assert!(matches!(read(Purpose::Card, 403, page), Reply::Refused(_)));
        let reply = read(Purpose::Card, 524, page);
        assert!(matches!(&reply, Reply::PutOff(put_off) if put_off.doubtful));
    }

    #[test]
    fn a_card_whose_embeds_are_dropped_is_incomplete() {
        let call = |body: Value| ApiCall {
            purpose: Purpose::Card,
            name: "create message",
            method: http::Method::POST,
            url: String::new().into(),
            authorization: None,
            body,
            channel: None,
            once: true,
        };
        let sent = json!({"content": "?", "embeds": [{"description": "more"}]});
        for (sent, answer, incomplete) in [
            (&sent, json!({"embeds": []}), true),
            (&sent, json!({"embeds": [{"type": "rich"}]}), false),
            (&sent, json!({}), false),
            (&json!({"content": "?"}), json!({"embeds": []}), false),
            (&json!({"embeds": []}), json!({"embeds": []}), false),
        ] {
            let found = is_incomplete(&call(sent.clone()), &answer);
            assert_eq!(found, incomplete, "{sent} {answer}");
        }
    }
}
