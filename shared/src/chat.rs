//! Chat platforms. A platform is one file that says what to send and reads what came; what is sent
//! leaves from here. A new one is its file, and a line in `Platform`, in `Chat::on` and in a migration.

mod call;
mod card;
mod connected;
mod discord;
mod hosts;
mod slack;
mod telegram;

pub use call::{ApiCall, Posted};
pub use card::{Card, Ending};
pub use connected::{Chat, Connected};
pub use hosts::ApiHosts;

use crate::authority::signature::Verified;
use crate::error::{Code, Error};
use crate::id::{ConnectionId, InteractionId, Revision, UserId};
use crate::question::{CardAddress, Choice, ClickKey, Place};
use crate::wire::event::Incoming;
use call::Reply;
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

    /// The card in this place with the buttons of this revision, or the same as plain text for a platform that refuses
    /// the card.
    fn post(&self, card: &Card, place: &Place, revision: &Revision, form: Form) -> ApiCall;

    /// A message beside the card that says how it ended.
    fn receipt(&self, at: &CardAddress, ending: &Ending) -> ApiCall;

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
    /// The person, as the platform names them.
    pub user: UserId,
    /// The interaction that the button is of.
    pub interaction: InteractionId,
    /// Of the card that the button is on.
    pub revision: Revision,
    /// Which option the button is for.
    pub choice: Choice,
    /// The same for the same click, when it is delivered again.
    pub key: ClickKey,
    /// The message that the button is on, if the platform says so.
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
    /// The API call that follows the acknowledgement, if the platform needs one.
    pub follow_up: Option<ApiCall>,
}

/// What a button says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Button {
    interaction: InteractionId,
    revision: Revision,
    choice: Choice,
}

/// A button's id, `q:{interaction}:{revision}:{index}`, of at most 60 bytes: Telegram takes 64.
fn button_id(id: &InteractionId, revision: &Revision, index: usize) -> String {
    format!("q:{id}:{revision}:{index}")
}

impl Button {
    /// Reads a button's id.
    fn parse(id: &str) -> Option<Self> {
        let mut parts = id.strip_prefix("q:")?.split(':');
        let (interaction, revision, index) = (parts.next()?, parts.next()?, parts.next()?);
        let plain = (1..=2).contains(&index.len()) && index.bytes().all(|b| b.is_ascii_digit());
        if !plain || parts.next().is_some() {
            return None;
        }
        Some(Self {
            interaction: InteractionId::parse(interaction).ok()?,
            revision: Revision::parse(revision).ok()?,
            choice: Choice(index.parse().ok()?),
        })
    }
}

fn malformed_secret() -> Error {
    Code::SecretUnavailable.because("the connection's secret is not of its platform's form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_names_its_question_its_revision_and_a_plain_index() {
        let (id, revision) = ("q".repeat(48), Revision::new());
        let id = InteractionId::parse(id).unwrap();
        let button = button_id(&id, &revision, 24);
        assert!(button.len() <= 64);
        assert_eq!(
            Button::parse(&button),
            Some(Button {
                interaction: id,
                revision,
                choice: Choice(24)
            })
        );
        for bad in [
            "q:q-1:abcdef:",
            "q:q-1:abcdef:-1",
            "q:q-1:abcdef:+1",
            "q:q-1:abcdef:100",
            "q:q-1:abcdef:1:1",
            "q:q-1:abcde:1",
            "q::abcdef:1",
            "q:q-1::1",
            "q:q-1:1",
            "q:a b:abcdef:1",
            "question:q-1:1",
            "t:q-1:abcdef:1",
        ] {
            assert_eq!(Button::parse(bad), None, "{bad}");
        }
    }
}
