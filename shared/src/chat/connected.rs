//! A connection's platform together with a client: makes the API calls.

use super::call::{Answered, ApiCall, Done, Later, Posted, PutOff, Reply, Whom};
use super::check::{Heard, SHORTEST_TOKEN};
use super::cut::cut;
use super::error_table::MAX_WORDS;
use super::so_far::{Earlier, FIRST_PAUSE, SoFar, sleep_before};
use super::turns::{Paused, Turns};
use super::{
    Acknowledgement, ApiHosts, Call, Card, ChatPlatform, Click, Ending, Form, Verdict, discord,
    slack, telegram,
};
use crate::authority::signature::Verified;
use crate::authority::{Connection, Platform};
use crate::error::{Code, Error};
use crate::id::Revision;
use crate::question::{CardAddress, Place};
use crate::wire::client::{GuardedClient, SendError};
use crate::wire::event::Incoming;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use secrecy::{ExposeSecret, SecretString};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Timeout of a call. After it, the result counts as unknown.
const API_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls are not begun when less time than this is left.
const MIN_CALL: Duration = Duration::from_millis(50);
/// Maximum size of a response, in bytes. Platforms' own responses are much smaller.
const ANSWER_LIMIT: usize = 1 << 20;
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

    /// The connection's platform, with the connection's secret. `turns` keeps the connection's rates.
    ///
    /// # Errors
    /// `secret_unavailable` if the secret does not have the form that the platform needs.
    pub fn on<'a>(
        &'a self,
        connection: &Connection,
        secret: &SecretString,
        turns: impl Turns + 'a,
    ) -> Result<Connected<'a>, Error> {
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
            turns: Box::new(turns),
            forbidden,
        })
    }
}

