//! Slack's errors, as its Web API answers them.

use crate::chat::{Failure, Wire};
use serde_json::{Value, json};

/// The errors that the sample can answer.
pub const ERRORS: &[&str] = &[
    "ratelimited",
    "rate_limited",
    "message_limit_exceeded",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
    "org_login_required",
    "external_channel_migrating",
    "update_failed",
    "cannot_reply_to_message",
    "thread_not_found",
    "invalid_thread_ts",
    "restricted_action_thread_locked",
    "restricted_action_non_threadable_channel",
    "restricted_action_thread_only_channel",
    "message_not_found",
    "is_inactive",
    "cant_update_message",
    "edit_window_closed",
    "block_mismatch",
    "cant_delete_message",
    "user_not_in_channel",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_attachments",
    "msg_blocks_too_long",
    "msg_too_long",
    "invalid_arguments",
    "missing_scope",
    "not_in_channel",
    "channel_not_found",
    "is_archived",
    "team_not_found",
    "not_authed",
    "invalid_auth",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "not_allowed_token_type",
    "is_bot",
    "restricted_action",
    "restricted_action_read_only_channel",
    "team_access_not_granted",
    "messages_tab_disabled",
    "no_permission",
    "access_denied",
    "accesslimited",
    "app_access_restricted",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "two_factor_setup_required",
    "unknown_method",
    "method_deprecated",
    "deprecated_endpoint",
    // Not in Postern's table: Slack says that it may add errors.
    "a_new_error",
];

pub(super) fn error(failure: &Failure) -> Option<Wire> {
    let name = ERRORS.iter().find(|name| **name == failure.error)?;
    let mut body = json!({"ok": false, "error": name});
    match *name {
        "missing_scope" => {
            body["needed"] = "chat:write".into();
            body["provided"] = "commands".into();
        }
        "invalid_blocks" => {
            let words = "no more than 50 items allowed [json-pointer:/blocks]";
            body["errors"] = json!([words]);
            body["response_metadata"] = json!({"messages": [format!("[ERROR] {words}")]});
        }
        "invalid_arguments" => {
            let words =
                "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]";
            body["response_metadata"] = json!({"messages": [words]});
        }
        _ => {}
    }
    let status = if *name == "ratelimited" { 429 } else { 200 };
    let mut wire = Wire::json(status, &body);
    if failure.empty {
        wire.body.clear();
    }
    Some(match failure.after {
        Some(seconds) => wire.with("retry-after", seconds.ceil()),
        None => wire,
    })
}

/// The answer to a message that is too much.
pub(super) fn too_many(seconds: f64) -> Wire {
    let body: Value = json!({"ok": false, "error": "ratelimited"});
    Wire::json(429, &body).with("retry-after", seconds.ceil())
}
