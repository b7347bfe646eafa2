//! What Discord does in a check: `/applications/@me` tells the application's id and public key, and where it calls
//! (docs.discord.com/developers/resources/application).

use super::{Discord, segment};
use crate::authority::Connection;
use crate::chat::call::{ApiCall, Purpose};
use crate::chat::check::{Check, Checkable, HELLO, Heard, Problem, Step, leads_to};
use crate::id::Revision;
use crate::question::{CardAddress, Place};
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// The words for errors of Discord's, by their numbers.
const PROBLEMS: &[(&str, Problem)] = &[
    ("40001", Problem::TokenRefused),
    ("50014", Problem::TokenRefused),
    ("10003", Problem::UnknownChannel),
    ("10004", Problem::NotInChannel),
    ("50001", Problem::NotInChannel),
    ("50007", Problem::NotInChannel),
    ("50278", Problem::NotInChannel),
    ("50006", Problem::CardIncomplete),
    ("50008", Problem::NotAllowed),
    ("50024", Problem::NotAllowed),
    ("50009", Problem::NotAllowed),
    ("50013", Problem::NotAllowed),
    ("50083", Problem::NotAllowed),
    ("160005", Problem::NotAllowed),
    ("40002", Problem::NotAllowed),
    ("20009", Problem::NotAllowed),
    ("20026", Problem::NotAllowed),
    ("200000", Problem::NotAllowed),
    ("20016", Problem::RateLimited),
    ("20028", Problem::RateLimited),
    ("20029", Problem::RateLimited),
    ("40062", Problem::RateLimited),
];

impl Discord {
    /// A call that reads what is at this path.
    fn read(&self, name: &'static str, path: &str) -> ApiCall {
        ApiCall {
            purpose: Purpose::Read,
            channel: None,
            once: false,
            name,
            method: Method::GET,
            url: format!("{}{path}", self.api).into(),
            authorization: Some(format!("Bot {}", self.secret.bot_token.expose_secret()).into()),
            body: Value::Null,
        }
    }

    /// Whether the application is the secret's, and whether it has the secret's public key.
    fn application(&self, body: &Value) -> Step {
        let check = Check::Application;
        let real = body["id"].as_str().unwrap_or_default();
        let own = self.secret.application_id.as_deref();
        if let Some(own) = own
            && own != real
        {
            let sentence = format!(
                "the bot token is of the application {real}, and the secret's application_id is another; correct one of them"
            );
            return Step::wrong(check, Problem::WrongApplication, sentence);
        }
        let key = body["verify_key"].as_str().unwrap_or_default();
        let mut keys = self.secret.public_key.as_slice().iter();
        if !keys.any(|own| own.expose_secret().eq_ignore_ascii_case(key)) {
            let sentence = "the secret's public_key is not the application's; copy it from General Information";
            return Step::wrong(check, Problem::WrongPublicKey, sentence);
        }
        let hint = own.is_none().then(|| {
            format!("set the secret's application_id to {real}, so that calls of other applications are refused")
        });
        Step::hinted(check, hint)
    }
}

impl Checkable for Discord {
    fn bot_token(&self) -> &SecretString {
        &self.secret.bot_token
    }

    fn reads(&self) -> Vec<(Check, ApiCall)> {
        vec![
            (Check::Token, self.read("get current user", "/users/@me")),
            (
                Check::Application,
                self.read("get current application", "/applications/@me"),
            ),
        ]
    }

    fn learn(&self, check: Check, heard: &Heard, connection: &Connection) -> Vec<Step> {
        match check {
            Check::Application => {
                let application = self.application(&heard.body);
                if application.problem().is_some() {
                    return vec![application];
                }
                let hint = webhook(&heard.body, connection);
                vec![application, Step::hinted(Check::Webhook, hint)]
            }
            Check::Secret
            | Check::Address
            | Check::Token
            | Check::Scope
            | Check::Workspace
            | Check::Webhook
            | Check::Post
            | Check::TakeBack => vec![Step::good(check)],
        }
    }

    /// The message has an embed, as cards do, because embeds need a permission of their own.
    fn hello(&self, place: &Place) -> ApiCall {
        let body = json!({
            "content": "Hello.",
            "embeds": [{"description": HELLO}],
            "allowed_mentions": {"parse": []},
            "nonce": Revision::new().as_str(),
            "enforce_nonce": true,
        });
        self.call(Purpose::Card, place.channel.as_str(), "/messages", body)
    }

    /// Without the permission for embeds, Discord posts the rest of a message and says nothing.
    fn lacks(&self, heard: &Heard) -> Option<&'static str> {
        let embeds = heard.body["embeds"].as_array();
        embeds.filter(|embeds| embeds.is_empty()).map(|_| {
            "Discord posted the message without its embed, and would so hide questions; give the bot the permission \
             Embed Links in the channel"
        })
    }

    fn take_back(&self, at: &CardAddress) -> ApiCall {
        let path = format!("/messages/{}", segment(at.message()));
        self.call(Purpose::Delete, at.channel(), &path, Value::Null)
    }

    fn problem(&self, heard: &Heard) -> Option<Problem> {
        if heard.status == StatusCode::UNAUTHORIZED {
            return Some(Problem::TokenRefused);
        }
        // What is not an id at all is an error of the form.
        if heard.body["errors"].get("channel_id").is_some() {
            return Some(Problem::UnknownChannel);
        }
        let code = heard.body["code"].as_u64()?.to_string();
        let mut named = PROBLEMS.iter();
        named
            .find(|(name, _)| *name == code)
            .map(|(_, problem)| *problem)
    }
}

/// What keeps Discord's calls from Postern, as a hint: a bot without an address for clicks can post all the same.
fn webhook(application: &Value, connection: &Connection) -> Option<String> {
    let address = application["interactions_endpoint_url"]
        .as_str()
        .unwrap_or_default();
    (!leads_to(connection, address)).then(|| {
        let id = connection.id();
        format!(
            "the application's Interactions Endpoint URL does not end in /webhooks/{id}, so no click arrives; set it \
             in the developer portal"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::discord::errors::TABLE;

    #[test]
    fn every_error_with_a_word_is_in_the_table() {
        for (code, _) in PROBLEMS {
            assert!(TABLE.iter().any(|row| row.error() == *code), "{code}");
        }
    }
}
