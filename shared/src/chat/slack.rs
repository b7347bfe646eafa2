//! Slack: its Web API and its signed `block_actions` (docs.slack.dev).

mod answer;
mod card;
mod check;
mod click;
pub(super) mod config;
pub(super) mod errors;

use super::call::{Answered, ApiCall, Instead, Purpose, Reply};
use super::{
    Acknowledgement, Call, Card, ChatPlatform, Click, Ending, Form, Verdict, malformed_secret,
};
use crate::authority::Connection;
use crate::authority::signature::{OneOrMany, SlackRequest, Verified};
use crate::error::{Code, Error};
use crate::id::{ConnectionId, Revision};
use crate::question::{CardAddress, Place};
use crate::rate::{Rate, Rates};
use crate::wire::event::Incoming;
use card::{blocks, escape, mention, outcome, text, text_alone, texts};
use click::{click, field};
use config::same_workspace;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

// Limits of a text block and of a button, in characters.
const MAX_TEXT: usize = 3000;

/// One Slack workspace.
pub(super) struct Slack {
    secret: ConnectionSecret,
    api: String,
}

/// The connection's secret, a JSON object.
#[derive(Deserialize)]
struct ConnectionSecret {
    bot_token: SecretString,
    signing_secret: OneOrMany,
}

impl Slack {
    /// A workspace with this secret, whose API is at the address `api`.
    ///
    /// # Errors
    /// `secret_unavailable` if the secret does not have the expected form.
    pub(super) fn new(api: String, secret: &SecretString) -> Result<Self, Error> {
        let secret =
            serde_json::from_str(secret.expose_secret()).map_err(|_| malformed_secret())?;
        Ok(Self { secret, api })
    }

    fn call(&self, purpose: Purpose, method: &'static str, body: Value) -> ApiCall {
        ApiCall {
            purpose,
            channel: body["channel"].as_str().map(str::to_owned),
            once: false,
            name: method,
            method: Method::POST,
            url: format!("{}/{method}", self.api).into(),
            authorization: Some(format!("Bearer {}", self.secret.bot_token.expose_secret()).into()),
            body,
        }
    }
}

impl ChatPlatform for Slack {
    fn verify(
        &self,
        incoming: &Incoming,
        connection: &ConnectionId,
        now: i64,
    ) -> Result<Verified, Error> {
        SlackRequest {
            timestamp: incoming.header("x-slack-request-timestamp"),
            signature: incoming.header("x-slack-signature"),
            body: &incoming.body,
        }
        .verify(connection, self.secret.signing_secret.as_slice(), now)
    }

    fn read(&self, incoming: &Incoming, connection: &Connection) -> Result<Call, Error> {
        if incoming.is("application/json") {
            let event: Value =
                serde_json::from_slice(&incoming.body).map_err(|_| Code::InvalidJson)?;
            return Ok(match (event["type"].as_str(), &event["challenge"]) {
                (Some("url_verification"), Value::String(challenge)) => {
                    Call::Answered(json!({"challenge": challenge}))
                }
                _ => Call::Other,
            });
        }
        if incoming.headers.contains_key("content-type")
            && !incoming.is("application/x-www-form-urlencoded")
        {
            return Err(Error::new(
                Code::InvalidRequest,
                "the header `content-type` must be application/x-www-form-urlencoded",
            ));
        }
        let Some(payload) = field(&incoming.body, b"payload") else {
            return match field(&incoming.body, b"ssl_check") {
                Some(_) => Ok(Call::Other),
                None => Err(Error::field("payload", "is required")),
            };
        };
        let payload: Value = serde_json::from_slice(&payload).map_err(|_| Code::InvalidJson)?;
        let config = &connection.config;
        same_workspace(&payload, config).map_err(|differs| differs.logged(connection.id()))?;
        Ok(click(&payload, config).map_or(Call::Other, Call::Click))
    }

    fn post(&self, card: &Card, place: &Place, revision: &Revision, form: Form) -> ApiCall {
        let (text, purpose) = match form {
            Form::Buttons => (text(card, None), Purpose::Card),
            Form::Text => (text_alone(card), Purpose::Text),
        };
        let mut message = json!({
            "channel": place.channel,
            "text": text,
            "mrkdwn": false,
            "unfurl_links": false,
            "unfurl_media": false,
        });
        if let Some(thread) = thread(place) {
            message["thread_ts"] = thread.into();
        }
        if form == Form::Buttons {
            message["blocks"] = blocks(card, revision);
        }
        self.call(purpose, "chat.postMessage", message)
    }

