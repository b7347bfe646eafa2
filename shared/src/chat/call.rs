//! A call to a platform's API as data, and its three possible results.

use crate::question::CardAddress;
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::Value;

/// A call to a platform's API. Its address may contain a token, so it is never logged.
pub struct ApiCall {
    /// The call's name in the log.
    pub(super) name: &'static str,
    pub(super) method: Method,
    pub(super) url: SecretString,
    pub(super) authorization: Option<SecretString>,
    pub(super) body: Value,
    /// Whether the call can be sent twice without a second effect.
    pub(super) repeatable: bool,
}

/// A response of a platform's API, as the platform's file reads it.
pub(crate) enum Reply {
    /// The call succeeded. Holds the address of the message, if the response gives it.
    Done(Option<CardAddress>),
    /// The platform refused the call; the reason.
    Refused(String),
    /// The response is not one of the platform's; what is wrong with it.
    Unknown(String),
}

/// The result of a call.
#[derive(Debug)]
pub enum Posted {
    /// The call took effect. Holds the address of the message, if the platform gave it.
    Done(Option<CardAddress>),
    /// The call had no effect; the reason.
    Refused(String),
    /// The call may have taken effect: it was sent, but no usable response came back. Holds the reason.
    Unknown(String),
}

/// The reply to a successful call whose message has this address. An overlong address cannot be from the platform.
pub(super) fn located(channel: String, message: String) -> Reply {
    match CardAddress::new(channel, message) {
        Some(at) => Reply::Done(Some(at)),
        None => Reply::Unknown("the message's address is too long".into()),
    }
}

/// A refusal with this status, and the platform's message if there is one.
pub(super) fn refused(status: StatusCode, words: Option<&str>) -> Reply {
    let status = status.as_u16();
    Reply::Refused(match words {
        Some(words) => format!("status {status} {words}"),
        None => format!("status {status}"),
    })
}

/// The reason to log when the platform gives none.
pub(super) fn no_reason() -> String {
    "no reason given".into()
}
