//! Chat platforms. A platform is one file that says what to send and reads what came; what is sent
//! leaves from here. A new one is its file, and a line in `Platform`, in `Chat::on` and in a migration.

mod api;
mod card;
mod discord;
mod slack;
mod telegram;

pub use api::{ApiCall, Chat, OnPlatform, Posted};
pub use card::{Card, Ending};

use crate::error::{Code, Error};
use crate::event::Incoming;
use crate::id::{ConnectionId, InteractionId, UserId};
use crate::signature::Verified;
use crate::store::{CardAddress, Choice, ClickKey};
use api::Reply;
use http::StatusCode;
use serde_json::Value;

/// What a platform is to Postern. It touches no network.
pub(crate) trait ChatPlatform: Send + Sync {
    /// Whether the platform made this call, before anything in it is parsed.
    fn verify(
        &self,
        incoming: &Incoming,
        connection: &ConnectionId,
        now: i64,
    ) -> Result<Verified, Error>;

    /// What the verified call asks for.
    fn read(&self, incoming: &Incoming, config: &Value) -> Result<Call, Error>;

    /// The card with its buttons, or the same as plain text for a platform that refuses the card.
    fn post(&self, card: &Card, form: Form) -> ApiCall;

    /// A message beside the card that says how it ended.
    fn receipt(&self, at: &CardAddress, card: &Card, ending: &Ending) -> ApiCall;

    /// The card without its buttons, and how it ended.
    fn edit(&self, at: &CardAddress, card: &Card, ending: &Ending) -> ApiCall;

    /// The platform's own way to take note of a click.
    fn acknowledge(&self, click: &Click, verdict: &Verdict<'_>) -> Acknowledgement;

    /// What an answer of the platform's API means.
    fn reply(&self, status: StatusCode, body: &[u8]) -> Reply;
}

/// How a card is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Buttons,
    Text,
}

/// What a platform's verified call asks for.
#[derive(Debug)]
pub enum Call {
    Click(Click),
    /// Answered with this alone: a check of the address, or a click on a button that is none of ours.
    Answered(Value),
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
    pub card: Option<CardAddress>,
    /// What the platform calls the click itself.
    pub(crate) id: String,
}

/// What became of a click.
#[derive(Debug)]
pub enum Verdict<'a> {
    /// Nothing, and it learns nothing.
    Ignored,
    /// It answered the card.
    Ended(&'a Card, &'a Ending),
    /// It came too late; a sentence that only the clicker sees.
    Late(&'static str),
}

/// How a click is acknowledged.
pub struct Acknowledgement {
    /// The webhook's answer; empty where the platform wants nothing.
    pub answer: Option<Value>,
    /// Whether the answer itself takes the card's buttons away.
    pub edits_card: bool,
    /// What the platform wants called besides.
    pub besides: Option<ApiCall>,
}

/// A button's id.
fn button_id(id: &InteractionId, index: usize) -> String {
    format!("question:{id}:{index}")
}

/// Reads a button's id, `question:{id}:{index}`.
fn button(id: &str) -> Option<(InteractionId, Choice)> {
    let (id, index) = id.strip_prefix("question:")?.rsplit_once(':')?;
    let plain =
        !index.is_empty() && index.len() <= 2 && index.bytes().all(|byte| byte.is_ascii_digit());
    let index = plain.then(|| index.parse().ok()).flatten()?;
    Some((InteractionId::parse(id).ok()?, Choice(index)))
}

/// The address of the platform's API: its own, or the one that a test gives it.
fn api_base(config: &Value, own: &str) -> String {
    let given = config.get("api_base_url").and_then(Value::as_str);
    given.unwrap_or(own).trim_end_matches('/').to_owned()
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
