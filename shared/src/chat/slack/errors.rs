//! Slack's errors and what they mean. Slack says that its lists of errors are not complete.

use crate::chat::call::{Purpose, Whom};
use crate::chat::error_table::calls::{CHANGES, DELETES, EDITS, POSTS, WRITES};
use crate::chat::error_table::{Means, Row, rows};
use Means::{Done, Doubtful, Never, NoThread, Wait};

const POST: &str = "https://docs.slack.dev/reference/methods/chat.postMessage";
const UPDATE: &str = "https://docs.slack.dev/reference/methods/chat.update";
const EPHEMERAL: &str = "https://docs.slack.dev/reference/methods/chat.postEphemeral";
const DELETE: &str = "https://docs.slack.dev/reference/methods/chat.delete";
const RATES: &str = "https://docs.slack.dev/apis/web-api/rate-limits";
const ENTERPRISE: &str = "https://docs.slack.dev/enterprise/developing-for-enterprise-orgs";
const REPLIES: &str = "https://docs.slack.dev/reference/methods/conversations.replies";
const STATUS: &str = "https://docs.slack.dev/reference/methods/assistant.threads.setStatus";

/// Every call.
const ALL: &[Purpose] = &[
    Purpose::Card,
    Purpose::Text,
    Purpose::Receipt,
    Purpose::Edit,
    Purpose::Note,
    Purpose::Delete,
    Purpose::Read,
];
/// The calls of methods other than `chat.postMessage`, which have rates of their own.
const OTHERS: &[Purpose] = &[Purpose::Edit, Purpose::Note, Purpose::Delete, Purpose::Read];
const NOTES: &[Purpose] = &[Purpose::Note];
/// The calls of `chat.postMessage` and `chat.postEphemeral`.
const POSTS_AND_NOTES: &[Purpose] = &[
    Purpose::Card,
    Purpose::Text,
    Purpose::Receipt,
    Purpose::Note,
];
/// The calls that carry text.
const TEXTS: &[Purpose] = &[
    Purpose::Card,
    Purpose::Text,
    Purpose::Receipt,
    Purpose::Edit,
    Purpose::Note,
];
/// The calls that carry blocks.
const BLOCKS: &[Purpose] = &[Purpose::Card, Purpose::Receipt, Purpose::Edit];
/// The calls that post blocks.
const POSTED_BLOCKS: &[Purpose] = &[Purpose::Card, Purpose::Receipt];
/// The calls that name a channel.
const IN_CHANNELS: &[Purpose] = &[
    Purpose::Card,
    Purpose::Text,
    Purpose::Receipt,
    Purpose::Edit,
    Purpose::Note,
    Purpose::Delete,
];

