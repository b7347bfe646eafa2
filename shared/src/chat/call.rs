//! A call of a platform's API as data, and the three things that may become of one.

use crate::question::CardAddress;
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::Value;

/// A call of a platform's API. Its address may hold a token, so it is never shown.
pub struct ApiCall {
    /// What it is called in a log.
    pub(super) name: &'static str,
    pub(super) method: Method,
    pub(super) url: SecretString,
    pub(super) authorization: Option<SecretString>,
    pub(super) body: Value,
    /// Whether the platform takes the same call twice as one.
    pub(super) repeatable: bool,
}

/// What an answer of a platform's API means.
pub(crate) enum Reply {
    Done(Option<CardAddress>),
    Refused(String),
    /// It is not the platform's.
    Unknown(String),
}

/// What became of a call.
#[derive(Debug)]
pub enum Posted {
    /// It happened; where the message is, if the platform said so.
    Done(Option<CardAddress>),
    /// It did not happen.
    Refused(String),
    /// It may have happened: nothing came back after it was sent.
    Unknown(String),
}

/// It happened, at this address; a longer one than an address may be is none of the platform's.
pub(super) fn located(channel: String, message: String) -> Reply {
    match CardAddress::new(channel, message) {
        Some(at) => Reply::Done(Some(at)),
        None => Reply::Unknown("the message's address is too long".into()),
    }
}

/// A refusal by status: the platform's own words, where it has some.
pub(super) fn refused(status: StatusCode, words: Option<&str>) -> Reply {
    let status = status.as_u16();
    Reply::Refused(match words {
        Some(words) => format!("status {status} {words}"),
        None => format!("status {status}"),
    })
}

/// What stands for a platform's words where it refuses without any.
pub(super) fn no_reason() -> String {
    "no reason given".into()
}
