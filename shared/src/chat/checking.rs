//! Makes the check of a connection: reads what the platform knows of the bot, posts a message, and deletes it. Each
//! step is made once the one before found nothing wrong.

use super::call::{ApiCall, PutOff, Reply};
use super::check::{Check, Found, Heard, Problem, Step, form, name};
use super::connected::{Asked, Chat, Connected};
use super::turns::{Paused, Turns};
use crate::authority::Connection;
use crate::error::{Code, Error};
use crate::question::{CardAddress, Place};
use crate::rate::Rates;
use futures_util::future::{BoxFuture, FutureExt, ready};
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tokio::time::Instant;

/// Timeout of each call.
const CALL: Duration = Duration::from_secs(4);
/// What is kept of the time for deleting the message.
const FOR_TAKING_BACK: Duration = Duration::from_secs(5);
/// The pause before a deletion is tried again, if the platform does not say for how long to wait.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a deletion is tried.
const TRIES: usize = 3;

impl Chat {
    /// Checks the connection by posting a message in this place and deleting it. Returns the steps that were made, of
    /// which only the last can be wrong. It ends before `until`, whatever the platform does.
    pub async fn check(
        &self,
        connection: &Connection,
        secret: &SecretString,
        place: &Place,
        until: Instant,
    ) -> Vec<Step> {
        let Ok(connected) = self.on(connection, secret, NoTurns) else {
            let form = form(connection.platform);
            return vec![Step::wrong(Check::Secret, Problem::SecretMalformed, form)];
        };
        let checking = Checking {
            connected,
            connection,
            until,
        };
        let mut steps = Vec::new();
        checking.make(place, &mut steps).await;
        let token = checking.connected.platform().bot_token();
        steps.into_iter().map(|step| step.told(token)).collect()
    }
}

/// A check gives up rather than wait, and posts one message only, so it takes no turn.
struct NoTurns;

impl Turns for NoTurns {
    fn take(&self, _: &str, _: Rates, _: Duration, _: Instant) -> BoxFuture<'_, Option<Duration>> {
        ready(Some(Duration::ZERO)).boxed()
    }

    fn pause(&self, _: Paused<'_>, _: Duration, _: Instant) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}

struct Checking<'a> {
    connected: Connected<'a>,
    connection: &'a Connection,
    until: Instant,
}

/// What is wrong, and a sentence about it.
type Wrong = (Problem, String);

