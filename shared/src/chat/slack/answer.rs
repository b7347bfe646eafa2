//! What Slack's answers mean. Slack answers 200 with `ok: false` and an error, and 429 for its rates
//! (docs.slack.dev/apis/web-api/rate-limits). Slack says that its lists of errors are not complete.

use crate::chat::call::{Answered, ApiCall, Purpose, Reply, Whom, located};
use crate::chat::error_table::{ALL, EDITS, Means, POSTS, Row};
use crate::question::CardAddress;
use serde::Deserialize;

const POST: &str = "https://docs.slack.dev/reference/methods/chat.postMessage";
const UPDATE: &str = "https://docs.slack.dev/reference/methods/chat.update";
const EPHEMERAL: &str = "https://docs.slack.dev/reference/methods/chat.postEphemeral";
const DELETE: &str = "https://docs.slack.dev/reference/methods/chat.delete";
const RATES: &str = "https://docs.slack.dev/apis/web-api/rate-limits";
const ENTERPRISE: &str = "https://docs.slack.dev/enterprise/developing-for-enterprise-orgs";

/// Posts and notes, which may be in a thread.
const IN_THREADS: &[Purpose] = &[
    Purpose::Card,
    Purpose::Text,
    Purpose::Receipt,
    Purpose::Note,
];

const fn row(
    error: &'static str,
    calls: &'static [Purpose],
    means: Means,
    advice: &'static str,
    page: &'static str,
) -> Row {
    Row {
        error,
        calls,
        means,
        advice,
        page,
    }
}

/// Slack's errors, by their exact names.
pub(in crate::chat) const TABLE: &[Row] = &[
    row("ratelimited", ALL, Means::Wait(Whom::Bot), "", RATES),
    row("rate_limited", ALL, Means::Wait(Whom::Channel), "", POST),
    row(
        "message_limit_exceeded",
        IN_THREADS,
        Means::Wait(Whom::Call),
        "the workspace has used up the messages of its plan",
        POST,
    ),
    row("internal_error", ALL, Means::Doubtful, "", POST),
    row("fatal_error", ALL, Means::Doubtful, "", POST),
    row("service_unavailable", ALL, Means::Doubtful, "", POST),
    row("request_timeout", ALL, Means::Wait(Whom::Call), "", POST),
    row(
        "team_added_to_org",
        ALL,
        Means::Wait(Whom::Bot),
        "",
        ENTERPRISE,
    ),
    row("org_login_required", ALL, Means::Wait(Whom::Bot), "", POST),
    row(
        "external_channel_migrating",
        EDITS,
        Means::Wait(Whom::Call),
        "",
        UPDATE,
    ),
    row("update_failed", EDITS, Means::Wait(Whom::Call), "", UPDATE),
    row(
        "cannot_reply_to_message",
        IN_THREADS,
        Means::NoThread,
        "",
        POST,
    ),
    row(
        "thread_not_found",
        IN_THREADS,
        Means::NoThread,
        "",
        "https://github.com/slackapi/bolt-js/issues/2307",
    ),
    row("invalid_thread_ts", IN_THREADS, Means::NoThread, "", POST),
    row(
        "restricted_action_thread_locked",
        IN_THREADS,
        Means::NoThread,
        "",
        POST,
    ),
    row(
        "restricted_action_non_threadable_channel",
        IN_THREADS,
        Means::NoThread,
        "",
        POST,
    ),
    row(
        "restricted_action_thread_only_channel",
        POSTS,
        Means::Never,
        "the channel takes messages in threads only; give the thread's timestamp as `conversation_id`",
        POST,
    ),
    row(
        "message_not_found",
        &[Purpose::Edit, Purpose::Delete],
        Means::Done,
        "",
        UPDATE,
    ),
    row(
        "is_inactive",
        EDITS,
        Means::Never,
        "the channel is archived or deleted",
        UPDATE,
    ),
    row(
        "cant_update_message",
        EDITS,
        Means::Never,
        "another app posted the card",
        UPDATE,
    ),
    row(
        "edit_window_closed",
        EDITS,
        Means::Never,
        "the workspace forbids late edits",
        UPDATE,
    ),
    row(
        "cant_delete_message",
        &[Purpose::Delete],
        Means::Never,
        "another app posted the message",
        DELETE,
    ),
    row(
        "user_not_in_channel",
        &[Purpose::Note],
        Means::Never,
        "",
        EPHEMERAL,
    ),
    row("invalid_blocks", ALL, Means::Never, "", POST),
    row("invalid_blocks_format", ALL, Means::Never, "", POST),
    row("msg_blocks_too_long", ALL, Means::Never, "", POST),
    row("block_mismatch", EDITS, Means::Never, "", UPDATE),
    row("msg_too_long", ALL, Means::Never, "", UPDATE),
    row("invalid_arguments", ALL, Means::Never, "", POST),
    row(
        "missing_scope",
        ALL,
        Means::Never,
        "add the scope to the app and install it again",
        POST,
    ),
    row(
        "not_in_channel",
        ALL,
        Means::Never,
        "invite the app to the channel with /invite",
        POST,
    ),
    row(
        "channel_not_found",
        ALL,
        Means::Never,
        "the channel's id is wrong or of another workspace, or the channel is private and the app was not invited",
        POST,
    ),
    row(
        "is_archived",
        ALL,
        Means::Never,
        "unarchive the channel or choose another",
        POST,
    ),
    row(
        "not_authed",
        ALL,
        Means::Never,
        "the secret has no bot token",
        POST,
    ),
    row(
        "invalid_auth",
        ALL,
        Means::Never,
        "the bot token is wrong, or the app allows other addresses only",
        POST,
    ),
    row(
        "account_inactive",
        ALL,
        Means::Never,
        "install the app again",
        POST,
    ),
    row(
        "token_revoked",
        ALL,
        Means::Never,
        "install the app again",
        POST,
    ),
    row(
        "token_expired",
        ALL,
        Means::Never,
        "turn token rotation off for the app and install it again",
        POST,
    ),
    row(
        "not_allowed_token_type",
        ALL,
        Means::Never,
        "the secret needs a bot token, which begins with xoxb-",
        POST,
    ),
    row(
        "restricted_action",
        ALL,
        Means::Never,
        "the workspace's settings forbid posting in this channel",
        POST,
    ),
    row(
        "restricted_action_read_only_channel",
        POSTS,
        Means::Never,
        "the channel is read-only; choose another",
        POST,
    ),
    row(
        "team_access_not_granted",
        ALL,
        Means::Never,
        "an administrator of the organization must add the app to the workspace",
        EPHEMERAL,
    ),
    row(
        "messages_tab_disabled",
        IN_THREADS,
        Means::Never,
        "turn on the app's Messages tab under App Home",
        POST,
    ),
    row(
        "no_permission",
        ALL,
        Means::Never,
        "add the app to the channel and install it again",
        POST,
    ),
    row(
        "access_denied",
        ALL,
        Means::Never,
        "an administrator restricts the app",
        POST,
    ),
    row(
        "app_access_restricted",
        POSTS,
        Means::Never,
        "an administrator restricts the app",
        POST,
    ),
    row(
        "ekm_access_denied",
        ALL,
        Means::Never,
        "an administrator has suspended posting",
        POST,
    ),
    row(
        "enterprise_is_restricted",
        ALL,
        Means::Never,
        "an administrator restricts the app",
        POST,
    ),
];

