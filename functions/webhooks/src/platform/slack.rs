//! Slack: its Web API, and its signed `block_actions` (docs.slack.dev).

use super::{API_TIMEOUT, Call, Card, Click, Message, Posted, button, malformed_secret};
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use percent_encoding::percent_decode;
use postern::egress::{Egress, SendError};
use postern::event::Incoming;
use postern::signature::{SlackRequest, Verified};
use postern::store::{ClickKey, Connection};
use postern::{Code, Error, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

const API: &str = "https://slack.com/api";
/// Slack's answers are small; a larger one is not Slack's.
const ANSWER_LIMIT: usize = 1 << 20;
const LONGEST_FALLBACK: usize = 3000;

/// One workspace.
pub struct Slack<'a> {
    egress: &'a Egress<Full<Bytes>>,
    secret: ConnectionSecret,
    api: String,
}

#[derive(Deserialize)]
struct ConnectionSecret {
    bot_token: SecretString,
    signing_secret: OneOrMany,
}

/// A list while a secret is being rotated.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(SecretString),
    Many(Vec<SecretString>),
}

impl OneOrMany {
    fn as_slice(&self) -> &[SecretString] {
        match self {
            Self::One(secret) => std::slice::from_ref(secret),
            Self::Many(secrets) => secrets,
        }
    }
}

impl<'a> Slack<'a> {
    pub fn new(
        egress: &'a Egress<Full<Bytes>>,
        connection: &Connection,
        secret: &SecretString,
    ) -> Result<Self, Error> {
        let secret =
            serde_json::from_str(secret.expose_secret()).map_err(|_| malformed_secret())?;
        let api = connection
            .config
            .get("api_base_url")
            .and_then(Value::as_str)
            .unwrap_or(API);
        Ok(Self {
            egress,
            secret,
            api: api.trim_end_matches('/').to_owned(),
        })
    }

    pub fn verify(
        &self,
        incoming: &Incoming,
        connection: &Connection,
        now: i64,
    ) -> Result<Verified, Error> {
        SlackRequest {
            timestamp: incoming.header("x-slack-request-timestamp"),
            signature: incoming.header("x-slack-signature"),
            body: &incoming.body,
        }
        .verify(connection.id(), self.secret.signing_secret.as_slice(), now)
    }

