//! What Slack's answers mean. Slack answers 200 with `ok: false` and an error, and 429 for its rates
//! (docs.slack.dev/apis/web-api/rate-limits).

use super::errors::TABLE;
use crate::chat::call::{Answered, ApiCall, Reply, Whom, located};
use crate::question::CardAddress;
use serde::Deserialize;

/// A response of the Web API.
#[derive(Deserialize)]
struct Body {
    ok: bool,
    #[serde(default)]
    error: Option<String>,
    /// The scope that is missing.
    #[serde(default)]
    needed: Option<String>,
    /// What is wrong with the blocks.
    #[serde(default)]
    errors: Vec<String>,
    #[serde(default)]
    response_metadata: Metadata,
    #[serde(default)]
    channel: Option<serde_json::Value>,
    #[serde(default)]
    ts: Option<String>,
    #[serde(default)]
    message: Option<Message>,
}

/// What is wrong with the arguments.
#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    messages: Vec<String>,
}

/// A message in a response.
#[derive(Deserialize, Default)]
struct Message {
    #[serde(default)]
    thread_ts: Option<String>,
}

/// What Slack's answer to this call means.
pub(super) fn read(call: &ApiCall, answer: &Answered<'_>) -> Reply {
    // Slack counts the calls of each method on its own, so an edit that is too much does not hold posts back.
    let whom = if call.purpose.creates() {
        Whom::Bot
    } else {
        Whom::Call
    };
    if let Some(reply) = answer.by_status(whom) {
        return reply;
    }
    match serde_json::from_slice::<Body>(answer.body) {
        Ok(Body {
            ok: true,
            channel,
            ts,
            message,
            ..
        }) => {
            let channel = channel.and_then(|channel| channel.as_str().map(str::to_owned));
            match channel.zip(ts) {
                Some((channel, ts)) => {
                    let thread = message.unwrap_or_default().thread_ts;
                    // The first message of a thread names itself.
                    let thread = thread.filter(|thread| *thread != ts);
                    located(CardAddress::new(channel, ts).map(|at| at.within(thread)))
                }
                None => Reply::Done(None),
            }
        }
        Ok(Body {
            error: Some(error),
            needed,
            errors,
            response_metadata,
            ..
        }) => {
            let details = errors.into_iter().chain(response_metadata.messages);
            let words = match needed.or_else(|| details.into_iter().next()) {
                Some(detail) => format!("{error} ({detail})"),
                None => error.clone(),
            };
            let mut rows = TABLE.iter();
            let row = rows.find(|row| row.error() == error && row.calls().contains(&call.purpose));
            match row {
                Some(row) => row.reply(answer.retry_after(), None, &words),
                None => Reply::Unlisted(words),
            }
        }
        Ok(_) => Reply::Unlisted("no reason given".into()),
        Err(_) => answer.not_the_platforms("Slack"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Purpose;
    use serde_json::json;

    fn read(purpose: Purpose, status: u16, body: impl ToString) -> Reply {
        let body = body.to_string();
        let answer = Answered::of(status, body.as_bytes());
        super::read(&ApiCall::of(purpose), &answer)
    }

    #[test]
    fn every_row_is_read_for_each_of_its_calls_and_for_no_other() {
        for row in TABLE {
            let body = json!({"ok": false, "error": row.error()});
            for call in row.calls() {
                let reply = read(*call, 200, &body);
                assert!(row.fits(&reply), "{row:?} {call:?}: {reply:?}");
            }
        }
        let note = json!({"ok": false, "error": "cant_update_message"});
        assert!(matches!(read(Purpose::Note, 200, note), Reply::Unlisted(_)));
    }

    #[test]
    fn a_rate_is_read_without_a_body_and_holds_back_the_calls_of_its_method() {
        let whom = |purpose| {
            let Reply::PutOff(put_off) = read(purpose, 429, "") else {
                panic!("{purpose:?}");
            };
            assert!(!put_off.doubtful);
            put_off.whom
        };
        assert_eq!(whom(Purpose::Card), Whom::Bot);
        assert_eq!(whom(Purpose::Edit), Whom::Call);
    }

    #[test]
    fn the_details_of_an_error_are_logged() {
        let told = |body: serde_json::Value| {
            let Reply::Refused(why) = read(Purpose::Card, 200, &body) else {
                panic!("{body}");
            };
            why
        };
        let scope = json!({"ok": false, "error": "missing_scope", "needed": "chat:write"});
        assert!(told(scope).starts_with("missing_scope (chat:write): "));
        let blocks = json!({"ok": false, "error": "invalid_blocks", "errors": ["too many"]});
        assert_eq!(told(blocks), "invalid_blocks (too many)");
        let arguments = json!({"ok": false, "error": "invalid_arguments", "response_metadata": {"messages": ["too long"]}});
        assert_eq!(told(arguments), "invalid_arguments (too long)");
    }

    #[test]
    fn what_slack_did_not_write_is_read_by_its_status() {
        let page = "<html></html>";
        assert!(matches!(read(Purpose::Card, 200, page), Reply::Unknown(_)));
        assert!(matches!(read(Purpose::Card, 403, page), Reply::Refused(_)));
        for body in [page, r#"{"ok":false,"error":"channel_not_found"}"#] {
            let reply = read(Purpose::Card, 503, body);
            assert!(
                matches!(&reply, Reply::PutOff(put_off) if put_off.doubtful),
                "{reply:?}"
            );
        }
    }
}
