//! A connection's platform together with a client: makes the API calls.

use super::call::{ApiCall, Posted, Reply};
use super::card::cut;
use super::{
    Acknowledgement, ApiHosts, Call, Card, ChatPlatform, Click, Ending, Form, Verdict, discord,
    slack, telegram,
};
use crate::authority::signature::Verified;
use crate::authority::{Connection, Platform};
use crate::error::Error;
use crate::id::Revision;
use crate::question::{CardAddress, Place};
use crate::wire::client::{GuardedClient, SendError};
use crate::wire::event::Incoming;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use secrecy::{ExposeSecret, SecretString};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Timeout of a call. After it, the result counts as unknown.
const API_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls are not begun when less time than this is left.
const MIN_CALL: Duration = Duration::from_millis(50);
/// Maximum size of a response, in bytes. Platforms' own responses are much smaller.
const ANSWER_LIMIT: usize = 1 << 20;
/// Maximum length of a platform's message in the log, in characters.
const MAX_WORDS: usize = 200;

/// Access to the APIs of all platforms.
pub struct Chat {
    egress: Arc<GuardedClient<Full<Bytes>>>,
    hosts: ApiHosts,
}

impl Chat {
    /// Sends through this client. `hosts` are the hosts that may be called in addition to the platforms' own.
    pub fn new(egress: Arc<GuardedClient<Full<Bytes>>>, hosts: ApiHosts) -> Self {
        Self { egress, hosts }
    }

    /// The connection's platform, with the connection's secret.
    ///
    /// # Errors
    /// `secret_unavailable` if the secret does not have the form that the platform needs.
    pub fn on(
        &self,
        connection: &Connection,
        secret: &SecretString,
    ) -> Result<Connected<'_>, Error> {
        // If the connection's row names a forbidden host, its webhooks are verified but no calls are made.
        let (base, forbidden) = match self.hosts.base(connection.platform, &connection.config) {
            Ok(base) => (base, None),
            Err(rule) => (String::new(), Some(rule)),
        };
        let platform: Box<dyn ChatPlatform> = match connection.platform {
            Platform::Slack => Box::new(slack::Slack::new(base, secret)?),
            Platform::Telegram => Box::new(telegram::Telegram::new(base, secret)?),
            Platform::Discord => Box::new(discord::Discord::new(base, secret)?),
        };
        Ok(Connected {
            egress: &self.egress,
            platform,
            forbidden,
        })
    }
}

/// The platform of one connection, with its secret and a client.
pub struct Connected<'a> {
    egress: &'a GuardedClient<Full<Bytes>>,
    platform: Box<dyn ChatPlatform>,
    /// Why the API address of the connection may not be called, if that is so.
    forbidden: Option<&'static str>,
}