/// The platform of one connection, with its secret and a client.
pub struct Connected<'a> {
    egress: &'a GuardedClient<Full<Bytes>>,
    platform: Box<dyn ChatPlatform>,
    turns: Box<dyn Turns + 'a>,
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
        self.platform.read(incoming, connection)
    }

    /// Posts the card or, if the platform refuses it for good, its plain text. Returns the result and which form was
    /// last posted.
    pub async fn post(
        &self,
        card: &Card,
        place: &Place,
        revision: &Revision,
        earlier: Earlier,
        until: Instant,
    ) -> (Posted, Form) {
        let buttons = self.platform.post(card, place, revision, Form::Buttons);
        let (why, in_doubt) = match self.send(buttons, earlier, until).await {
            Posted::Refused(why) => (why, false),
            // Whoever began this post has just sent the card, and may have succeeded. Who takes a post over knows less:
            // mostly nothing was sent, so the text is tried.
            Posted::RefusedInDoubt(why) if !earlier.doubtful => {
                return (Posted::Unknown(why), Form::Buttons);
            }
            Posted::RefusedInDoubt(why) => (why, true),
            posted @ (Posted::Done(_) | Posted::Later(_) | Posted::Unknown(_)) => {
                return (posted, Form::Buttons);
            }
        };
        tracing::warn!(event = "card_refused", cause = why);
        let text = self.platform.post(card, place, revision, Form::Text);
        let earlier = Earlier {
            patient: earlier.patient,
            ..Earlier::default()
        };
        match self.send(text, earlier, until).await {
            // An earlier card may stand, so the question is kept.
            Posted::Refused(why) | Posted::RefusedInDoubt(why) if in_doubt => {
                (Posted::Unknown(why), Form::Buttons)
            }
            Posted::Done(Done { at, doubtful }) => {
                let doubtful = doubtful || in_doubt;
                (Posted::Done(Done { at, doubtful }), Form::Text)
            }
            Posted::Later(later) => {
                let doubtful = later.doubtful || in_doubt;
                (Posted::Later(Later { doubtful, ..later }), Form::Text)
            }
            posted @ (Posted::Refused(_) | Posted::RefusedInDoubt(_) | Posted::Unknown(_)) => {
                (posted, Form::Text)
            }
        }
    }

    /// Posts a message next to the card that says how it ended.
    pub async fn receipt(
        &self,
        at: &CardAddress,
        ending: &Ending,
        earlier: Earlier,
        until: Instant,
    ) -> Posted {
        self.send(self.platform.receipt(at, ending), earlier, until)
            .await
    }

    /// Removes the card's buttons and adds how it ended.
    pub async fn edit(
        &self,
        at: &CardAddress,
        card: &Card,
        ending: &Ending,
        earlier: Earlier,
        until: Instant,
    ) -> Posted {
        self.send(self.platform.edit(at, card, ending), earlier, until)
            .await
    }

    /// The acknowledgement of a click, in the form that the platform expects.
    pub fn acknowledge(&self, click: &Click, verdict: &Verdict<'_>) -> Acknowledgement {
        self.platform.acknowledge(click, verdict)
    }

    /// Makes the additional call of an acknowledgement. A failure is only logged.
    pub async fn follow_up(&self, call: Option<ApiCall>, until: Instant) {
        let Some(call) = call else {
            return;
        };
        let why = match self.send(call, Earlier::default(), until).await {
            Posted::Done(_) => return,
            Posted::Refused(why)
            | Posted::RefusedInDoubt(why)
            | Posted::Unknown(why)
            | Posted::Later(Later { why, .. }) => why,
        };
        tracing::info!(event = "note_failed", cause = why);
    }

    /// Makes the call, and does what the platform's answer asks for, until the time is up.
    pub(super) async fn send(&self, call: ApiCall, earlier: Earlier, until: Instant) -> Posted {
        if let Some(rule) = self.forbidden {
            return Posted::Refused(format!("the connection's config.api_base_url {rule}"));
        }
        let mut calls = VecDeque::from([call]);
        let mut so_far = SoFar::new(earlier);
        // The last call is the one that was asked for; those before it prepare it.
        while let Some(call) = calls.front() {
            if let Err(after) = self.wait_for_turn(call, until).await {
                return so_far.later(call, after, format!("{}: the rate is used up", call.name));
            }
            let name = call.name;
            let why = |why: &str| format!("{name}: {}", bounded(why));
            match self.bounded(call, earlier, until).await {
                Reply::Done(at) if calls.len() == 1 => return so_far.done(at, call),
                Reply::Done(_) => {
                    calls.pop_front();
                }
                Reply::PutOff(put_off) => {
                    so_far.doubtful |= put_off.doubtful && call.purpose.creates();
                    let pause = so_far.pause(put_off.after);
                    self.hold(call, &put_off, pause, until).await;
                    if !sleep_before(call, pause, until).await {
                        return so_far.later(call, pause, why(&put_off.why));
                    }
                }
                Reply::Instead(how, reason) => {
                    tracing::warn!(event = "call_amended", cause = why(&reason));
                    let Some(amended) = so_far.amended(self.platform.as_ref(), call, &how) else {
                        return so_far.refused(call, why(&reason));
                    };
                    calls.pop_front();
                    for call in amended.into_iter().rev() {
                        calls.push_front(call);
                    }
                }
                Reply::Refused(reason) => return so_far.refused(call, why(&reason)),
                Reply::Unlisted(reason) if so_far.unlisted => {
                    return so_far.refused(call, why(&reason));
                }
                Reply::Unlisted(reason) => {
                    so_far.unlisted = true;
                    let pause = so_far.pause(None);
                    if !sleep_before(call, pause, until).await {
                        return so_far.later(call, pause, why(&reason));
                    }
                }
                Reply::Unknown(reason) => {
                    let again = call.once || call.purpose.repeats();
                    if !again || so_far.repeated {
                        return Posted::Unknown(why(&reason));
                    }
                    so_far.repeated = true;
                }
            }
        }
        // The queue never becomes empty: its last call returns.
        Posted::Refused("there was nothing to call".into())
    }

    /// Waits for the turn of a call that counts towards its channel's rate. `Err` with the time until it, if too little
    /// time would be left for the call.
    async fn wait_for_turn(&self, call: &ApiCall, until: Instant) -> Result<(), Duration> {
        let Some(channel) = call.channel.as_deref().filter(|_| call.purpose.creates()) else {
            return Ok(());
        };
        let left = until.saturating_duration_since(Instant::now());
        let most = left.saturating_sub(call.purpose.least_time());
        let rates = self.platform.rates(channel);
        match self.turns.take(channel, rates, most, until).await {
            Some(wait) if wait <= most => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            Some(wait) => Err(wait),
            None => Err(FIRST_PAUSE),
        }
    }

    /// Tells all environments that the platform asks to wait.
    async fn hold(&self, call: &ApiCall, put_off: &PutOff, pause: Duration, until: Instant) {
        let whom = match (put_off.whom, &call.channel) {
            (Whom::Bot, _) => Paused::Bot,
            (Whom::Channel, Some(channel)) => Paused::Channel(channel),
            (Whom::Channel, None) | (Whom::Call, _) => return,
        };
        self.turns.pause(whom, pause, until).await;
    }

    async fn bounded(&self, call: &ApiCall, earlier: Earlier, until: Instant) -> Reply {
        let put_off = |why: String| {
            Reply::PutOff(PutOff {
                after: None,
                whom: Whom::Call,
                doubtful: false,
                why,
            })
        };
        if Instant::now() + MIN_CALL > until {
            return put_off("not begun, there was no time left".into());
        }
        let until = until.min(Instant::now() + API_TIMEOUT);
        match tokio::time::timeout_at(until, self.fetch(call)).await {
            Ok(Ok((_, reply))) => reply,
            Ok(Err(SendError::Refused(error))) if earlier.patient => put_off(why(&error)),
            Ok(Err(SendError::Refused(error))) => Reply::Refused(why(&error)),
            Ok(Err(SendError::Broken(error))) => Reply::Unknown(why(&error)),
            Err(_) => Reply::Unknown("no answer in time".into()),
        }
    }

    /// Makes the call, and reads the answer.
    async fn fetch(&self, call: &ApiCall) -> Result<(Response<Bytes>, Reply), SendError> {
        let request = request(call)
            .map_err(|why| SendError::Refused(Code::UpstreamForbidden.because(why)))?;
        let (head, body) = self.egress.send(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT).collect().await;
        let broken = match &body {
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        // Before anything is cut from it: part of a token is a secret too.
        let body = without_token(self.platform.bot_token().expose_secret(), body);
        let answer = Answered {
            status: head.status,
            headers: &head.headers,
            body: &body,
        };
        let reply = match (self.platform.reply(call, &answer), broken) {
            // The status came, and says that the call took effect or may have.
            (Reply::Done(_) | Reply::Unknown(_), Some(broken)) => Reply::Unknown(broken),
            (reply, _) => reply,
        };
        Ok((Response::from_parts(head, body), reply))
    }

    /// The platform.
    pub(super) fn platform(&self) -> &dyn ChatPlatform {
        self.platform.as_ref()
    }

    /// The rule that the connection's API address breaks, if it breaks one.
    pub(super) fn forbidden(&self) -> Option<&'static str> {
        self.forbidden
    }

    /// Makes the call once, without a turn, and gives the platform's whole answer.
    pub(super) async fn ask(&self, call: &ApiCall, until: Instant) -> Asked {
        if Instant::now() + MIN_CALL > until {
            return Asked::Lost("not begun, there was no time left".into());
        }
        match tokio::time::timeout_at(until, self.fetch(call)).await {
            Ok(Ok((answer, reply))) => {
                let (head, body) = answer.into_parts();
                let heard = Heard {
                    status: head.status,
                    headers: head.headers,
                    body: serde_json::from_slice(&body).unwrap_or_default(),
                };
                Asked::Heard(heard, reply)
            }
            Ok(Err(SendError::Refused(error))) => Asked::Unsent(error),
            Ok(Err(SendError::Broken(error))) => Asked::Lost(why(&error)),
            Err(_) => Asked::Lost("no answer in time".into()),
        }
    }
}