/// A response of the Web API.
#[derive(Deserialize)]
struct Body {
    ok: bool,
    #[serde(default)]
    error: Option<String>,
    /// The scope that is missing.
    #[serde(default)]
    needed: Option<String>,
    #[serde(default)]
    channel: Option<serde_json::Value>,
    #[serde(default)]
    ts: Option<String>,
    #[serde(default)]
    message: Option<Message>,
}

/// A message in a response.
#[derive(Deserialize, Default)]
struct Message {
    #[serde(default)]
    thread_ts: Option<String>,
}

/// What Slack's answer to this call means.
pub(super) fn read(call: &ApiCall, answer: &Answered<'_>) -> Reply {
    let body = serde_json::from_slice::<Body>(answer.body);
    if let Some(reply) = answer.by_status(Whom::Bot) {
        return reply;
    }
    match body {
        Ok(Body {
            ok: true,
            channel,
            ts,
            message,
            ..
        }) => {
            let channel = channel.and_then(|channel| channel.as_str().map(str::to_owned));
            match channel.zip(ts) {
                Some((channel, ts)) => {
                    let thread = message.unwrap_or_default().thread_ts;
                    // The first message of a thread names itself.
                    let thread = thread.filter(|thread| *thread != ts);
                    located(CardAddress::new(channel, ts).map(|at| at.within(thread)))
                }
                None => Reply::Done(None),
            }
        }
        Ok(Body {
            error: Some(error),
            needed,
            ..
        }) => {
            let words = match needed {
                Some(scope) => format!("{error} ({scope})"),
                None => error.clone(),
            };
            let row = TABLE
                .iter()
                .find(|row| row.error == error && row.calls.contains(&call.purpose));
            match row {
                Some(row) => row.reply(answer.retry_after(), None, &words),
                None => Reply::Unlisted(words),
            }
        }
        Ok(_) => Reply::Unlisted("no reason given".into()),
        Err(_) => answer.not_the_platforms("Slack"),
    }
}