impl Connected<'_> {
    /// Verifies that the platform made this webhook call, before anything in the body is parsed. `now` is in Unix
    /// seconds.
    ///
    /// # Errors
    /// `invalid_signature`.
    pub fn verify(
        &self,
        incoming: &Incoming,
        connection: &Connection,
        now: i64,
    ) -> Result<Verified, Error> {
        self.platform.verify(incoming, connection.id(), now)
    }

    /// Reads a verified webhook call.
    ///
    /// # Errors
    /// `invalid_json`, `invalid_request`, or `invalid_signature` if it is for another workspace or application.
    pub fn read(&self, incoming: &Incoming, connection: &Connection) -> Result<Call, Error> {
        self.platform.read(incoming, &connection.config)
    }

    /// Posts the card or, if the platform refuses it, its plain text. Returns the result and which form was last
    /// posted. It takes at most 20 s.
    pub async fn post(&self, card: &Card, place: &Place, revision: &Revision) -> (Posted, Form) {
        let until = Instant::now() + 2 * API_TIMEOUT;
        let buttons = self.platform.post(card, place, revision, Form::Buttons);
        match self.send(buttons, until).await {
            Posted::Refused(why) => {
                tracing::warn!(event = "card_refused", cause = why);
                let text = self.platform.post(card, place, revision, Form::Text);
                (self.send(text, until).await, Form::Text)
            }
            posted @ (Posted::Done(_) | Posted::Unknown(_)) => (posted, Form::Buttons),
        }
    }

    /// Posts a message next to the card that says how it ended.
    pub async fn receipt(&self, at: &CardAddress, ending: &Ending, until: Instant) -> Posted {
        self.send(self.platform.receipt(at, ending), until).await
    }

    /// Removes the card's buttons and adds how it ended.
    pub async fn edit(
        &self,
        at: &CardAddress,
        card: &Card,
        ending: &Ending,
        until: Instant,
    ) -> Posted {
        self.send(self.platform.edit(at, card, ending), until).await
    }

    /// The acknowledgement of a click, in the form that the platform expects.
    pub fn acknowledge(&self, click: &Click, verdict: &Verdict<'_>) -> Acknowledgement {
        self.platform.acknowledge(click, verdict)
    }

    /// Makes the additional call of an acknowledgement. A failure is only logged.
    pub async fn follow_up(&self, call: Option<ApiCall>, until: Instant) {
        if let Some(call) = call
            && let Posted::Refused(why) | Posted::Unknown(why) = self.send(call, until).await
        {
            tracing::info!(event = "note_failed", cause = why);
        }
    }

    async fn send(&self, call: ApiCall, until: Instant) -> Posted {
        if let Some(rule) = self.forbidden {
            return Posted::Refused(format!("the connection's config.api_base_url {rule}"));
        }
        let first = self.bounded(&call, until).await;
        match first {
            Posted::Unknown(why) if call.repeatable => match self.bounded(&call, until).await {
                // A refusal of the second call does not mean that the first failed.
                Posted::Refused(_) => Posted::Unknown(why),
                posted @ (Posted::Done(_) | Posted::Unknown(_)) => posted,
            },
            posted @ (Posted::Done(_) | Posted::Refused(_) | Posted::Unknown(_)) => posted,
        }
    }

    async fn bounded(&self, call: &ApiCall, until: Instant) -> Posted {
        if Instant::now() + MIN_CALL > until {
            return Posted::Refused(format!("{}: not begun, there was no time left", call.name));
        }
        let until = until.min(Instant::now() + API_TIMEOUT);
        match tokio::time::timeout_at(until, self.exchange(call)).await {
            Ok(posted) => posted,
            Err(_) => Posted::Unknown(format!("{}: no answer in time", call.name)),
        }
    }

    async fn exchange(&self, call: &ApiCall) -> Posted {
        let refused = |why: String| Posted::Refused(format!("{}: {}", call.name, bounded(&why)));
        let unknown = |why: String| Posted::Unknown(format!("{}: {}", call.name, bounded(&why)));
        let request = match request(call) {
            Ok(request) => request,
            Err(why) => return refused(why.to_owned()),
        };
        let response = match self.egress.send(request).await {
            Ok(response) => response,
            Err(SendError::Refused(error)) => return refused(why(&error)),
            Err(SendError::Broken(error)) => return unknown(why(&error)),
        };
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect();
        match body.await {
            Ok(body) => match self.platform.reply(status, &body.to_bytes()) {
                Reply::Done(at) => Posted::Done(at),
                Reply::Refused(why) => refused(why),
                Reply::Unknown(why) => unknown(why),
            },
            Err(_) if !status.is_success() => refused(format!("status {}", status.as_u16())),
            Err(error) => unknown(error.to_string()),
        }
    }
}

fn request(call: &ApiCall) -> Result<Request<Full<Bytes>>, &'static str> {
    let mut request = Request::builder()
        .method(&call.method)
        .uri(call.url.expose_secret())
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::USER_AGENT, USER_AGENT);
    if let Some(token) = &call.authorization {
        let mut token = HeaderValue::from_str(token.expose_secret())
            .map_err(|_| "the bot token cannot stand in a header")?;
        token.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, token);
    }
    request
        .body(Full::from(call.body.to_string()))
        .map_err(|_| "the API's address is not valid")
}

/// Discord refuses clients whose user agent does not begin with `DiscordBot (`
/// (docs.discord.com/developers/reference#user-agent). Slack and Telegram take any, so all get this one.
const USER_AGENT: &str = concat!("DiscordBot (postern, ", env!("CARGO_PKG_VERSION"), ")");

/// Why a call failed, for the log: the error's cause or, without one, its message.
fn why(error: &Error) -> String {
    error.cause().unwrap_or_else(|| error.to_string())
}

/// A message from outside, shortened for the log.
fn bounded(words: &str) -> String {
    cut(words, MAX_WORDS, |_| 1)
}
