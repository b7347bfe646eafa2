//! What Telegram's answers mean. Telegram names an error by its status and a sentence, which its server writes
//! (github.com/tdlib/telegram-bot-api), and says in `parameters` what to do (core.telegram.org/bots/api#responseparameters).

use super::errors::TABLE;
use crate::chat::call::{Answered, ApiCall, Reply, Whom, located};
use crate::question::CardAddress;
use serde_json::Value;
use std::time::Duration;

/// What Telegram's answer to this call means.
pub(super) fn read(call: &ApiCall, answer: &Answered<'_>) -> Reply {
    // A body that is not JSON lacks the fields below, so it counts as not Telegram's.
    let body: Value = serde_json::from_slice(answer.body).unwrap_or(Value::Null);
    let parameters = &body["parameters"];
    let after = parameters["retry_after"].as_u64().map(Duration::from_secs);
    let after = after.or_else(|| answer.retry_after());
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
            let mut rows = TABLE.iter();
            let row =
                rows.find(|row| row.calls().contains(&call.purpose) && says(words, row.error()));
            match (row, answer.by_status_after(Whom::Channel, after)) {
                (Some(row), _) => row.reply(after, id(&parameters["migrate_to_chat_id"]), words),
                (None, Some(reply)) => reply,
                (None, None) => Reply::Unlisted(words.to_owned()),
            }
        }
        (ok, _) => match (answer.by_status_after(Whom::Channel, after), ok) {
            (Some(reply), _) => reply,
            (None, Some(_)) => Reply::Unlisted("no reason given".into()),
            (None, None) => answer.not_the_platforms("Telegram"),
        },
    }
}

/// Whether the sentence is this error of the table. Telegram writes the first letter of an error small behind
/// `Bad Request: ` or `Forbidden: `, so case does not count.
fn says(sentence: &str, error: &str) -> bool {
    let begins = error.starts_with(|first: char| first.is_ascii_uppercase())
        && error[1..].starts_with(|second: char| second.is_ascii_lowercase());
    let (sentence, error) = (sentence.to_ascii_lowercase(), error.to_ascii_lowercase());
    if begins {
        sentence.starts_with(&error)
    } else {
        sentence.contains(&error)
    }
}

/// The topic that a message is in. A thread without the flag is a chain of replies, which cannot be posted to; the
/// general topic is given by neither.
pub(super) fn topic(message: &Value) -> Option<String> {
    let in_topic = message["is_topic_message"].as_bool() == Some(true);
    let id = message["message_thread_id"].as_i64();
    id.filter(|_| in_topic).map(|id| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Purpose;
    use crate::chat::call::Instead;
    use serde_json::json;

    fn read(purpose: Purpose, status: u16, body: impl ToString) -> Reply {
        let body = body.to_string();
        let answer = Answered::of(status, body.as_bytes());
        super::read(&ApiCall::of(purpose), &answer)
    }

    fn said(purpose: Purpose, sentence: &str) -> Reply {
        let body = json!({"ok": false, "error_code": 400, "description": sentence,
            "parameters": {"migrate_to_chat_id": -1001}});
        read(purpose, 400, body)
    }

    #[test]
    fn every_row_is_read_for_each_of_its_calls() {
        for row in TABLE {
            for call in row.calls() {
                let inside = format!("Bad Request: {}", row.error());
                let is_beginning = says(row.error(), row.error()) && !says(&inside, row.error());
                let sentence = if is_beginning { row.error() } else { &inside };
                let reply = said(*call, &format!("{sentence} and more"));
                assert!(row.fits(&reply), "{row:?} {call:?}: {reply:?}");
            }
        }
    }

    #[test]
    fn a_row_that_is_a_beginning_is_found_nowhere_else() {
        let unlisted = said(Purpose::Card, "Bad Request: sticker set not found");
        assert!(matches!(unlisted, Reply::Unlisted(_)), "{unlisted:?}");
        let lower = said(Purpose::Card, "Bad Request: can't parse messageentity");
        assert!(matches!(lower, Reply::Instead(Instead::NoEntities, _)));
    }

    #[test]
    fn the_parameters_say_how_long_to_wait_and_which_chat_it_is_now() {
        let body = json!({"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 7",
            "parameters": {"retry_after": 7}});
        let Reply::PutOff(put_off) = read(Purpose::Card, 429, &body) else {
            panic!("{body}");
        };
        assert_eq!(put_off.after, Some(Duration::from_secs(7)));
        let moved = "Bad Request: group chat was upgraded to a supergroup chat";
        let reply = said(Purpose::Receipt, moved);
        assert!(matches!(&reply, Reply::Instead(Instead::Chat(id), _) if id == "-1001"));
        let nowhere = json!({"ok": false, "error_code": 400, "description": moved});
        let reply = read(Purpose::Card, 400, nowhere);
        assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
    }

    #[test]
    fn what_telegram_did_not_write_is_read_by_its_status() {
        let page = "<html></html>";
        assert!(matches!(read(Purpose::Card, 200, page), Reply::Unknown(_)));
        assert!(matches!(read(Purpose::Card, 404, page), Reply::Refused(_)));
        for (status, doubtful) in [(429, false), (502, true)] {
            let reply = read(Purpose::Card, status, page);
            assert!(
                matches!(&reply, Reply::PutOff(put_off) if put_off.doubtful == doubtful),
                "{reply:?}"
            );
        }
    }
}
