//! Telegram: its Bot API and its `callback_query` updates (core.telegram.org/bots/api).

mod answer;
mod card;
mod check;
mod click;
pub(super) mod errors;

use super::call::{Answered, ApiCall, Instead, Purpose, Reply};
use super::{
    Acknowledgement, Call, Card, ChatPlatform, Click, Ending, Form, Verdict, malformed_secret,
};
use crate::authority::Connection;
use crate::authority::signature::{OneOrMany, TelegramRequest, Verified};
use crate::error::{Code, Error};
use crate::id::{ConnectionId, Revision};
use crate::question::{CardAddress, Place};
use crate::rate::{Rate, Rates};
use crate::wire::event::Incoming;
use card::{Last, chat, edited, keyboard, number, sentence, write, write_card};
use click::click;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// One Telegram bot.
pub(super) struct Telegram {
    secret: ConnectionSecret,
    api: String,
}

/// The connection's secret, a JSON object.
#[derive(Deserialize)]
struct ConnectionSecret {
    bot_token: SecretString,
    secret_token: OneOrMany,
}

impl Telegram {
    /// A bot with this secret, whose API is at the address `api`.
    ///
    /// # Errors
    /// `secret_unavailable` if the secret does not have the expected form.
    pub(super) fn new(api: String, secret: &SecretString) -> Result<Self, Error> {
        let secret =
            serde_json::from_str(secret.expose_secret()).map_err(|_| malformed_secret())?;
        Ok(Self { secret, api })
    }

