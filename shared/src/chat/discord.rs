//! Discord: its HTTP API and its signed interactions (docs.discord.com/developers).

mod answer;
mod card;
mod check;
mod click;
pub(super) mod errors;

use super::call::{Answered, ApiCall, Instead, Purpose, Reply};
use super::cut::{cut, units};
use super::{
    Acknowledgement, Call, Card, ChatPlatform, Click, Differs, Ending, Form, Verdict,
    malformed_secret,
};
use crate::authority::Connection;
use crate::authority::signature::{DiscordRequest, OneOrMany, Verified};
use crate::error::{Code, Error};
use crate::id::{ConnectionId, Revision};
use crate::question::{CardAddress, Place};
use crate::rate::{Rate, Rates};
use crate::wire::event::Incoming;
use card::{MAX_CONTENT, edited, escape, mention, mentions, message, rows, text};
use click::click;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

// Types of an interaction.
const PING: u64 = 1;
const MESSAGE_COMPONENT: u64 = 3;
// Types of an answer to an interaction.
const PONG: u64 = 1;
const CHANNEL_MESSAGE: u64 = 4;
const DEFERRED_UPDATE: u64 = 6;
const UPDATE_MESSAGE: u64 = 7;
/// The flag of a message that only the clicker sees.
const EPHEMERAL: u64 = 1 << 6;

/// One Discord application.
pub(super) struct Discord {
    secret: ConnectionSecret,
    api: String,
}

/// The connection's secret, a JSON object.
#[derive(Deserialize)]
struct ConnectionSecret {
    bot_token: SecretString,
    public_key: OneOrMany,
    #[serde(default)]
    application_id: Option<String>,
}

impl Discord {
    /// An application with this secret, whose API is at the address `api`.
    ///
    /// # Errors
    /// `secret_unavailable` if the secret does not have the expected form.
    pub(super) fn new(api: String, secret: &SecretString) -> Result<Self, Error> {
        let secret =
            serde_json::from_str(secret.expose_secret()).map_err(|_| malformed_secret())?;
        Ok(Self { secret, api })
    }

    /// A call about the channel; `path` is what follows the channel's own.
    fn call(&self, purpose: Purpose, channel: &str, path: &str, body: Value) -> ApiCall {
        let (name, method) = match purpose {
            Purpose::Card | Purpose::Text | Purpose::Receipt | Purpose::Note => {
                ("create message", Method::POST)
            }
            Purpose::Edit => ("edit message", Method::PATCH),
            Purpose::Delete => ("delete message", Method::DELETE),
            Purpose::Reopen => ("open thread", Method::PATCH),
            Purpose::Read => ("read", Method::GET),
        };
        ApiCall {
            purpose,
            channel: Some(channel.to_owned()),
            once: body.get("nonce").is_some(),
            name,
            method,
            url: format!("{}/channels/{}{path}", self.api, segment(channel)).into(),
            authorization: Some(format!("Bot {}", self.secret.bot_token.expose_secret()).into()),
            body,
        }
    }
}

impl ChatPlatform for Discord {
    fn verify(
        &self,
        incoming: &Incoming,
        connection: &ConnectionId,
        now: i64,
    ) -> Result<Verified, Error> {
        DiscordRequest {
            timestamp: incoming.header("x-signature-timestamp"),
            signature: incoming.header("x-signature-ed25519"),
            body: &incoming.body,
        }
        .verify(connection, self.secret.public_key.as_slice(), now)
    }

    fn read(&self, incoming: &Incoming, connection: &Connection) -> Result<Call, Error> {
        let interaction: Value =
            serde_json::from_slice(&incoming.body).map_err(|_| Code::InvalidJson)?;
        let named = interaction["application_id"].as_str();
        if let (Some(own), Some(named)) = (self.secret.application_id.as_deref(), named)
            && own != named
        {
            let differs = Differs::new("application_id", own, Some(named));
            return Err(differs.logged(connection.id()));
        }
        Ok(match interaction["type"].as_u64() {
            Some(PING) => Call::Answered(json!({"type": PONG})),
            Some(MESSAGE_COMPONENT) => match click(&interaction) {
                Some(click) => Call::Click(click),
                None => Call::Answered(json!({"type": DEFERRED_UPDATE})),
            },
            _ => Call::Other,
        })
    }

    fn post(&self, card: &Card, place: &Place, revision: &Revision, form: Form) -> ApiCall {
        let mut body = json!({"allowed_mentions": mentions(card.user.as_str())});
        match form {
            Form::Buttons => {
                let (content, embeds) = message(card, None);
                body["content"] = content.into();
                if !embeds.is_empty() {
                    body["embeds"] = embeds.into();
                }
                body["components"] = rows(card, revision).into();
            }
            Form::Text => body["content"] = text(card).into(),
        }
        // Discord posts a message only once per nonce, so a post without a response can be repeated. The plain text
        // that follows a refused card is another message and gets no nonce.
        if form == Form::Buttons {
            body["nonce"] = revision.as_str().into();
            body["enforce_nonce"] = true.into();
        }
        let purpose = match form {
            Form::Buttons => Purpose::Card,
            Form::Text => Purpose::Text,
        };
        self.call(purpose, place.channel.as_str(), "/messages", body)
    }

    fn receipt(&self, at: &CardAddress, ending: &Ending) -> ApiCall {
        let body = json!({
            "content": cut(&ending.sentence(mention, escape), MAX_CONTENT, units),
            "allowed_mentions": {"parse": []},
            "message_reference": {"message_id": at.message(), "fail_if_not_exists": false},
        });
        self.call(Purpose::Receipt, at.channel(), "/messages", body)
    }

