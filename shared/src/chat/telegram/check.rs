//! What Telegram does in a check: `getMe` takes the token, and `getWebhookInfo` tells where it calls
//! (core.telegram.org/bots/api#getwebhookinfo).

use super::card::{chat, number};
use super::{Telegram, topic};
use crate::authority::Connection;
use crate::chat::call::{ApiCall, Purpose};
use crate::chat::check::{Check, Checkable, HELLO, Heard, Problem, Step, leads_to};
use crate::question::{CardAddress, Place};
use secrecy::SecretString;
use serde_json::{Value, json};

/// The words for errors of Telegram's: what their sentences contain, in small letters. The first that fits counts.
const PROBLEMS: &[(&str, Problem)] = &[
    ("too many requests", Problem::RateLimited),
    (
        "group chat was upgraded to a supergroup chat",
        Problem::UnknownChannel,
    ),
    ("chat not found", Problem::UnknownChannel),
    ("peer_id_invalid", Problem::UnknownChannel),
    ("the group chat was deleted", Problem::UnknownChannel),
    ("user is deactivated", Problem::UnknownChannel),
    ("bot can't send messages to", Problem::UnknownChannel),
    ("bot was kicked from", Problem::NotInChannel),
    ("bot is not a member of", Problem::NotInChannel),
    ("channel_private", Problem::NotInChannel),
    (
        "bot can't initiate conversation with a user",
        Problem::NotInChannel,
    ),
    ("bot was blocked by the user", Problem::NotInChannel),
    ("have no write access to the chat", Problem::NotAllowed),
    ("not enough rights to send", Problem::NotAllowed),
    (
        "need administrator rights in the channel chat",
        Problem::NotAllowed,
    ),
    ("chat_write_forbidden", Problem::NotAllowed),
    ("chat_restricted", Problem::NotAllowed),
    ("chat_admin_required", Problem::NotAllowed),
    ("allow_payment_required", Problem::NotAllowed),
    ("frozen_method_invalid", Problem::NotAllowed),
    ("logged out", Problem::TokenRefused),
    ("unauthorized", Problem::TokenRefused),
    ("not found", Problem::TokenRefused),
    ("forbidden", Problem::NotAllowed),
];

impl Checkable for Telegram {
    fn bot_token(&self) -> &SecretString {
        &self.secret.bot_token
    }

    fn reads(&self) -> Vec<(Check, ApiCall)> {
        let read = |method| self.call(Purpose::Read, method, json!({}));
        vec![
            (Check::Token, read("getMe")),
            (Check::Webhook, read("getWebhookInfo")),
        ]
    }

    fn learn(&self, check: Check, heard: &Heard, connection: &Connection) -> Vec<Step> {
        let hint = match check {
            Check::Webhook => webhook(&heard.body["result"], connection),
            Check::Secret
            | Check::Address
            | Check::Token
            | Check::Scope
            | Check::Workspace
            | Check::Application
            | Check::Post
            | Check::TakeBack => None,
        };
        vec![Step::hinted(check, hint)]
    }

    fn hello(&self, place: &Place) -> ApiCall {
        let mut message = json!({"chat_id": chat(place.channel.as_str()), "text": HELLO});
        if let Some(topic) = topic(place) {
            message["message_thread_id"] = topic.into();
        }
        self.call(Purpose::Card, "sendMessage", message)
    }

    fn lacks(&self, _: &Heard) -> Option<&'static str> {
        None
    }

    fn take_back(&self, at: &CardAddress) -> ApiCall {
        let body = json!({"chat_id": chat(at.channel()), "message_id": number(at.message())});
        self.call(Purpose::Delete, "deleteMessage", body)
    }

    fn problem(&self, heard: &Heard) -> Option<Problem> {
        let said = heard.body["description"].as_str()?.to_ascii_lowercase();
        let mut named = PROBLEMS.iter();
        named
            .find(|(words, _)| said.contains(words))
            .map(|(_, problem)| *problem)
    }
}

/// What keeps Telegram's calls from Postern, as a hint: a bot whose webhook is not set yet can post all the same.
fn webhook(info: &Value, connection: &Connection) -> Option<String> {
    let address = info["url"].as_str().unwrap_or_default();
    let id = connection.id();
    if address.is_empty() {
        return Some(format!(
            "the bot has no webhook, so no click arrives; call setWebhook with an address that ends in /webhooks/{id}"
        ));
    }
    if !leads_to(connection, address) {
        return Some(format!(
            "the bot's webhook does not end in /webhooks/{id}, so clicks arrive elsewhere; call setWebhook"
        ));
    }
    let updates = info["allowed_updates"].as_array();
    if updates.is_some_and(|all| !all.is_empty() && !all.contains(&"callback_query".into())) {
        return Some(
            "setWebhook's allowed_updates lack callback_query, so no click arrives".into(),
        );
    }
    let failed = info["last_error_message"].as_str()?;
    let at = info["last_error_date"].as_i64().and_then(|seconds| {
        let at = time::OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        at.format(&time::format_description::well_known::Rfc3339)
            .ok()
    });
    let at = at.map_or_else(String::new, |at| format!(" at {at}"));
    let advice = if failed.contains("401") {
        "; give setWebhook the secret_token that the connection's secret has"
    } else {
        ""
    };
    Some(format!(
        "Telegram's last call of the webhook that failed did so{at}: {failed}{advice}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::telegram::errors::TABLE;

    #[test]
    fn every_error_with_a_word_is_in_the_table() {
        for (words, _) in PROBLEMS {
            let mut rows = TABLE.iter();
            let listed = rows.any(|row| row.error().eq_ignore_ascii_case(words));
            assert!(listed && *words == words.to_ascii_lowercase(), "{words}");
        }
    }
}
