//! Discord's errors, as its HTTP API answers them.

use crate::chat::{Failure, Wire};
use serde_json::{Value, json};

/// The errors that the sample can answer: their numbers, statuses and messages. A number below 1000 is a status
/// without one.
pub const ERRORS: &[(&str, u16, &str)] = &[
    ("429", 429, "You are being rate limited."),
    ("500", 500, "500: Internal Server Error"),
    ("502", 502, "502: Bad Gateway"),
    ("1015", 429, "error code: 1015"),
    ("40333", 403, "internal network error"),
    (
        "20016",
        429,
        "This action cannot be performed due to slowmode rate limit",
    ),
    (
        "20022",
        429,
        "This message cannot be edited due to announcement rate limits",
    ),
    (
        "20028",
        429,
        "The write action you are performing on the channel has hit the write rate limit.",
    ),
    (
        "20029",
        429,
        "The write action you are performing on the server has hit the write rate limit.",
    ),
    (
        "30046",
        429,
        "Maximum number of edits to messages older than 1 hour reached. Try again later",
    ),
    ("40004", 403, "Send messages has been temporarily disabled"),
    (
        "40006",
        403,
        "This feature has been temporarily disabled server-side",
    ),
    ("40062", 429, "Service resource is being rate limited."),
    (
        "130000",
        503,
        "API resource is currently overloaded. Try again a little later",
    ),
    ("50083", 400, "Thread is archived"),
    (
        "160002",
        403,
        "Cannot reply without permission to read message history",
    ),
    (
        "160009",
        403,
        "Cannot reference a message without permission to read message history",
    ),
    ("50035 message_reference", 400, "Invalid Form Body"),
    ("10008", 404, "Unknown Message"),
    ("50035", 400, "Invalid Form Body"),
    ("50006", 400, "Cannot send an empty message"),
    ("50109", 400, "The request body contains invalid JSON."),
    ("40005", 413, "Request entity too large"),
    ("401", 401, "401: Unauthorized"),
    ("40001", 401, "Unauthorized"),
    ("50014", 401, "Invalid authentication token provided"),
    (
        "40002",
        403,
        "You need to verify your account in order to perform this action.",
    ),
    ("404", 404, "404: Not Found"),
    ("50041", 400, "Invalid API version"),
    ("10003", 404, "Unknown Channel"),
    ("10004", 404, "Unknown Guild"),
    ("50001", 403, "Missing Access"),
    ("50013", 403, "Missing Permissions"),
    (
        "50005",
        403,
        "Cannot edit a message authored by another user",
    ),
    ("50007", 403, "Cannot send messages to this user"),
    (
        "50278",
        403,
        "Cannot send messages to this user due to having no mutual guilds",
    ),
    ("50008", 400, "Cannot send messages in a non-text channel"),
    ("40058", 400, "Cannot send a message in a forum channel"),
    ("50024", 400, "Cannot execute action on this channel type"),
    (
        "50009",
        403,
        "Channel verification level is too high for you to gain access",
    ),
    ("50021", 403, "Cannot execute action on a system message"),
    (
        "20009",
        403,
        "Explicit content cannot be sent to the desired recipient(s)",
    ),
    (
        "20026",
        403,
        "Your bot has been flagged by our anti-spam system for abusive behavior.",
    ),
    ("160005", 403, "Thread is locked"),
    ("160006", 400, "Maximum number of active threads reached"),
    (
        "160007",
        400,
        "Maximum number of active announcement threads reached",
    ),
    ("200000", 400, "Message was blocked by automatic moderation"),
    ("240000", 400, "Message blocked by harmful links filter"),
    // Not in Postern's table.
    ("999999", 400, "A new error"),
];

pub(super) fn error(failure: &Failure) -> Option<Wire> {
    let (name, status, message) = ERRORS.iter().find(|(name, ..)| *name == failure.error)?;
    if *name == "1015" {
        let wire = Wire::html(429, message);
        return Some(match failure.after {
            Some(seconds) => wire.with("retry-after", seconds.ceil()),
            None => wire,
        });
    }
    let code: u64 = name.split(' ').next()?.parse().ok()?;
    let code = if code < 1000 { 0 } else { code };
    let mut body = json!({"message": message, "code": code});
    match *name {
        "50035" => {
            let inner = json!([{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 4096 or fewer in length."}]);
            body["errors"] = json!({"embeds": {"0": {"description": {"_errors": inner}}}});
        }
        "50035 message_reference" => {
            let inner = json!([{"code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message"}]);
            body["errors"] = json!({"message_reference": {"_errors": inner}});
        }
        _ => {}
    }
    if *status != 429 {
        return Some(Wire::json(*status, &body));
    }
    if code == 0 {
        // Discord's own rate has no number.
        body = json!({"message": message});
    }
    Some(limited(body, failure.after.unwrap_or(1.0), failure.global))
}

/// The answer to a message that is too much.
pub(super) fn too_many(seconds: f64) -> Wire {
    limited(
        json!({"message": "You are being rate limited."}),
        seconds,
        false,
    )
}

fn limited(mut body: Value, seconds: f64, global: bool) -> Wire {
    body["retry_after"] = seconds.into();
    body["global"] = global.into();
    let scope = if global { "global" } else { "user" };
    Wire::json(429, &body)
        .with("retry-after", seconds.ceil())
        .with("x-ratelimit-scope", scope)
}
