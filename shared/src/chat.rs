//! Chat platforms. Each platform has a file and a folder of its name, which build API calls and read answers and
//! webhooks without touching the network; `connected` makes the calls. A new platform needs those, with its table of
//! errors and its steps of a check, and a line each in `Platform`, in `Chat::on`, in `errors`, in `hosts` and in a
//! migration.

mod call;
mod card;
mod check;
mod checking;
mod connected;
mod cut;
mod differs;
mod discord;
#[cfg(test)]
mod drawings;
mod error_table;
mod hosts;
mod shown;
mod slack;
mod so_far;
mod telegram;
mod turns;

pub use call::{ApiCall, Done, Later, Posted, Purpose, Whom};
pub use card::{Card, Ending};
pub use check::{Check, Found, Problem, Step};
pub use connected::{Chat, Connected};
pub use error_table::{Means, Row};
pub use hosts::ApiHosts;
pub use so_far::Earlier;
pub use turns::{Paused, Turns};

pub(crate) use differs::Differs;

use crate::authority::signature::Verified;
use crate::authority::{Connection, Platform};
use crate::error::{Code, Error};
use crate::id::{ConnectionId, InteractionId, Revision, UserId};
use crate::question::{CardAddress, Choice, ClickKey, Place};
use crate::rate::Rates;
use crate::wire::event::Incoming;
use call::{Answered, Instead, Reply};
use check::Checkable;
use serde_json::Value;

/// What this platform's errors mean. For an error and a call, the first row counts.
pub fn errors(platform: Platform) -> &'static [Row] {
    match platform {
        Platform::Slack => slack::errors::TABLE,
        Platform::Telegram => telegram::errors::TABLE,
        Platform::Discord => discord::errors::TABLE,
    }
}

/// The operations of a platform. None of them touches the network.
pub(crate) trait ChatPlatform: Checkable + Send + Sync {
    /// Verifies that the platform made this webhook call. Nothing in the body has been parsed before. `now` is in
    /// Unix seconds.
    ///
    /// # Errors
    /// `invalid_signature`.
    fn verify(
        &self,
        incoming: &Incoming,
        connection: &ConnectionId,
        now: i64,
    ) -> Result<Verified, Error>;

    /// Reads a verified webhook call of this connection.
    ///
    /// # Errors
    /// `invalid_json`, `invalid_request`, or `invalid_signature` if it is for another workspace or application.
    fn read(&self, incoming: &Incoming, connection: &Connection) -> Result<Call, Error>;

    /// The call that posts the card in this place: with buttons of this revision, or as plain text in case the
    /// platform refuses the card with buttons.
    fn post(&self, card: &Card, place: &Place, revision: &Revision, form: Form) -> ApiCall;

    /// The call that posts a message next to the card, saying how it ended.
    fn receipt(&self, at: &CardAddress, ending: &Ending) -> ApiCall;

    /// The call that removes the card's buttons and adds how it ended.
    fn edit(&self, at: &CardAddress, card: &Card, ending: &Ending) -> ApiCall;

    /// The acknowledgement of a click, in the form that the platform expects.
    fn acknowledge(&self, click: &Click, verdict: &Verdict<'_>) -> Acknowledgement;

    /// What the platform's answer to a call means.
    fn reply(&self, call: &ApiCall, answer: &Answered<'_>) -> Reply;

    /// The calls to make instead of this one, the one that counts last; `None` if that would be the same call.
    fn instead(&self, call: ApiCall, how: &Instead) -> Option<Vec<ApiCall>>;

    /// The rates of a message to this channel, as the platform documents them.
    fn rates(&self, channel: &str) -> Rates;
}

/// The form in which a card is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A card with buttons.
    Buttons,
    /// Plain text without buttons.
    Text,
}

/// A verified webhook call of a platform.
#[derive(Debug)]
pub enum Call {
    /// A click on a button of a card.
    Click(Click),
    /// A call that needs only this answer: a check of the address, or a click on another button than Postern's.
    Answered(Value),
    /// Any other call. It is answered with an empty body.
    Other,
}

/// A click on a button of a card.
#[derive(Debug)]
pub struct Click {
    /// The person who clicked, by the platform's id.
    pub user: UserId,
    /// Other ids of the same person, as the connection's configuration says.
    pub also: Vec<UserId>,
    /// The interaction that the button belongs to.
    pub interaction: InteractionId,
    /// The revision of the card that the button is on.
    pub revision: Revision,
    /// The option of the button.
    pub choice: Choice,
    /// Identifies the click; the same if the platform delivers the click again.
    pub key: ClickKey,
    /// The address of the card, if the platform gives it.
    pub card: Option<CardAddress>,
    /// The platform's id of the click; empty for Slack, where it is not needed.
    pub(crate) id: String,
}

/// The result of a click, for its acknowledgement.
#[derive(Debug)]
pub enum Verdict<'a> {
    /// The click did nothing, and the clicker is shown nothing.
    Ignored,
    /// The click answered the card, which ended so.
    Ended(&'a Card, &'a Ending),
    /// The click came too late. The sentence is shown to the clicker only.
    Late(&'static str),
}

/// How a click is acknowledged.
pub struct Acknowledgement {
    /// The body of the webhook's answer; `None` for an empty one.
    pub answer: Option<Value>,
    /// Whether the answer itself edits the card, so that no call is needed for it.
    pub edits_card: bool,
    /// An API call to make in addition, if the platform needs one.
    pub follow_up: Option<ApiCall>,
}

/// The contents of a button's id.
#[derive(Debug, PartialEq, Eq)]
struct Button {
    interaction: InteractionId,
    revision: Revision,
    choice: Choice,
}

/// A button's id, `q:{interaction}:{revision}:{index}`. It has at most 60 bytes; Telegram accepts 64.
fn button_id(id: &InteractionId, revision: &Revision, index: usize) -> String {
    format!("q:{id}:{revision}:{index}")
}

impl Button {
    /// Reads a button's id; `None` if it does not have the form of `button_id`.
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

/// Checks the settings in a connection's configuration that are the platform's own. `ApiHosts` checks the address of
/// its API.
///
/// # Errors
/// `invalid_request` names the setting.
pub fn check_config(platform: Platform, config: &Value) -> Result<(), Error> {
    match platform {
        Platform::Slack => slack::config::check(config),
        Platform::Telegram | Platform::Discord => Ok(()),
    }
}

/// The error for a connection's secret that does not have the form of its platform.
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