    pub fn read(&self, incoming: &Incoming, connection: &Connection) -> Result<Call, Error> {
        if incoming.is("application/json") {
            let event: Value =
                serde_json::from_slice(&incoming.body).map_err(|_| Code::InvalidJson)?;
            return Ok(match (event["type"].as_str(), &event["challenge"]) {
                (Some("url_verification"), Value::String(challenge)) => {
                    Call::Challenge(json!({"challenge": challenge}))
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
        same_workspace(&payload, &connection.config)?;
        Ok(click(&payload).map_or(Call::Other, Call::Click))
    }

    pub async fn post(&self, card: &Card) -> Posted {
        let mut message = self.message(card);
        message["blocks"] = blocks(card);
        self.call("chat.postMessage", &message).await
    }

    pub async fn post_text(&self, card: &Card) -> Posted {
        self.call("chat.postMessage", &self.message(card)).await
    }

    pub async fn settle(&self, message: &Message, payload: &Value, answer: &Value) {
        let question = payload["question"].as_str().unwrap_or_default();
        let value = answer["value"].as_str().unwrap_or_default();
        let user = answer["user_id"].as_str().unwrap_or_default();
        let outcome = format!("{} answered: {}", mention(user), escape(value));
        let receipt = json!({
            "channel": message.channel, "thread_ts": message.id, "text": outcome, "unfurl_links": false,
        });
        let card = json!({
            "channel": message.channel,
            "ts": message.id,
            "text": escape(question),
            "blocks": [plain(question), {"type": "context", "elements": [{"type": "mrkdwn", "text": outcome}]}],
        });
        let both = futures_util::future::join(
            self.call("chat.postMessage", &receipt),
            self.call("chat.update", &card),
        );
        let (receipt, card) = both.await;
        for (what, posted) in [("receipt", receipt), ("card", card)] {
            if let Posted::Refused(why) | Posted::Unknown(why) = posted {
                tracing::warn!(event = "settle_failed", what, cause = why);
            }
        }
    }

    fn message(&self, card: &Card) -> Value {
        let options: Vec<String> = card
            .options
            .iter()
            .map(|option| format!("\u{2022} {}", escape(option)))
            .collect();
        let text = format!("{}\n{}", escape(&card.question), options.join("\n"));
        let mut message = json!({
            "channel": card.channel,
            "text": text.chars().take(LONGEST_FALLBACK).collect::<String>(),
            "unfurl_links": false,
            "unfurl_media": false,
        });
        // A conversation that is a Slack thread is named by its first message's timestamp.
        if is_timestamp(&card.conversation) {
            message["thread_ts"] = card.conversation.as_str().into();
        }
        message
    }

    async fn call(&self, method: &str, body: &Value) -> Posted {
        match tokio::time::timeout(API_TIMEOUT, self.exchange(method, body)).await {
            Ok(posted) => posted,
            Err(_) => Posted::Unknown(format!("{method}: no answer in time")),
        }
    }

    async fn exchange(&self, method: &str, body: &Value) -> Posted {
        let refused = |why: String| Posted::Refused(format!("{method}: {why}"));
        let unknown = |why: String| Posted::Unknown(format!("{method}: {why}"));
        let Ok(mut token) =
            HeaderValue::from_str(&format!("Bearer {}", self.secret.bot_token.expose_secret()))
        else {
            return refused("the bot token cannot stand in a header".into());
        };
        token.set_sensitive(true);
        let request = Request::post(format!("{}/{method}", self.api))
            .header(header::AUTHORIZATION, token)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(Full::from(body.to_string()));
        let request = match request {
            Ok(request) => request,
            Err(error) => return refused(error.to_string()),
        };
        let response = match self.egress.send(request).await {
            Ok(response) => response,
            Err(SendError::Refused(error)) => return refused(error.cause().unwrap_or_default()),
            Err(SendError::Broken(error)) => return unknown(error.cause().unwrap_or_default()),
        };
        if !response.status().is_success() {
            return refused(format!("status {}", response.status().as_u16()));
        }
        let answer = match Limited::new(response.into_body(), ANSWER_LIMIT)
            .collect()
            .await
        {
            Ok(answer) => answer.to_bytes(),
            Err(error) => return unknown(error.to_string()),
        };
        match serde_json::from_slice::<Answer>(&answer) {
            Ok(Answer { ok: true, .. }) => Posted::Done,
            Ok(Answer { error, .. }) => refused(error.unwrap_or_default()),
            Err(_) => unknown("the answer is not Slack's".into()),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    error: Option<String>,
}

/// One signing secret serves many workspaces, so the payload must name this connection's own.
fn same_workspace(payload: &Value, config: &Value) -> Result<(), Error> {
    let team = payload["team"]["id"]
        .as_str()
        .or(payload["user"]["team_id"].as_str());
    for (own, named) in [
        ("team_id", team),
        ("api_app_id", payload["api_app_id"].as_str()),
    ] {
        if let Some(expected) = config.get(own).filter(|expected| !expected.is_null())
            && expected.as_str() != named
        {
            return Err(Error::from(Code::InvalidSignature)
                .because("the payload is of another workspace or app"));
        }
    }
    Ok(())
}

/// The click, if the payload is one on a button of ours.
fn click(payload: &Value) -> Option<Click> {
    if payload["type"] != "block_actions" {
        return None;
    }
    let action = &payload["actions"][0];
    let action_id = action["action_id"].as_str()?;
    let (interaction, choice) = button(action_id)?;
    let user = payload["user"]["id"].as_str()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let container = &payload["container"];
    let channel = text(&container["channel_id"])
        .or_else(|| text(&payload["channel"]["id"]))
        .unwrap_or_default();
    let message = text(&container["message_ts"])
        .or_else(|| text(&payload["message"]["ts"]))
        .unwrap_or_default();
    let key = match action["action_ts"].as_str() {
        Some(at) => ClickKey::of(&[at, &message, action_id, user]),
        None => ClickKey::of(&[&payload.to_string()]),
    };
    Some(Click {
        user: UserId::parse(user).ok()?,
        interaction,
        choice,
        key,
        message: Message {
            channel,
            id: message,
        },
    })
}

/// A field of a form (application/x-www-form-urlencoded), decoded.
fn field(body: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    body.split(|byte| *byte == b'&').find_map(|pair| {
        let value = pair.strip_prefix(name)?.strip_prefix(b"=")?;
        let spaced: Vec<u8> = value
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        Some(percent_decode(&spaced).collect())
    })
}

/// Tenants' text is plain text, so no markup or mention in it is ever read as one.
fn plain(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "plain_text", "text": text, "emoji": false}})
}

fn blocks(card: &Card) -> Value {
    let buttons: Vec<Value> = card
        .options
        .iter()
        .enumerate()
        .map(|(index, option)| {
            json!({
                "type": "button",
                "text": {"type": "plain_text", "text": option, "emoji": false},
                "action_id": format!("question:{}:{index}", card.id),
                "value": index.to_string(),
            })
        })
        .collect();
    json!([
        plain(&card.question),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": format!("For {}", mention(card.user.as_str()))}]},
        {"type": "actions", "block_id": format!("question:{}", card.id), "elements": buttons},
    ])
}

/// The person, as a mention where the id is one of Slack's.
fn mention(user: &str) -> String {
    if !user.is_empty()
        && user
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    {
        format!("<@{user}>")
    } else {
        escape(user)
    }
}

/// Slack's three control characters in `mrkdwn` text.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn is_timestamp(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.')
        .is_some_and(|(seconds, micros)| digits(seconds) && digits(micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern::InteractionId;

    fn card(question: &str) -> Card {
        Card {
            id: InteractionId::parse("q-1").unwrap(),
            user: UserId::parse("U1").unwrap(),
            channel: "C1".into(),
            conversation: "1700000000.000100".into(),
            question: question.into(),
            options: vec!["<!channel>".into(), "No".into()],
        }
    }

    #[test]
    fn tenants_text_is_never_markup() {
        let blocks = blocks(&card("*<!everyone>* <https://evil.example|click>"));
        for text in [&blocks[0]["text"], &blocks[2]["elements"][0]["text"]] {
            assert_eq!(text["type"], "plain_text");
        }
        assert_eq!(escape("<!channel> & co"), "&lt;!channel&gt; &amp; co");
        assert_eq!(mention("U1><!channel>"), "U1&gt;&lt;!channel&gt;");
    }

    #[test]
    fn a_click_is_read_and_anything_else_is_not_ours() {
        let payload = json!({
            "type": "block_actions", "user": {"id": "U1"}, "container": {"channel_id": "C1", "message_ts": "1.2"},
            "actions": [{"action_id": "question:q-1:1", "action_ts": "3.4", "value": "ignored"}],
        });
        let click = click(&payload).unwrap();
        assert_eq!(
            (
                click.user.as_str(),
                click.choice.0,
                click.message.id.as_str()
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
            assert!(super::click(&other).is_none(), "{pointer}");
        }
    }

    #[test]
    fn the_payload_names_the_connections_own_workspace_and_app() {
        let payload = json!({"team": {"id": "T1"}, "api_app_id": "A1"});
        assert!(same_workspace(&payload, &json!({})).is_ok());
        assert!(same_workspace(&payload, &json!({"team_id": "T1", "api_app_id": "A1"})).is_ok());
        for config in [
            json!({"team_id": "T2"}),
            json!({"api_app_id": "A2"}),
            json!({"team_id": 1}),
        ] {
            assert!(same_workspace(&payload, &config).is_err(), "{config}");
        }
        assert!(same_workspace(&json!({}), &json!({"team_id": "T1"})).is_err());
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
