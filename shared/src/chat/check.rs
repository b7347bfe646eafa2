//! The check of a connection: its steps, what each can find, and what it needs of a platform. `checking` makes it.

use super::call::ApiCall;
use super::cut::cut;
use crate::authority::{Connection, Platform};
use crate::literal::literals;
use crate::question::{CardAddress, Place};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// The text of the message that is posted and taken back.
pub(super) const HELLO: &str =
    "Postern says hello. This message tests the connection and takes itself back.";
/// Maximum length of what a step says, in characters. Platforms choose parts of it.
const MAX_SENTENCE: usize = 400;
/// What is shorter than this, in bytes, is no platform's token, and may be a part of many words.
pub(super) const SHORTEST_TOKEN: usize = 8;

/// A step of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The connection's secret can be read and has its platform's form.
    Secret,
    /// The address of the platform's API may be called.
    Address,
    /// The platform takes the bot token.
    Token,
    /// The bot may do what Postern needs.
    Scope,
    /// The bot token is of the configured workspace.
    Workspace,
    /// The bot token is of the configured application.
    Application,
    /// The platform calls Postern.
    Webhook,
    /// A message can be posted in the channel.
    Post,
    /// The message can be deleted.
    TakeBack,
}

literals! {
    Check {
        Secret = "secret",
        Address = "address",
        Token = "token",
        Scope = "scope",
        Workspace = "workspace",
        Application = "application",
        Webhook = "webhook",
        Post = "post",
        TakeBack = "take_back",
    }
}

/// What is wrong with a connection. `docs/chat.md` says what to do about each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The secret cannot be read.
    SecretUnavailable,
    /// The secret does not have its platform's form.
    SecretMalformed,
    /// The API's address may not be called.
    AddressForbidden,
    /// The platform does not take the bot token.
    TokenRefused,
    /// The app lacks a scope.
    ScopeMissing,
    /// The bot token is of another workspace.
    WrongWorkspace,
    /// The bot token is of another application.
    WrongApplication,
    /// The secret's public key is not the application's.
    WrongPublicKey,
    /// The bot is not in the channel.
    NotInChannel,
    /// The platform knows no such channel.
    UnknownChannel,
    /// A permission, a setting or an administrator forbids it.
    NotAllowed,
    /// The message was posted without a part of it.
    CardIncomplete,
    /// The platform refused for another reason.
    Refused,
    /// The platform asks to wait.
    RateLimited,
    /// The platform could not be reached, failed, or did not answer as it does.
    PlatformUnavailable,
    /// The message was posted and is still there.
    NotTakenBack,
}

literals! {
    Problem {
        SecretUnavailable = "secret_unavailable",
        SecretMalformed = "secret_malformed",
        AddressForbidden = "address_forbidden",
        TokenRefused = "token_refused",
        ScopeMissing = "scope_missing",
        WrongWorkspace = "wrong_workspace",
        WrongApplication = "wrong_application",
        WrongPublicKey = "wrong_public_key",
        NotInChannel = "not_in_channel",
        UnknownChannel = "unknown_channel",
        NotAllowed = "not_allowed",
        CardIncomplete = "card_incomplete",
        Refused = "refused",
        RateLimited = "rate_limited",
        PlatformUnavailable = "platform_unavailable",
        NotTakenBack = "not_taken_back",
    }
}

/// What a step found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing is wrong.
    Good,
    /// It works, and this is worth knowing.
    Hint(String),
    /// This is wrong, with a sentence that says what to do.
    Wrong(Problem, String),
}

/// A step of a check that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which step.
    pub check: Check,
    /// What it found.
    pub found: Found,
}

impl Step {
    /// A step that found nothing wrong.
    pub(super) fn good(check: Check) -> Self {
        let found = Found::Good;
        Self { check, found }
    }

    /// The same, with a hint if there is one.
    pub(super) fn hinted(check: Check, hint: Option<String>) -> Self {
        let found = hint.map_or(Found::Good, Found::Hint);
        Self { check, found }
    }

    /// A step that found this.
    pub fn wrong(check: Check, problem: Problem, sentence: impl Into<String>) -> Self {
        let found = Found::Wrong(problem, sentence.into());
        Self { check, found }
    }