impl Checking<'_> {
    /// Makes the steps until one is wrong.
    async fn make(&self, place: &Place, steps: &mut Vec<Step>) {
        let platform = self.connected.platform();
        let token = platform.bot_token().expose_secret();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let sentence =
                "the secret's `bot_token` must be visible ASCII characters; copy it again";
            steps.push(Step::wrong(
                Check::Secret,
                Problem::SecretMalformed,
                sentence,
            ));
            return;
        }
        steps.push(Step::good(Check::Secret));
        if let Some(rule) = self.connected.forbidden() {
            let sentence = format!("the connection's config.api_base_url {rule}");
            steps.push(Step::wrong(
                Check::Address,
                Problem::AddressForbidden,
                sentence,
            ));
            return;
        }
        steps.push(Step::good(Check::Address));
        for (check, read) in platform.reads() {
            match self.read(&read).await {
                Ok(heard) => steps.extend(platform.learn(check, &heard, self.connection)),
                Err((problem, sentence)) => steps.push(Step::wrong(check, problem, sentence)),
            }
            if steps.last().is_some_and(|step| step.problem().is_some()) {
                return;
            }
        }
        let (mut posted, at) = self.post(place).await;
        let Some(at) = at else {
            steps.push(posted);
            return;
        };
        let still_there = self.take_back(&at).await.err();
        // What is wrong with the message matters more than that it could not be deleted.
        if let Found::Wrong(_, sentence) = &mut posted.found {
            if let Some(why) = still_there {
                sentence.push_str(&format!("; {why}"));
            }
            steps.push(posted);
            return;
        }
        steps.push(posted);
        steps.push(match still_there {
            None => Step::good(Check::TakeBack),
            Some(why) => Step::wrong(Check::TakeBack, Problem::NotTakenBack, why),
        });
    }

    /// The answer to a call that reads.
    async fn read(&self, call: &ApiCall) -> Result<Heard, Wrong> {
        let asked = self.ask(call, self.until).await;
        if let Asked::Heard(heard, Reply::Done(_)) = asked {
            return Ok(heard);
        }
        Err(self.wrong(call, &asked))
    }

    /// Posts the message. Returns the step, and where the message is if it has to be deleted.
    async fn post(&self, place: &Place) -> (Step, Option<CardAddress>) {
        let until = self
            .until
            .checked_sub(FOR_TAKING_BACK)
            .unwrap_or(self.until);
        let platform = self.connected.platform();
        let mut call = platform.hello(place);
        let mut asked = self.ask(&call, until).await;
        if may_stand(&asked) && call.once {
            asked = self.ask(&call, until).await;
        }
        let mut hint = None;
        if let Asked::Heard(_, Reply::Instead(how, why)) = &asked
            && let Some([instead]) = platform.instead(call.clone(), how).as_deref()
        {
            hint = Some(format!(
                "it was posted in another way than asked for: {why}"
            ));
            call = instead.clone();
            asked = self.ask(&call, until).await;
        }
        let Asked::Heard(heard, Reply::Done(at)) = asked else {
            let (problem, mut sentence) = self.wrong(&call, &asked);
            if may_stand(&asked) {
                sentence.push_str("; if the message is there all the same, delete it by hand");
            }
            return (Step::wrong(Check::Post, problem, sentence), None);
        };
        let step = match (&at, platform.lacks(&heard)) {
            (None, _) => {
                let platform = name(self.connection.platform);
                let sentence =
                    format!("{platform} did not say where the message is; delete it by hand");
                Step::wrong(Check::Post, Problem::PlatformUnavailable, sentence)
            }
            (Some(_), Some(lack)) => Step::wrong(Check::Post, Problem::CardIncomplete, lack),
            (Some(_), None) => Step::hinted(Check::Post, hint),
        };
        (step, at)
    }

    /// Deletes the message. `Err` with a sentence if it may still be there.
    async fn take_back(&self, at: &CardAddress) -> Result<(), String> {
        let call = self.connected.platform().take_back(at);
        let mut why = String::new();
        for _ in 0..TRIES {
            let asked = self.ask(&call, self.until).await;
            let pause = match &asked {
                Asked::Heard(_, Reply::Done(_)) => return Ok(()),
                Asked::Heard(_, Reply::PutOff(put_off)) => put_off.after.unwrap_or(PAUSE),
                Asked::Lost(_) | Asked::Heard(_, Reply::Unknown(_) | Reply::Unlisted(_)) => PAUSE,
                Asked::Unsent(_) | Asked::Heard(_, Reply::Refused(_) | Reply::Instead(..)) => {
                    Duration::MAX
                }
            };
            (_, why) = self.wrong(&call, &asked);
            let left = self.until.saturating_duration_since(Instant::now());
            if pause >= left {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Err(format!(
            "the message is still there, delete it by hand: {why}"
        ))
    }

    async fn ask(&self, call: &ApiCall, until: Instant) -> Asked {
        // Boxed: a call's future is deep.
        Box::pin(self.connected.ask(call, until.min(Instant::now() + CALL))).await
    }

    /// What is wrong, where the call did not take effect.
    fn wrong(&self, call: &ApiCall, asked: &Asked) -> Wrong {
        let platform = name(self.connection.platform);
        let method = call.name;
        let unavailable = |why: &str| {
            let sentence =
                format!("{platform} did not answer {method} as it does: {why}; test again");
            (Problem::PlatformUnavailable, sentence)
        };
        match asked {
            Asked::Unsent(error) => unsent(platform, error),
            Asked::Lost(why) => unavailable(why),
            Asked::Heard(heard, reply) => {
                let word = self.connected.platform().problem(heard);
                match reply {
                    // In its place, something in between has answered.
                    Reply::Unknown(why) | Reply::Refused(why) | Reply::Unlisted(why)
                        if !heard.body.is_object() =>
                    {
                        unavailable(&format!(
                            "{why}; check the connection's config.api_base_url"
                        ))
                    }
                    Reply::Unknown(why) => unavailable(why),
                    Reply::PutOff(put_off) => match word {
                        Some(problem) => (problem, asks_to_wait(platform, put_off)),
                        None if heard.status == StatusCode::TOO_MANY_REQUESTS => {
                            (Problem::RateLimited, asks_to_wait(platform, put_off))
                        }
                        None => unavailable(&put_off.why),
                    },
                    Reply::Refused(why) | Reply::Unlisted(why) | Reply::Instead(_, why) => {
                        let sentence = format!("{platform} refuses {method}: {why}");
                        (word.unwrap_or(Problem::Refused), sentence)
                    }
                    Reply::Done(_) => unavailable("the answer lacks what it should hold"),
                }
            }
        }
    }
}

/// Whether the call may have taken effect, although no answer says so.
fn may_stand(asked: &Asked) -> bool {
    matches!(
        asked,
        Asked::Lost(_)
            | Asked::Heard(_, Reply::Unknown(_))
            | Asked::Heard(_, Reply::PutOff(PutOff { doubtful: true, .. }))
    )
}

/// What is wrong, where the call was not sent.
fn unsent(platform: &str, error: &Error) -> Wrong {
    let cause = error.cause().unwrap_or_else(|| error.to_string());
    if error.code == Code::UpstreamForbidden {
        let sentence = format!("the address of {platform}'s API may not be called: {cause}");
        return (Problem::AddressForbidden, sentence);
    }
    let sentence = format!(
        "{platform}'s API could not be reached; check the connection's config.api_base_url and the way out of the \
         functions' network: {cause}"
    );
    (Problem::PlatformUnavailable, sentence)
}

fn asks_to_wait(platform: &str, put_off: &PutOff) -> String {
    let why = &put_off.why;
    match put_off.after {
        Some(after) => {
            let seconds = after.as_secs_f64().ceil();
            format!("{platform} asks to wait {seconds} s; test again then: {why}")
        }
        None => format!("{platform} asks to wait; test again in a minute: {why}"),
    }
}