    fn receipt(&self, at: &CardAddress, ending: &Ending) -> ApiCall {
        let body = json!({
            "channel": at.channel(),
            "thread_ts": at.thread().unwrap_or(at.message()),
            "text": ending.sentence(mention, escape),
            "blocks": [outcome(ending)],
            "unfurl_links": false,
        });
        self.call(Purpose::Receipt, "chat.postMessage", body)
    }

    fn edit(&self, at: &CardAddress, card: &Card, ending: &Ending) -> ApiCall {
        let mut blocks = texts(card, Some(ending));
        blocks.push(outcome(ending));
        let body = json!({
            "channel": at.channel(),
            "ts": at.message(),
            "text": text(card, Some(ending)),
            "blocks": blocks,
        });
        self.call(Purpose::Edit, "chat.update", body)
    }

    fn acknowledge(&self, click: &Click, verdict: &Verdict<'_>) -> Acknowledgement {
        // Slack shows a note to one person only through an API call, and only in the card's channel.
        let follow_up = match (verdict, &click.card) {
            (Verdict::Late(why), Some(card)) => {
                let mut note = json!({"channel": card.channel(), "user": click.user, "text": why});
                if let Some(thread) = card.thread() {
                    note["thread_ts"] = thread.into();
                }
                Some(self.call(Purpose::Note, "chat.postEphemeral", note))
            }
            _ => None,
        };
        Acknowledgement {
            answer: None,
            edits_card: false,
            follow_up,
        }
    }

    fn reply(&self, call: &ApiCall, answer: &Answered<'_>) -> Reply {
        answer::read(call, answer)
    }

    fn instead(&self, call: ApiCall, how: &Instead) -> Option<Vec<ApiCall>> {
        match how {
            Instead::NoThread => call.without("thread_ts").map(|call| vec![call]),
            Instead::Chat(_) | Instead::NoReference | Instead::NoEntities | Instead::Reopened => {
                None
            }
        }
    }

    /// One message a second to a channel, and several hundred a minute in a workspace
    /// (docs.slack.dev/apis/web-api/rate-limits).
    fn rates(&self, _: &str) -> Rates {
        Rates {
            channel: Rate::one_in(Duration::from_secs(1)),
            bot: Rate::burst(50, Duration::from_millis(250)),
        }
    }
}

/// The thread of a place. Slack names it by the timestamp of its first message.
fn thread(place: &Place) -> Option<&str> {
    let conversation = place.conversation.as_str();
    is_timestamp(conversation).then_some(conversation)
}

/// Whether the text has the form of a message's timestamp, such as `1700000000.000100`.
fn is_timestamp(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.')
        .is_some_and(|(seconds, micros)| digits(seconds) && digits(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(question: &str) -> Card {
        let payload =
            json!({"kind": "question", "question": question, "options": ["<!channel>", "No"]});
        Card::for_test("U1", payload)
    }

    #[test]
    fn tenants_text_is_never_markup() {
        let revision = Revision::new();
        let blocks = blocks(
            &card("*<!everyone>* <https://evil.example|click>"),
            &revision,
        );
        for text in [
            &blocks[0]["elements"][0],
            &blocks[1]["text"],
            &blocks[2]["elements"][0]["text"],
        ] {
            assert_eq!(text["type"], "plain_text");
        }
        assert_eq!(escape("<!channel> & co"), "&lt;!channel&gt; &amp; co");
        assert_eq!(mention("U1><!channel>"), "U1&gt;&lt;!channel&gt;");
    }

    #[test]
    fn a_click_is_read_and_anything_else_is_not_ours() {
        let payload = json!({
            "type": "block_actions", "user": {"id": "U1"}, "container": {"channel_id": "C1", "message_ts": "1.2"},
            "actions": [{"action_id": "q:q-1:abcdef:1", "action_ts": "3.4", "value": "ignored"}],
        });
        let click = click(&payload, &json!({})).unwrap();
        assert_eq!(
            (
                click.user.as_str(),
                click.choice.0,
                click.card.unwrap().message()
            ),
            ("U1", 1, "1.2")
        );
        for (pointer, value) in [
            ("/type", json!("view_submission")),
            ("/actions", json!([])),
            ("/actions/0/action_id", json!("x")),
            ("/user/id", json!("")),
        ] {
            let mut other = payload.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            assert!(super::click(&other, &json!({})).is_none(), "{pointer}");
        }
    }

    #[test]
    fn a_form_field_is_decoded() {
        assert_eq!(
            field(b"a=1&payload=%7B+%22x%22%7D", b"payload").unwrap(),
            b"{ \"x\"}"
        );
        assert_eq!(field(b"payloads=1", b"payload"), None);
    }
}
