//! Discord: its HTTP API and its signed interactions (docs.discord.com/developers).

use super::call::{ApiCall, Reply, located, refused};
use super::card::cut;
use super::{
    Acknowledgement, Button, Call, Card, ChatPlatform, Click, Ending, Form, Verdict, button_id,
    malformed_secret,
};
use crate::authority::signature::{DiscordRequest, OneOrMany, Verified};
use crate::error::{Code, Error};
use crate::id::{ConnectionId, Revision, UserId};
use crate::question::{CardAddress, ClickKey, Place};
use crate::wire::event::Incoming;
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

// Limits of a message, an embed and a button, in characters.
const MAX_CONTENT: usize = 2000;
const MAX_DESCRIPTION: usize = 4096;
const MAX_LABEL: usize = 80;
const BUTTONS_IN_A_ROW: usize = 5;

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

    fn call(&self, name: &'static str, method: Method, path: &str, body: Value) -> ApiCall {
        ApiCall {
            name,
            method,
            url: format!("{}{path}", self.api).into(),
            authorization: Some(format!("Bot {}", self.secret.bot_token.expose_secret()).into()),
            body,
            repeatable: false,
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

    fn read(&self, incoming: &Incoming, _: &Value) -> Result<Call, Error> {
        let interaction: Value =
            serde_json::from_slice(&incoming.body).map_err(|_| Code::InvalidJson)?;
        let named = interaction["application_id"].as_str();
        if let (Some(own), Some(named)) = (self.secret.application_id.as_deref(), named)
            && own != named
        {
            return Err(Code::InvalidSignature.because("the interaction is of another application"));
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
        let person = mention(card.user.as_str());
        let mut body = json!({"allowed_mentions": mentions(card.user.as_str())});
        match form {
            Form::Buttons => {
                body["content"] = format!("Agent {} asks {person}", escape(&card.agent)).into();
                body["embeds"] = json!([embed(card, None)]);
                body["components"] = rows(card, revision).into();
            }
            Form::Text => {
                let text = format!("{person}\n{}", escape(&card.plain()));
                body["content"] = cut(&text, MAX_CONTENT, |_| 1).into();
            }
        }
        // Discord posts a message only once per nonce, so a post without a response can be repeated. The plain text
        // that follows a refused card is another message and gets no nonce.
        if form == Form::Buttons {
            body["nonce"] = revision.as_str().into();
            body["enforce_nonce"] = true.into();
        }
        let path = format!("/channels/{}/messages", segment(place.channel.as_str()));
        let repeatable = body.get("nonce").is_some();
        ApiCall {
            repeatable,
            ..self.call("create message", Method::POST, &path, body)
        }
    }

    fn receipt(&self, at: &CardAddress, ending: &Ending) -> ApiCall {
        let body = json!({
            "content": cut(&ending.sentence(mention, escape), MAX_CONTENT, |_| 1),
            "allowed_mentions": {"parse": []},
            "message_reference": {"message_id": at.message(), "fail_if_not_exists": false},
        });
        let path = format!("/channels/{}/messages", segment(at.channel()));
        self.call("create message", Method::POST, &path, body)
    }

    fn edit(&self, at: &CardAddress, card: &Card, ending: &Ending) -> ApiCall {
        let (channel, message) = (segment(at.channel()), segment(at.message()));
        let path = format!("/channels/{channel}/messages/{message}");
        self.call("edit message", Method::PATCH, &path, edited(card, ending))
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

    fn reply(&self, status: StatusCode, body: &[u8]) -> Reply {
        // A body that is not JSON lacks the fields below, so it counts as not Discord's.
        let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        if !status.is_success() {
            return refused(status, answer["message"].as_str());
        }
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        match text("channel_id").zip(text("id")) {
            Some((channel, message)) => located(channel, message),
            None => Reply::Unknown("the answer is not Discord's".into()),
        }
    }
}

/// The click, if the interaction is a click on one of Postern's buttons.
fn click(interaction: &Value) -> Option<Click> {
    let button = Button::parse(interaction["data"]["custom_id"].as_str()?)?;
    // In a server the clicker is in `member`, in a direct message in `user`.
    let user = interaction["member"]["user"]["id"]
        .as_str()
        .or(interaction["user"]["id"].as_str())?;
    let click_id = interaction["id"].as_str()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let message = &interaction["message"];
    let channel = text(&interaction["channel_id"]).or_else(|| text(&message["channel_id"]));
    Some(Click {
        user: UserId::parse(user).ok()?,
        interaction: button.interaction,
        revision: button.revision,
        choice: button.choice,
        key: ClickKey::from_parts(&[click_id]),
        card: channel
            .zip(text(&message["id"]))
            .and_then(|(channel, message)| CardAddress::new(channel, message)),
        id: click_id.to_owned(),
    })
}

/// The card's buttons, five to a row.
fn rows(card: &Card, revision: &Revision) -> Vec<Value> {
    let buttons: Vec<Value> = card
        .options
        .iter()
        .enumerate()
        .map(|(index, option)| {
            json!({"type": 2, "style": 2, "label": cut(option, MAX_LABEL, |_| 1), "custom_id": button_id(&card.id, revision, index)})
        })
        .collect();
    buttons
        .chunks(BUTTONS_IN_A_ROW)
        .map(|row| json!({"type": 1, "components": row}))
        .collect()
}

/// The card's text in an embed, where mentions notify nobody. Markup is escaped.
fn embed(card: &Card, ending: Option<&Ending>) -> Value {
    let ending = ending.map_or_else(String::new, |ending| {
        let sentence = ending.sentence(mention, escape);
        format!("\n\n{}", cut(&sentence, 400, |_| 1))
    });
    let text = match &card.detail {
        Some(detail) => format!("{}\n\n{detail}", card.text),
        None => card.text.clone(),
    };
    let text = escape(text.trim_end());
    let room = MAX_DESCRIPTION - ending.chars().count();
    json!({"description": format!("{}{ending}", cut(&text, room, |_| 1))})
}

/// The message after the card has ended.
fn edited(card: &Card, ending: &Ending) -> Value {
    json!({
        "content": "",
        "embeds": [embed(card, Some(ending))],
        "components": [],
        "allowed_mentions": {"parse": []},
    })
}

/// Allows only the person who is asked to be mentioned.
fn mentions(user: &str) -> Value {
    if is_snowflake(user) {
        json!({"parse": [], "users": [user]})
    } else {
        json!({"parse": []})
    }
}

/// The person as a mention, if the id is one of Discord's.
fn mention(user: &str) -> String {
    if is_snowflake(user) {
        format!("<@{user}>")
    } else {
        escape(user)
    }
}

/// Whether the text has the form of Discord's ids.
fn is_snowflake(id: &str) -> bool {
    (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// An id, encoded as one segment of a path.
fn segment(id: &str) -> percent_encoding::PercentEncode<'_> {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC)
}

/// Escapes Discord's Markdown, and characters that begin a mention or a link.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(
            c,
            '\\' | '*'
                | '_'
                | '~'
                | '`'
                | '|'
                | '>'
                | '<'
                | '#'
                | '-'
                | '['
                | ']'
                | '('
                | ')'
                | '@'
                | ':'
        ) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AgentId, ChannelId, ConversationId, InteractionId};

    fn discord() -> Discord {
        let secret = r#"{"bot_token": "x", "public_key": "00", "application_id": "9"}"#;
        Discord::new(String::new(), &secret.into()).unwrap()
    }

    fn card(question: &str, options: usize) -> Card {
        let payload = json!({"kind": "question", "question": question, "options": vec!["y".repeat(75); options]});
        let id = InteractionId::parse("q".repeat(48)).unwrap();
        let agent = AgentId::parse("coder").unwrap();
        Card::new(
            &id,
            &UserId::parse("222").unwrap(),
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
        assert!(description.starts_with("\\*\\@everyone\\*"));
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
        assert!(call.repeatable && call.body["enforce_nonce"] == true);
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
