//! Slack: its Web API and its signed `block_actions` (docs.slack.dev).

use super::call::{ApiCall, Reply, located, no_reason, refused};
use super::card::cut;
use super::{
    Acknowledgement, Button, Call, Card, ChatPlatform, Click, Ending, Form, Verdict, button_id,
    malformed_secret,
};
use crate::authority::signature::{OneOrMany, SlackRequest, Verified};
use crate::error::{Code, Error};
use crate::id::{ConnectionId, Revision, UserId};
use crate::question::{CardAddress, ClickKey, Place};
use crate::wire::event::Incoming;
use http::{Method, StatusCode};
use percent_encoding::percent_decode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

// Limits of a text block and of a button, in characters.
const MAX_TEXT: usize = 3000;
const MAX_LABEL: usize = 75;

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

    fn call(&self, method: &'static str, body: Value) -> ApiCall {
        ApiCall {
            name: method,
            method: Method::POST,
            url: format!("{}/{method}", self.api).into(),
            authorization: Some(format!("Bearer {}", self.secret.bot_token.expose_secret()).into()),
            body,
            repeatable: false,
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

    fn read(&self, incoming: &Incoming, config: &Value) -> Result<Call, Error> {
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
        same_workspace(&payload, config)?;
        Ok(click(&payload).map_or(Call::Other, Call::Click))
    }

    fn post(&self, card: &Card, place: &Place, revision: &Revision, form: Form) -> ApiCall {
        let mut message = json!({
            "channel": place.channel,
            "text": cut(&escape(&card.plain()), MAX_TEXT, |_| 1),
            "mrkdwn": false,
            "unfurl_links": false,
            "unfurl_media": false,
        });
        // A Slack thread is named by the timestamp of its first message.
        let conversation = place.conversation.as_str();
        if is_timestamp(conversation) {
            message["thread_ts"] = conversation.into();
        }
        if form == Form::Buttons {
            message["blocks"] = blocks(card, revision);
        }
        self.call("chat.postMessage", message)
    }

    fn receipt(&self, at: &CardAddress, ending: &Ending) -> ApiCall {
        let body = json!({
            "channel": at.channel(),
            "thread_ts": at.message(),
            "text": ending.sentence(mention, escape),
            "blocks": [outcome(ending)],
            "unfurl_links": false,
        });
        self.call("chat.postMessage", body)
    }

    fn edit(&self, at: &CardAddress, card: &Card, ending: &Ending) -> ApiCall {
        let mut blocks = texts(card);
        blocks.push(outcome(ending));
        let body = json!({
            "channel": at.channel(),
            "ts": at.message(),
            "text": cut(&format!("{}\n{}", escape(&card.text), ending.sentence(mention, escape)), MAX_TEXT, |_| 1),
            "blocks": blocks,
        });
        self.call("chat.update", body)
    }

    fn acknowledge(&self, click: &Click, verdict: &Verdict<'_>) -> Acknowledgement {
        // Slack shows a note to one person only through an API call, and only in the card's channel.
        let follow_up = match (verdict, &click.card) {
            (Verdict::Late(why), Some(card)) => Some(self.call(
                "chat.postEphemeral",
                json!({"channel": card.channel(), "user": click.user, "text": why}),
            )),
            _ => None,
        };
        Acknowledgement {
            answer: None,
            edits_card: false,
            follow_up,
        }
    }

    fn reply(&self, status: StatusCode, body: &[u8]) -> Reply {
        let answer = serde_json::from_slice::<Answer>(body);
        if !status.is_success() {
            let error = answer.ok().and_then(|answer| answer.error);
            return refused(status, error.as_deref());
        }
        match answer {
            Ok(Answer {
                ok: true,
                channel,
                ts,
                ..
            }) => match channel.zip(ts) {
                Some((channel, message)) => located(channel, message),
                None => Reply::Done(None),
            },
            Ok(Answer { error, .. }) => Reply::Refused(error.unwrap_or_else(no_reason)),
            Err(_) => Reply::Unknown("the answer is not Slack's".into()),
        }
    }
}

/// A response of the Web API.
#[derive(Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    ts: Option<String>,
}

/// Checks that the payload is from the connection's own workspace and app. This is needed because all workspaces of
/// an app share one signing secret.
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
            return Err(
                Code::InvalidSignature.because("the payload is of another workspace or app")
            );
        }
    }
    Ok(())
}