    fn edit(&self, at: &CardAddress, card: &Card, ending: &Ending) -> ApiCall {
        let path = format!("/messages/{}", segment(at.message()));
        self.call(Purpose::Edit, at.channel(), &path, edited(card, ending))
    }

    /// The answer to the interaction contains the edit of the card, which saves a call.
    fn acknowledge(&self, _: &Click, verdict: &Verdict<'_>) -> Acknowledgement {
        let (answer, edits_card) = match verdict {
            Verdict::Ignored => (json!({"type": DEFERRED_UPDATE}), false),
            Verdict::Ended(card, ending) => (
                json!({"type": UPDATE_MESSAGE, "data": edited(card, ending)}),
                true,
            ),
            Verdict::Late(why) => (
                json!({"type": CHANNEL_MESSAGE, "data": {"content": why, "flags": EPHEMERAL, "allowed_mentions": {"parse": []}}}),
                false,
            ),
        };
        Acknowledgement {
            answer: Some(answer),
            edits_card,
            follow_up: None,
        }
    }

    fn reply(&self, call: &ApiCall, answer: &Answered<'_>) -> Reply {
        answer::read(call, answer)
    }

    fn instead(&self, call: ApiCall, how: &Instead) -> Option<Vec<ApiCall>> {
        match how {
            Instead::NoReference => call.without("message_reference").map(|call| vec![call]),
            Instead::Reopened => {
                let channel = call.channel.clone()?;
                let open = self.call(Purpose::Reopen, &channel, "", json!({"archived": false}));
                Some(vec![open, call])
            }
            Instead::Chat(_) | Instead::NoThread | Instead::NoEntities => None,
        }
    }

    /// Discord gives the rates in its answers and asks not to rely on numbers
    /// (docs.discord.com/developers/topics/rate-limits). It has long been 5 messages in 5 seconds to a channel, and is
    /// 50 calls a second of a bot.
    fn rates(&self, _: &str) -> Rates {
        Rates {
            channel: Rate::one_in(Duration::from_secs(1)),
            bot: Rate::burst(10, Duration::from_millis(25)),
        }
    }
}

/// An id, encoded as one segment of a path.
fn segment(id: &str) -> percent_encoding::PercentEncode<'_> {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC)
}

#[cfg(test)]
mod tests {
    use super::card::MAX_DESCRIPTION;
    use super::*;
    use crate::id::{ChannelId, ConversationId, InteractionId};

    fn discord() -> Discord {
        let secret = r#"{"bot_token": "x", "public_key": "00", "application_id": "9"}"#;
        Discord::new(String::new(), &secret.into()).unwrap()
    }

    fn card(question: &str, options: usize) -> Card {
        let payload = json!({"kind": "question", "question": question, "options": vec!["y".repeat(75); options]});
        let mut card = Card::for_test("222", payload);
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
    fn a_card_stays_within_discords_limits_and_mentions_the_asked_alone() {
        let revision = Revision::new();
        let call = discord().post(
            &card(&"*@everyone*".repeat(272), 25),
            &place("3/../4", "c"),
            &revision,
            Form::Buttons,
        );
        let description = call.body["embeds"][0]["description"].as_str().unwrap();
        assert!(description.chars().count() <= MAX_DESCRIPTION);
        assert!(description.contains("\\*\\@everyone\\*"));
        let content = call.body["content"].as_str().unwrap();
        assert!(content.chars().count() <= MAX_CONTENT);
        assert!(content.contains("\n\n> \\*\\@everyone\\*"), "{content}");
        let rows = call.body["components"].as_array().unwrap();
        assert_eq!(rows.len(), 5);
        assert!(
            rows.iter()
                .all(|row| row["components"].as_array().unwrap().len() == 5)
        );
        assert_eq!(
            rows[4]["components"][4]["custom_id"],
            format!("q:{}:{revision}:24", "q".repeat(48))
        );
        assert_eq!(
            call.body["allowed_mentions"],
            json!({"parse": [], "users": ["222"]})
        );
        assert!(call.once && call.body["enforce_nonce"] == true);
        assert!(
            call.url
                .expose_secret()
                .ends_with("/channels/3%2F%2E%2E%2F4/messages")
        );
        let text = discord().post(
            &card(&"*".repeat(3000), 25),
            &place("3", "c"),
            &revision,
            Form::Text,
        );
        assert!(text.body["content"].as_str().unwrap().chars().count() <= MAX_CONTENT);
    }

    #[test]
    fn a_click_is_read_in_a_server_and_in_a_direct_message() {
        let guild = json!({"type": 3, "id": "5", "channel_id": "3", "member": {"user": {"id": "222"}},
            "data": {"custom_id": "q:q-1:abcdef:1", "component_type": 2}, "message": {"id": "8"}});
        let mut direct = guild.clone();
        direct["user"] = json!({"id": "222"});
        direct.as_object_mut().unwrap().remove("member");
        for interaction in [&guild, &direct] {
            let read = click(interaction).unwrap();
            assert_eq!((read.user.as_str(), read.choice.0), ("222", 1));
            assert_eq!(read.card, CardAddress::new("3", "8"));
        }
        // The message that a thread was made from, clicked in the thread.
        let mut above = guild.clone();
        above["message"]["channel_id"] = "2".into();
        assert_eq!(click(&above).unwrap().card, CardAddress::new("2", "8"));
        for (pointer, value) in [
            ("/data/custom_id", json!("x")),
            ("/member/user/id", Value::Null),
            ("/id", json!(5)),
        ] {
            let mut other = guild.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            assert!(click(&other).is_none(), "{pointer}");
        }
    }
}