/// What became of a call that was made once.
pub(super) enum Asked {
    /// The platform, or something in its place, has answered; and what that means.
    Heard(Heard, Reply),
    /// It was not sent.
    Unsent(Error),
    /// It may have arrived, and no answer came. The reason.
    Lost(String),
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
    // What takes no body at all is sent none.
    let body = if call.body.is_null() {
        Full::default()
    } else {
        Full::from(call.body.to_string())
    };
    request
        .body(body)
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

/// An answer without the bot token, which whatever stands at `api_base_url` may repeat and which is never logged.
fn without_token(token: &str, answer: Bytes) -> Bytes {
    let repeats = |at: &[u8]| at == token.as_bytes();
    if token.len() < SHORTEST_TOKEN || !answer.windows(token.len()).any(repeats) {
        return answer;
    }
    let answer = String::from_utf8_lossy(&answer);
    Bytes::from(answer.replace(token, "[the bot token]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_repeats_the_token_is_read_without_it() {
        let token = "123456:ABC-def_1234";
        let told = format!(r#"{{"ok":false,"description":"no /bot{token}/x, {token}"}}"#);
        let read = without_token(token, Bytes::from(told));
        let expected = r#"{"ok":false,"description":"no /bot[the bot token]/x, [the bot token]"}"#;
        assert_eq!(read, expected.as_bytes());
        for other in [&b"{\"ok\":true}"[..], b"", b"\xff\xfe"] {
            assert_eq!(without_token(token, Bytes::from_static(other)), other);
        }
    }
}