/// The click, if the payload is a click on one of Postern's buttons.
fn click(payload: &Value) -> Option<Click> {
    if payload["type"] != "block_actions" {
        return None;
    }
    let action = &payload["actions"][0];
    let action_id = action["action_id"].as_str()?;
    let button = Button::parse(action_id)?;
    let user = payload["user"]["id"].as_str()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let container = &payload["container"];
    let channel = text(&container["channel_id"]).or_else(|| text(&payload["channel"]["id"]));
    let message = text(&container["message_ts"]).or_else(|| text(&payload["message"]["ts"]));
    let key = match action["action_ts"].as_str() {
        Some(at) => {
            // Without a message, an empty part keeps its place, so that keys stay unambiguous.
            let message = message.as_deref().unwrap_or("");
            ClickKey::from_parts(&[at, message, action_id, user])
        }
        None => ClickKey::from_parts(&[&payload.to_string()]),
    };
    Some(Click {
        user: UserId::parse(user).ok()?,
        interaction: button.interaction,
        revision: button.revision,
        choice: button.choice,
        key,
        card: channel
            .zip(message)
            .and_then(|(channel, message)| CardAddress::new(channel, message)),
        id: String::new(),
    })
}

/// The decoded value of a field in a form (application/x-www-form-urlencoded).
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

/// A section with tenants' text, as plain text so that Slack reads no markup or mention in it.
fn plain(text: &str) -> Value {
    let text = cut(text, MAX_TEXT, |_| 1);
    json!({"type": "section", "text": {"type": "plain_text", "text": text, "emoji": false}})
}

/// A context block with `mrkdwn` text.
fn context(markup: &str) -> Value {
    json!({"type": "context", "elements": [{"type": "mrkdwn", "text": cut(markup, MAX_TEXT, |_| 1)}]})
}

/// A block that says how the card ended. The person is a mention, which needs `mrkdwn`. The answer is a tenant's
/// text and stays plain text, because `mrkdwn` reads styles, links and channels even in escaped text.
fn outcome(ending: &Ending) -> Value {
    match ending {
        Ending::Answered { user, value } if !value.is_empty() => {
            let mut outcome = context(&format!("{} answered:", mention(user.as_str())));
            if let Some(elements) = outcome["elements"].as_array_mut() {
                let text = cut(value, MAX_TEXT, |_| 1);
                elements.push(json!({"type": "plain_text", "text": text, "emoji": false}));
            }
            outcome
        }
        Ending::Answered { .. } | Ending::Withdrawn | Ending::Expired | Ending::AskedAnew => {
            context(&ending.sentence(mention, escape))
        }
    }
}

/// The sections of the question and its arguments.
fn texts(card: &Card) -> Vec<Value> {
    [Some(card.text.as_str()), card.detail.as_deref()]
        .into_iter()
        .flatten()
        .map(plain)
        .collect()
}

/// The blocks of a card with buttons.
fn blocks(card: &Card, revision: &Revision) -> Value {
    let buttons: Vec<Value> = card
        .options
        .iter()
        .enumerate()
        .map(|(index, option)| {
            json!({
                "type": "button",
                "text": {"type": "plain_text", "text": cut(option, MAX_LABEL, |_| 1), "emoji": false},
                "action_id": button_id(&card.id, revision, index),
                "value": index.to_string(),
            })
        })
        .collect();
    let mut blocks = texts(card);
    let asks = format!(
        "Agent {} asks {}",
        escape(&card.agent),
        mention(card.user.as_str())
    );
    blocks.push(context(&asks));
    blocks.push(json!({"type": "actions", "block_id": format!("q:{}:{revision}", card.id), "elements": buttons}));
    blocks.into()
}

/// The person as a mention, if the id is one of Slack's.
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

/// Escapes the three control characters of `mrkdwn`.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
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
    use crate::id::{AgentId, InteractionId};

    fn card(question: &str) -> Card {
        let payload =
            json!({"kind": "question", "question": question, "options": ["<!channel>", "No"]});
        let id = InteractionId::parse("q-1").unwrap();
        let agent = AgentId::parse("coder").unwrap();
        Card::new(
            &id,
            &UserId::parse("U1").unwrap(),
            &agent,
            &payload.try_into().unwrap(),
        )
    }

    #[test]
    fn tenants_text_is_never_markup() {
        let revision = Revision::new();
        let blocks = blocks(
            &card("*<!everyone>* <https://evil.example|click>"),
            &revision,
        );
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
            "actions": [{"action_id": "q:q-1:abcdef:1", "action_ts": "3.4", "value": "ignored"}],
        });
        let click = click(&payload).unwrap();
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