    /// The step as it is reported: bounded, and without the bot token. What is at `config.api_base_url` may repeat what it
    /// was sent.
    pub(super) fn told(self, token: &SecretString) -> Self {
        let token = token.expose_secret();
        let told = |sentence: String| {
            let without = if token.len() < SHORTEST_TOKEN {
                sentence
            } else {
                sentence.replace(token, "[the bot token]")
            };
            cut(&without, MAX_SENTENCE, |_| 1)
        };
        let found = match self.found {
            Found::Good => Found::Good,
            Found::Hint(hint) => Found::Hint(told(hint)),
            Found::Wrong(problem, sentence) => Found::Wrong(problem, told(sentence)),
        };
        Self { found, ..self }
    }

    /// What is wrong, if anything is.
    pub fn problem(&self) -> Option<(Problem, &str)> {
        match &self.found {
            Found::Wrong(problem, sentence) => Some((*problem, sentence)),
            Found::Good | Found::Hint(_) => None,
        }
    }
}

/// A platform's HTTP answer, read as JSON; null if it is not JSON.
pub(crate) struct Heard {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

/// What a platform does in a check. None of it touches the network.
pub(crate) trait Checkable {
    /// The bot token, as the secret has it.
    fn bot_token(&self) -> &SecretString;

    /// The calls that read what the platform knows of the bot, each with its step, in their order.
    fn reads(&self) -> Vec<(Check, ApiCall)>;

    /// What the answer to one of them says about the connection. A step that is wrong is the last.
    fn learn(&self, check: Check, heard: &Heard, connection: &Connection) -> Vec<Step>;

    /// The call that posts the message. It has no buttons, and mentions nobody.
    fn hello(&self, place: &Place) -> ApiCall;

    /// What the message lacks as it was posted: a sentence that says what to do.
    fn lacks(&self, heard: &Heard) -> Option<&'static str>;

    /// The call that deletes the message.
    fn take_back(&self, at: &CardAddress) -> ApiCall;

    /// The word for a refusal; `None` if there is no better one than `Refused`.
    fn problem(&self, heard: &Heard) -> Option<Problem>;
}

/// The platform's name, as people write it.
pub(super) fn name(platform: Platform) -> &'static str {
    match platform {
        Platform::Slack => "Slack",
        Platform::Telegram => "Telegram",
        Platform::Discord => "Discord",
    }
}

/// The form of a platform's secret, as a sentence.
pub(super) fn form(platform: Platform) -> &'static str {
    match platform {
        Platform::Slack => {
            "the secret must be a JSON object with the texts `bot_token` and `signing_secret`"
        }
        Platform::Telegram => {
            "the secret must be a JSON object with the texts `bot_token` and `secret_token`"
        }
        Platform::Discord => {
            "the secret must be a JSON object with the texts `bot_token`, `public_key` and `application_id`"
        }
    }
}

/// The text that the connection's `config` has under this name.
pub(super) fn configured<'a>(connection: &'a Connection, name: &str) -> Option<&'a str> {
    connection.config.get(name)?.as_str()
}

/// Whether an address leads to the route for this connection's platform.
pub(super) fn leads_to(connection: &Connection, address: &str) -> bool {
    let route = format!("/webhooks/{}", connection.id());
    address.trim_end_matches('/').ends_with(&route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_back_from_its_name() {
        crate::literal::assert_read_back(&Check::ALL, Check::as_str);
        crate::literal::assert_read_back(&Problem::ALL, Problem::as_str);
    }

    #[test]
    fn a_sentence_is_bounded_and_holds_no_part_of_the_token() {
        let said = format!("{}xoxb-secret{0}", "x".repeat(MAX_SENTENCE - 8));
        let token = "xoxb-secret".into();
        let wrong = Step::wrong(Check::Post, Problem::Refused, &said).told(&token);
        let hint = Step::hinted(Check::Post, Some(said)).told(&token);
        let Found::Hint(hint) = hint.found else {
            panic!("{hint:?}");
        };
        for told in [wrong.problem().unwrap().1, &hint] {
            assert_eq!(told.chars().count(), MAX_SENTENCE);
            assert!(!told.contains("xoxb"), "{told}");
        }
    }
}
