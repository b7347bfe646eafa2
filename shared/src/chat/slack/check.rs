//! What Slack does in a check: `auth.test` tells whose token it is, and a header which scopes it has
//! (docs.slack.dev/reference/methods/auth.test).

use super::{Slack, thread};
use crate::authority::Connection;
use crate::chat::call::{ApiCall, Purpose};
use crate::chat::check::{Check, Checkable, HELLO, Heard, Problem, Step, configured};
use crate::question::{CardAddress, Place};
use secrecy::SecretString;
use serde_json::json;

/// Scopes that let a bot post: today's, and those of classic apps.
const POSTING: [&str; 3] = ["chat:write", "chat:write:bot", "bot"];

/// The words for errors of Slack's.
const PROBLEMS: &[(&str, Problem)] = &[
    ("not_authed", Problem::TokenRefused),
    ("invalid_auth", Problem::TokenRefused),
    ("account_inactive", Problem::TokenRefused),
    ("token_revoked", Problem::TokenRefused),
    ("token_expired", Problem::TokenRefused),
    ("not_allowed_token_type", Problem::TokenRefused),
    ("missing_scope", Problem::ScopeMissing),
    ("not_in_channel", Problem::NotInChannel),
    ("no_permission", Problem::NotInChannel),
    ("channel_not_found", Problem::UnknownChannel),
    ("is_archived", Problem::NotAllowed),
    ("restricted_action", Problem::NotAllowed),
    ("restricted_action_read_only_channel", Problem::NotAllowed),
    ("restricted_action_thread_only_channel", Problem::NotAllowed),
    ("team_access_not_granted", Problem::NotAllowed),
    ("messages_tab_disabled", Problem::NotAllowed),
    ("access_denied", Problem::NotAllowed),
    ("app_access_restricted", Problem::NotAllowed),
    ("ekm_access_denied", Problem::NotAllowed),
    ("enterprise_is_restricted", Problem::NotAllowed),
    ("ratelimited", Problem::RateLimited),
    ("rate_limited", Problem::RateLimited),
];

impl Checkable for Slack {
    fn bot_token(&self) -> &SecretString {
        &self.secret.bot_token
    }

    fn reads(&self) -> Vec<(Check, ApiCall)> {
        vec![(
            Check::Token,
            self.call(Purpose::Read, "auth.test", json!({})),
        )]
    }

    fn learn(&self, check: Check, heard: &Heard, connection: &Connection) -> Vec<Step> {
        let mut steps = vec![Step::good(check)];
        let scopes = heard.headers.get("x-oauth-scopes");
        if let Some(scopes) = scopes.and_then(|scopes| scopes.to_str().ok()) {
            let may_post = scopes
                .split(',')
                .any(|scope| POSTING.contains(&scope.trim()));
            if !may_post {
                let sentence = "the app lacks the scope chat:write; add it under OAuth & Permissions and install the app again";
                steps.push(Step::wrong(Check::Scope, Problem::ScopeMissing, sentence));
                return steps;
            }
            steps.push(Step::good(Check::Scope));
        }
        let workspace = workspace(heard, connection);
        let wrong = workspace.problem().is_some();
        steps.push(workspace);
        if !wrong {
            steps.extend(application(heard, connection));
        }
        steps
    }

    fn hello(&self, place: &Place) -> ApiCall {
        let mut message = json!({
            "channel": place.channel,
            "text": HELLO,
            "mrkdwn": false,
            "blocks": [{"type": "section", "text": {"type": "plain_text", "text": HELLO}}],
        });
        if let Some(thread) = thread(place) {
            message["thread_ts"] = thread.into();
        }
        self.call(Purpose::Card, "chat.postMessage", message)
    }

    fn lacks(&self, _: &Heard) -> Option<&'static str> {
        None
    }

    fn take_back(&self, at: &CardAddress) -> ApiCall {
        let body = json!({"channel": at.channel(), "ts": at.message()});
        self.call(Purpose::Delete, "chat.delete", body)
    }

    fn problem(&self, heard: &Heard) -> Option<Problem> {
        let error = heard.body["error"].as_str()?;
        let mut named = PROBLEMS.iter();
        named
            .find(|(name, _)| *name == error)
            .map(|(_, problem)| *problem)
    }
}

/// Whether the token is of the configured workspace and enterprise.
fn workspace(heard: &Heard, connection: &Connection) -> Step {
    let body = &heard.body;
    // An app that a whole organization has installed has one token for all its workspaces.
    let of_an_organization = body["is_enterprise_install"] == true;
    for (name, of_token) in [
        ("team_id", &body["team_id"]),
        ("enterprise_id", &body["enterprise_id"]),
    ] {
        let skipped = name == "team_id" && of_an_organization;
        let own = configured(connection, name).filter(|_| !skipped);
        if let Some(own) = own
            && of_token != own
        {
            let real = of_token.as_str().unwrap_or("none");
            let sentence = format!(
                "the bot token's {name} is {real}, and the connection's config has {own}; correct one of them"
            );
            return Step::wrong(Check::Workspace, Problem::WrongWorkspace, sentence);
        }
    }
    let unset = !of_an_organization && configured(connection, "team_id").is_none();
    let hint = body["team_id"].as_str().filter(|_| unset).map(|team| {
        format!(
            "set config.team_id to {team}, so that calls of other workspaces of the app are refused"
        )
    });
    Step::hinted(Check::Workspace, hint)
}

/// Whether the token is of the configured app, if Slack says of which it is.
fn application(heard: &Heard, connection: &Connection) -> Option<Step> {
    let real = heard.body["app_id"].as_str()?;
    let own = configured(connection, "api_app_id")?;
    if own == real {
        return Some(Step::good(Check::Application));
    }
    let sentence = format!(
        "the bot token is of the app {real}, and the connection's config.api_app_id is {own}; correct one of them"
    );
    Some(Step::wrong(
        Check::Application,
        Problem::WrongApplication,
        sentence,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::slack::errors::TABLE;

    #[test]
    fn every_error_with_a_word_is_in_the_table() {
        for (name, _) in PROBLEMS {
            assert!(TABLE.iter().any(|row| row.error() == *name), "{name}");
        }
    }
}
