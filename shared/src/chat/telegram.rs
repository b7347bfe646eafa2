//! Telegram: its Bot API and its `callback_query` updates (core.telegram.org/bots/api).

use super::call::{ApiCall, Reply, located, no_reason, refused};
use super::card::cut;
use super::{
    Acknowledgement, Button, Call, Card, ChatPlatform, Click, Ending, Form, Verdict, button_id,
    malformed_secret,
};
use crate::authority::signature::{OneOrMany, TelegramRequest, Verified};
use crate::error::{Code, Error};
use crate::id::{ConnectionId, Revision, UserId};
use crate::question::{CardAddress, ClickKey, Place};
use crate::wire::event::Incoming;
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

/// Maximum length of a message's text, in UTF-16 code units, as Telegram counts.
const MAX_TEXT: usize = 4096;
/// Maximum length of a button's label, in UTF-16 code units. Telegram documents no limit, but its apps cut longer
/// labels.
const MAX_LABEL: usize = 64;

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

    fn call(&self, method: &'static str, body: Value) -> ApiCall {
        let token = self.secret.bot_token.expose_secret();
        ApiCall {
            name: method,
            method: Method::POST,
            url: format!("{}/bot{token}/{method}", self.api).into(),
            authorization: None,
            body,
            repeatable: false,
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

    fn read(&self, incoming: &Incoming, _: &Value) -> Result<Call, Error> {
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
        let text = match form {
            Form::Buttons => {
                message["reply_markup"] = json!({"inline_keyboard": keyboard(card, revision)});
                texts(card)
            }
            Form::Text => card.plain(),
        };
        write(&mut message, &text, Some(card));
        // A topic of a forum is a positive number. Any other conversation is a name that the platform engineer
        // chose and that Telegram does not know.
        if place.is_narrower_than_the_channel()
            && place.channel.as_str().starts_with("-100")
            && let Ok(topic @ 1..) = place.conversation.as_str().parse::<i64>()
        {
            message["message_thread_id"] = topic.into();
        }
        self.call("sendMessage", message)
    }

    fn receipt(&self, at: &CardAddress, ending: &Ending) -> ApiCall {
        let mut body = json!({
            "chat_id": chat(at.channel()),
            "reply_parameters": {"message_id": number(at.message()), "allow_sending_without_reply": true},
        });
        write(&mut body, &ending.sentence(person, str::to_owned), None);
        self.call("sendMessage", body)
    }

    fn edit(&self, at: &CardAddress, card: &Card, ending: &Ending) -> ApiCall {
        self.call("editMessageText", edited(at, card, ending))
    }

    /// The answer to a webhook may itself be a call to a method, so the edit of the card needs no separate call.
    fn acknowledge(&self, click: &Click, verdict: &Verdict<'_>) -> Acknowledgement {
        let mut noted = json!({"callback_query_id": click.id});
        let as_answer = |mut call: Value, method: &str| {
            call["method"] = method.into();
            Some(call)
        };
        match (verdict, &click.card) {
            (Verdict::Ended(card, ending), Some(at)) => Acknowledgement {
                answer: as_answer(edited(at, card, ending), "editMessageText"),
                edits_card: true,
                follow_up: Some(self.call("answerCallbackQuery", noted)),
            },
            (Verdict::Late(why), _) => {
                noted["text"] = (*why).into();
                Acknowledgement {
                    answer: as_answer(noted, "answerCallbackQuery"),
                    edits_card: false,
                    follow_up: None,
                }
            }
            (Verdict::Ignored | Verdict::Ended(..), _) => Acknowledgement {
                answer: as_answer(noted, "answerCallbackQuery"),
                edits_card: false,
                follow_up: None,
            },
        }
    }

    fn reply(&self, status: StatusCode, body: &[u8]) -> Reply {
        // A body that is not JSON lacks the fields below, so it counts as not Telegram's.
        let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let words = answer["description"].as_str();
        match answer["ok"].as_bool() {
            // Telegram refuses an edit that changes nothing; the card has been edited before.
            _ if words.is_some_and(|words| words.contains("message is not modified")) => {
                Reply::Done(None)
            }
            _ if !status.is_success() => refused(status, words),
            Some(true) => {
                let message = &answer["result"];
                let id = |value: &Value| value.as_i64().map(|id| id.to_string());
                match id(&message["chat"]["id"]).zip(id(&message["message_id"])) {
                    Some((channel, message)) => located(channel, message),
                    None => Reply::Done(None),
                }
            }
            Some(false) => Reply::Refused(words.map_or_else(no_reason, str::to_owned)),
            None => Reply::Unknown("the answer is not Telegram's".into()),
        }
    }
}

/// The click, if the `callback_query` is a click on one of Postern's buttons.
fn click(query: &Value) -> Option<Click> {
    let button = Button::parse(query["data"].as_str()?)?;
    let id = query["id"].as_str()?;
    let user = query["from"]["id"].as_i64()?.to_string();
    // A message that is too old to be accessible still has its ids.
    let message = &query["message"];
    let at = message["chat"]["id"]
        .as_i64()
        .zip(message["message_id"].as_i64());
    Some(Click {
        user: UserId::parse(user).ok()?,
        interaction: button.interaction,
        revision: button.revision,
        choice: button.choice,
        key: ClickKey::from_parts(&[id]),
        card: at
            .and_then(|(chat, message)| CardAddress::new(chat.to_string(), message.to_string())),
        id: id.to_owned(),
    })
}

/// Sets the text of a message. It sets no parse mode, so Telegram reads no markup in the text. `asked` appends the
/// agent and the person who is asked.
fn write(message: &mut Value, text: &str, asked: Option<&Card>) {
    let mut text = text.to_owned();
    if let Some(card) = asked {
        let person = card.user.as_str();
        text = cut(&text, MAX_TEXT - 512, char::len_utf16);
        text.push_str(&format!("\n\nAgent {} asks ", card.agent));
        let offset: usize = text.chars().map(char::len_utf16).sum();
        if person.len() <= 20 && person.bytes().all(|byte| byte.is_ascii_digit()) {
            message["entities"] = json!([{"type": "text_link", "offset": offset, "length": person.len(),
                "url": format!("tg://user?id={person}")}]);
        }
        text.push_str(person);
    }
    message["text"] = cut(&text, MAX_TEXT, char::len_utf16).into();
    message["link_preview_options"] = json!({"is_disabled": true});
}

/// The text of the question and its arguments.
fn texts(card: &Card) -> String {
    match &card.detail {
        Some(detail) => format!("{}\n\n{detail}", card.text),
        None => card.text.clone(),
    }
}

/// The message after the card has ended: without buttons, and with a sentence about the ending.
fn edited(at: &CardAddress, card: &Card, ending: &Ending) -> Value {
    let ending = ending.sentence(person, str::to_owned);
    let room = MAX_TEXT
        - cut(&ending, 200, char::len_utf16)
            .chars()
            .map(char::len_utf16)
            .sum::<usize>()
        - 2;
    let mut body = json!({
        "chat_id": chat(at.channel()),
        "message_id": number(at.message()),
        "reply_markup": {"inline_keyboard": []},
    });
    let text = cut(&texts(card), room, char::len_utf16);
    write(
        &mut body,
        &format!("{text}\n\n{}", cut(&ending, 200, char::len_utf16)),
        None,
    );
    body
}

/// The person in a sentence. Without markup there are no mentions, so it is the bare id.
fn person(user: &str) -> String {
    user.to_owned()
}

/// The card's buttons, one to a row because labels are long.
fn keyboard(card: &Card, revision: &Revision) -> Vec<Value> {
    let button = |(index, option): (usize, &String)| json!([{"text": cut(option, MAX_LABEL, char::len_utf16), "callback_data": button_id(&card.id, revision, index)}]);
    card.options.iter().enumerate().map(button).collect()
}

/// The id of a chat: a number, or the `@name` of a channel.
fn chat(channel: &str) -> Value {
    channel
        .parse::<i64>()
        .map_or_else(|_| channel.into(), Value::from)
}

/// The id of a message as a number.
fn number(message: &str) -> Value {
    chat(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AgentId, ChannelId, ConversationId, InteractionId};

    fn telegram() -> Telegram {
        let secret = r#"{"bot_token": "1:x", "secret_token": ["a", "b"]}"#;
        Telegram::new(String::new(), &secret.into()).unwrap()
    }

    fn card(question: &str) -> Card {
        let payload =
            json!({"kind": "question", "question": question, "options": ["*a*", "x".repeat(75)]});
        let id = InteractionId::parse("q".repeat(48)).unwrap();
        let agent = AgentId::parse("coder").unwrap();
        Card::new(
            &id,
            &UserId::parse("111").unwrap(),
            &agent,
            &payload.try_into().unwrap(),
        )
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
        assert!(text.chars().map(char::len_utf16).sum::<usize>() <= MAX_TEXT);
        assert!(text.ends_with("Agent coder asks 111") && text.contains('\u{2026}'));
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
        assert!(
            edit["text"]
                .as_str()
                .unwrap()
                .chars()
                .map(char::len_utf16)
                .sum::<usize>()
                <= MAX_TEXT
        );
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
        for (channel, conversation) in [
            ("111", "7"),
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
