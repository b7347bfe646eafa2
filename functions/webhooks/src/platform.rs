//! Chat platforms, a closed set: one file each, and one match.

mod slack;

use crate::question::Question;
use bytes::Bytes;
use http_body_util::Full;
use postern::egress::{AllowedPrivate, Egress};
use postern::event::Incoming;
use postern::scope::Conversation;
use postern::signature::Verified;
use postern::store::{Choice, ClickKey, Connection, Platform};
use postern::{Code, Error, InteractionId, UserId};
use secrecy::SecretString;
use serde_json::Value;
use std::time::Duration;

/// Longest that a platform's API may take before a post counts as unknown.
const API_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A question as it is shown.
#[derive(Debug)]
pub struct Card {
    pub id: InteractionId,
    pub user: UserId,
    pub channel: String,
    pub conversation: String,
    pub question: String,
    pub options: Vec<String>,
}

impl Card {
    pub fn of(question: &Question, conversation: &Conversation) -> Self {
        Self {
            id: question.id.clone(),
            user: conversation.scope().user().clone(),
            channel: conversation.channel().to_owned(),
            conversation: conversation.conversation().to_owned(),
            question: question.text.clone(),
            options: question.options.clone(),
        }
    }
}

/// What became of a post.
#[derive(Debug)]
pub enum Posted {
    Done,
    /// It did not happen.
    Refused(String),
    /// It may have happened: nothing came back after it was sent.
    Unknown(String),
}

/// What a platform's verified call asks for.
#[derive(Debug)]
pub enum Call {
    Click(Click),
    /// The platform checks the address; this is its answer.
    Challenge(Value),
    /// Nothing of ours.
    Other,
}

/// Who clicked what, and where the card is.
#[derive(Debug)]
pub struct Click {
    pub user: UserId,
    pub interaction: InteractionId,
    pub choice: Choice,
    pub key: ClickKey,
    pub message: Message,
}

/// A posted card's own address.
#[derive(Debug)]
pub struct Message {
    pub channel: String,
    pub id: String,
}

/// The way to every platform's API.
pub struct Chat {
    egress: Egress<Full<Bytes>>,
}

impl Chat {
    pub fn new(allowed: AllowedPrivate) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self {
            egress: Egress::new(allowed, CONNECT_TIMEOUT)?,
        })
    }

    /// The connection's platform, with its secret.
    ///
    /// # Errors
    /// `secret_unavailable` when the secret is not of the platform's form.
    pub fn on(
        &self,
        connection: &Connection,
        secret: &SecretString,
    ) -> Result<OnPlatform<'_>, Error> {
        match connection.platform {
            Platform::Slack => Ok(OnPlatform::Slack(slack::Slack::new(
                &self.egress,
                connection,
                secret,
            )?)),
        }
    }
}

/// A platform as one connection sees it.
pub enum OnPlatform<'a> {
    Slack(slack::Slack<'a>),
}

impl OnPlatform<'_> {
    /// Whether the platform made this call, before anything in it is parsed.
    pub fn verify(
        &self,
        incoming: &Incoming,
        connection: &Connection,
        now: i64,
    ) -> Result<Verified, Error> {
        match self {
            Self::Slack(slack) => slack.verify(incoming, connection, now),
        }
    }

    /// What the verified call asks for.
    pub fn read(&self, incoming: &Incoming, connection: &Connection) -> Result<Call, Error> {
        match self {
            Self::Slack(slack) => slack.read(incoming, connection),
        }
    }

    pub async fn post(&self, card: &Card) -> Posted {
        match self {
            Self::Slack(slack) => slack.post(card).await,
        }
    }

    /// The same as plain text, for a platform that refuses the card.
    pub async fn post_text(&self, card: &Card) -> Posted {
        match self {
            Self::Slack(slack) => slack.post_text(card).await,
        }
    }

    /// A receipt beside the card, and the card without its buttons.
    pub async fn settle(&self, message: &Message, payload: &Value, answer: &Value) {
        match self {
            Self::Slack(slack) => slack.settle(message, payload, answer).await,
        }
    }
}

/// Reads a button's id, `question:{id}:{index}`.
fn button(id: &str) -> Option<(InteractionId, Choice)> {
    let (id, index) = id.strip_prefix("question:")?.rsplit_once(':')?;
    let plain =
        !index.is_empty() && index.len() <= 2 && index.bytes().all(|byte| byte.is_ascii_digit());
    let index = plain.then(|| index.parse().ok()).flatten()?;
    Some((InteractionId::parse(id).ok()?, Choice(index)))
}

fn malformed_secret() -> Error {
    Error::from(Code::SecretUnavailable)
        .because("the connection's secret is not of its platform's form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_names_its_question_and_a_plain_index() {
        assert_eq!(
            button("question:q-1:24"),
            Some((InteractionId::parse("q-1").unwrap(), Choice(24)))
        );
        for bad in [
            "question:q-1:",
            "question:q-1:-1",
            "question:q-1:+1",
            "question:q-1:100",
            "question::1",
            "q-1:1",
            "question:a b:1",
            "tool:q:1",
        ] {
            assert_eq!(button(bad), None, "{bad}");
        }
    }
}