    fn call(&self, purpose: Purpose, method: &'static str, body: Value) -> ApiCall {
        let token = self.secret.bot_token.expose_secret();
        let channel = match &body["chat_id"] {
            Value::String(name) => Some(name.clone()),
            Value::Number(id) => Some(id.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        ApiCall {
            purpose,
            channel,
            once: false,
            name: method,
            method: Method::POST,
            url: format!("{}/bot{token}/{method}", self.api).into(),
            authorization: None,
            body,
        }
    }
}

impl ChatPlatform for Telegram {
    fn verify(
        &self,
        incoming: &Incoming,
        connection: &ConnectionId,
        _: i64,
    ) -> Result<Verified, Error> {
        TelegramRequest {
            secret_token: incoming.header("x-telegram-bot-api-secret-token"),
        }
        .verify(connection, self.secret.secret_token.as_slice())
    }

    fn read(&self, incoming: &Incoming, _: &Connection) -> Result<Call, Error> {
        let update: Value =
            serde_json::from_slice(&incoming.body).map_err(|_| Code::InvalidJson)?;
        let query = &update["callback_query"];
        Ok(match (click(query), query["id"].as_str()) {
            (Some(click), _) => Call::Click(click),
            (None, Some(id)) => {
                Call::Answered(json!({"method": "answerCallbackQuery", "callback_query_id": id}))
            }
            (None, None) => Call::Other,
        })
    }

    fn post(&self, card: &Card, place: &Place, revision: &Revision, form: Form) -> ApiCall {
        let mut message = json!({"chat_id": chat(place.channel.as_str())});
        match form {
            Form::Buttons => {
                message["reply_markup"] = json!({"inline_keyboard": keyboard(card, revision)});
                write_card(&mut message, card, Last::Buttons);
            }
            Form::Text => write_card(&mut message, card, Last::Options),
        }
        if let Some(topic) = topic(place) {
            message["message_thread_id"] = topic.into();
        }
        let purpose = match form {
            Form::Buttons => Purpose::Card,
            Form::Text => Purpose::Text,
        };
        self.call(purpose, "sendMessage", message)
    }

    fn receipt(&self, at: &CardAddress, ending: &Ending) -> ApiCall {
        let mut body = json!({
            "chat_id": chat(at.channel()),
            "reply_parameters": {"message_id": number(at.message()), "allow_sending_without_reply": true},
        });
        // Without it the receipt of a card that was deleted would be in the general topic.
        if let Some(topic) = at.thread() {
            body["message_thread_id"] = number(topic);
        }
        write(&mut body, &sentence(ending));
        self.call(Purpose::Receipt, "sendMessage", body)
    }

    fn edit(&self, at: &CardAddress, card: &Card, ending: &Ending) -> ApiCall {
        self.call(Purpose::Edit, "editMessageText", edited(at, card, ending))
    }

    /// The answer to a webhook may itself be a call to a method. Nobody learns whether that succeeds, so it is the
    /// one that matters least: the note that the click arrived.
    fn acknowledge(&self, click: &Click, verdict: &Verdict<'_>) -> Acknowledgement {
        let mut noted = json!({"method": "answerCallbackQuery", "callback_query_id": click.id});
        match verdict {
            Verdict::Late(why) => noted["text"] = (*why).into(),
            Verdict::Ignored | Verdict::Ended(..) => {}
        }
        Acknowledgement {
            answer: Some(noted),
            edits_card: false,
            follow_up: None,
        }
    }

    fn reply(&self, call: &ApiCall, answer: &Answered<'_>) -> Reply {
        answer::read(call, answer)
    }

    fn instead(&self, mut call: ApiCall, how: &Instead) -> Option<Vec<ApiCall>> {
        let amended = match how {
            // Messages did not move along with their chat, and their ids may be others' in the new one.
            Instead::Chat(_) if matches!(call.purpose, Purpose::Edit | Purpose::Delete) => None,
            Instead::Chat(id) => {
                call.body["chat_id"] = chat(id);
                call.channel = call.channel.map(|_| id.clone());
                // The card stayed in the former chat, whose messages have numbers of their own.
                if let Some(body) = call.body.as_object_mut() {
                    body.remove("reply_parameters");
                }
                Some(call)
            }
            Instead::NoThread => call.without("message_thread_id"),
            Instead::NoReference => call.without("reply_parameters"),
            Instead::NoEntities => call.without("entities"),
            Instead::Reopened => None,
        };
        amended.map(|call| vec![call])
    }

    /// One message a second to a chat, 20 a minute to a group, and 30 a second of a bot
    /// (core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this).
    fn rates(&self, channel: &str) -> Rates {
        let second = Duration::from_secs(1);
        let is_person = channel.bytes().all(|byte| byte.is_ascii_digit());
        Rates {
            channel: if is_person {
                Rate::one_in(second)
            } else {
                // In the worst minute there are 5 at once and 15 more.
                Rate {
                    apart: second,
                    each: 4 * second,
                    burst: 5,
                }
            },
            bot: Rate::burst(5, Duration::from_millis(40)),
        }
    }
}

/// The topic of a place. A topic of a forum or of a private chat is a positive number. Any other conversation is a
/// name that the platform engineer chose and that Telegram does not know. The general topic is the number 1, and cannot
/// be posted to by it.
fn topic(place: &Place) -> Option<i64> {
    let channel = place.channel.as_str();
    let has_topics = !channel.starts_with('-') || channel.starts_with("-100");
    if !has_topics || !place.is_narrower_than_the_channel() {
        return None;
    }
    let topic = place.conversation.as_str().parse::<i64>();
    topic.ok().filter(|topic| *topic > 1)
}

#[cfg(test)]
mod tests {
    use super::super::cut::units;
    use super::card::MAX_TEXT;
    use super::*;
    use crate::id::{ChannelId, ConversationId, InteractionId, UserId};

    fn telegram() -> Telegram {
        let secret = r#"{"bot_token": "1:x", "secret_token": ["a", "b"]}"#;
        Telegram::new(String::new(), &secret.into()).unwrap()
    }

    fn card(question: &str) -> Card {
        let payload =
            json!({"kind": "question", "question": question, "options": ["*a*", "x".repeat(75)]});
        let mut card = Card::for_test("111", payload);
        card.id = InteractionId::parse("q".repeat(48)).unwrap();
        card
    }

    fn place(channel: &str, conversation: &str) -> Place {
        Place {
            channel: ChannelId::parse(channel).unwrap(),
            conversation: ConversationId::parse(conversation).unwrap(),
            team: None,
        }
    }

    #[test]
    fn a_card_stays_within_telegrams_limits_and_has_no_markup() {
        let call = telegram().post(
            &card(&"\u{1f600}".repeat(3000)),
            &place("111", "111"),
            &Revision::new(),
            Form::Buttons,
        );
        let text = call.body["text"].as_str().unwrap();
        assert!(units(text) <= MAX_TEXT);
        assert!(text.starts_with("Agent coder of acme asks 111, until 2026-11-25 18:00 UTC\n\n"));
        // A label is cut, so the options are listed as well.
        let listed = format!("\u{2026}\n\n\u{2022} *a*\n\u{2022} {}", "x".repeat(75));
        assert!(text.ends_with(&listed));
        assert!(call.body.get("parse_mode").is_none());
        let rows = call.body["reply_markup"]["inline_keyboard"]
            .as_array()
            .unwrap();
        assert_eq!(rows[0][0]["text"], "*a*");
        assert!(rows[1][0]["text"].as_str().unwrap().ends_with('\u{2026}'));
        assert!(
            rows.iter()
                .all(|row| row[0]["callback_data"].as_str().unwrap().len() <= 64)
        );
        let edit = edited(
            &CardAddress::new("1", "2").unwrap(),
            &card(&"x".repeat(3000)),
            &Ending::Answered {
                user: UserId::parse("1").unwrap(),
                value: "\u{1f600}".repeat(4000),
            },
        );
        assert!(units(edit["text"].as_str().unwrap()) <= MAX_TEXT);
    }

    #[test]
    fn a_topic_is_a_number_in_a_forum_and_nowhere_else() {
        let topic = |channel, conversation| {
            let call = telegram().post(
                &card("?"),
                &place(channel, conversation),
                &Revision::new(),
                Form::Buttons,
            );
            call.body["message_thread_id"].clone()
        };
        assert_eq!(topic("-1001", "7"), 7);
        assert_eq!(topic("111", "7"), 7);
        for (channel, conversation) in [
            ("-5", "7"),
            ("-1001", "1"),
            ("-1001", "release-42"),
            ("-1001", "-1001"),
            ("-1001", "0"),
        ] {
            assert!(
                topic(channel, conversation).is_null(),
                "{channel} {conversation}"
            );
        }
    }

    #[test]
    fn a_chat_that_moved_gets_new_messages_and_no_message_in_it_is_touched() {
        let moved = Instead::Chat("-1007".into());
        let at = CardAddress::new("-5", "9").unwrap();
        let post = telegram().post(
            &card("?"),
            &place("-5", "-5"),
            &Revision::new(),
            Form::Buttons,
        );
        let receipt = telegram().receipt(&at, &Ending::Expired);
        for call in [post, receipt] {
            let amended = telegram().instead(call, &moved).unwrap();
            assert_eq!(amended[0].body["chat_id"], -1007);
            assert!(amended[0].body.get("reply_parameters").is_none());
        }
        let edit = telegram().edit(&at, &card("?"), &Ending::Expired);
        assert!(telegram().instead(edit, &moved).is_none());
    }

    #[test]
    fn a_click_is_read_also_on_a_message_that_is_no_longer_accessible() {
        let query = json!({"id": "77", "from": {"id": 111}, "data": "q:q-1:abcdef:1",
            "message": {"chat": {"id": -5, "type": "group"}, "message_id": 9, "date": 0}});
        let read = click(&query).unwrap();
        assert_eq!(
            (read.user.as_str(), read.choice.0, read.id.as_str()),
            ("111", 1, "77")
        );
        assert_eq!(read.card, CardAddress::new("-5", "9"));
        for (pointer, value) in [
            ("/data", json!("x")),
            ("/from/id", json!("111")),
            ("/id", json!(7)),
            ("/data", Value::Null),
        ] {
            let mut other = query.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            assert!(click(&other).is_none(), "{pointer}");
        }
        assert!(click(&Value::Null).is_none());
    }
}