/// Slack's errors, by their exact names.
pub(in crate::chat) const TABLE: &[Row] = rows! {
    "ratelimited", POSTS, Wait(Whom::Bot), "", RATES;
    "ratelimited", OTHERS, Wait(Whom::Call), "", RATES;
    "rate_limited", POSTS, Wait(Whom::Channel), "", POST;
    "message_limit_exceeded", TEXTS, Wait(Whom::Call), "the workspace has used up the messages of its plan", POST;
    "internal_error", ALL, Doubtful, "", POST;
    "fatal_error", ALL, Doubtful, "", POST;
    "service_unavailable", ALL, Doubtful, "", POST;
    "request_timeout", ALL, Doubtful, "", POST;
    "team_added_to_org", ALL, Wait(Whom::Bot), "", ENTERPRISE;
    "org_login_required", ALL, Wait(Whom::Bot), "the workspace moves to an Enterprise organization", POST;
    "external_channel_migrating", EDITS, Wait(Whom::Call), "", UPDATE;
    // An edit that is made twice shows once.
    "update_failed", EDITS, Wait(Whom::Call), "", UPDATE;
    "cannot_reply_to_message", POSTS_AND_NOTES, NoThread, "", POST;
    "thread_not_found", POSTS_AND_NOTES, NoThread, "", REPLIES;
    "invalid_thread_ts", POSTS_AND_NOTES, NoThread, "", STATUS;
    "restricted_action_thread_locked", POSTS, NoThread, "", POST;
    "restricted_action_non_threadable_channel", POSTS, NoThread, "", POST;
    "restricted_action_thread_only_channel", POSTS, Never, "the channel takes messages in threads only; give the thread's timestamp as `conversation_id`", POST;
    "message_not_found", CHANGES, Done, "", UPDATE;
    "is_inactive", EDITS, Never, "the channel is archived or deleted", UPDATE;
    "cant_update_message", EDITS, Never, "another app posted the card", UPDATE;
    "edit_window_closed", EDITS, Never, "the workspace forbids late edits", UPDATE;
    "block_mismatch", EDITS, Never, "", UPDATE;
    "cant_delete_message", DELETES, Never, "another app posted the message", DELETE;
    "user_not_in_channel", NOTES, Never, "", EPHEMERAL;
    "invalid_blocks", BLOCKS, Never, "", POST;
    "invalid_blocks_format", BLOCKS, Never, "", POST;
    "invalid_attachments", BLOCKS, Never, "", UPDATE;
    "msg_blocks_too_long", POSTED_BLOCKS, Never, "", POST;
    // Slack no longer lists it for posts.
    "msg_too_long", TEXTS, Never, "", UPDATE;
    "invalid_arguments", ALL, Never, "", POST;
    "missing_scope", ALL, Never, "add the scope to the app and install it again", POST;
    "not_in_channel", POSTS_AND_NOTES, Never, "invite the app to the channel with /invite", POST;
    "channel_not_found", IN_CHANNELS, Never, "the channel's id is wrong or of another workspace, or the channel is private and the app was not invited", POST;
    "is_archived", POSTS_AND_NOTES, Never, "unarchive the channel or choose another", POST;
    "team_not_found", WRITES, Never, "give the channel's id and not its name", POST;
    "not_authed", ALL, Never, "the secret has no bot token", POST;
    "invalid_auth", ALL, Never, "the bot token is wrong, or the app allows other addresses only", POST;
    "account_inactive", ALL, Never, "install the app again", POST;
    "token_revoked", ALL, Never, "install the app again", POST;
    "token_expired", ALL, Never, "turn token rotation off for the app and install it again", POST;
    "not_allowed_token_type", ALL, Never, "the secret needs a bot token, which begins with xoxb-", POST;
    "is_bot", ALL, Never, "the token is of a legacy bot; create an app", POST;
    "restricted_action", POSTS_AND_NOTES, Never, "the workspace's settings forbid posting in this channel", POST;
    "restricted_action_read_only_channel", POSTS, Never, "the channel is read-only; choose another", POST;
    "team_access_not_granted", TEXTS, Never, "an administrator of the organization must add the app to the workspace", POST;
    "messages_tab_disabled", POSTS_AND_NOTES, Never, "turn on the app's Messages tab under App Home", POST;
    "no_permission", ALL, Never, "add the app to the channel and install it again", POST;
    "access_denied", ALL, Never, "an administrator restricts the app", POST;
    "accesslimited", ALL, Never, "Slack does not take calls from this network", POST;
    "app_access_restricted", POSTS, Never, "an administrator restricts who may use the app", POST;
    "ekm_access_denied", ALL, Never, "an administrator has suspended posting", POST;
    "enterprise_is_restricted", ALL, Never, "install the app in a workspace, not in the organization", POST;
    "two_factor_setup_required", ALL, Never, "the token's owner must set up two-factor authentication", POST;
    "unknown_method", ALL, Never, "`api_base_url` is wrong, or Postern is too old", POST;
    "method_deprecated", ALL, Never, "update Postern", POST;
    "deprecated_endpoint", ALL, Never, "update Postern", POST;
};
