//! A model that decides under a policy in plain words. It is asked over its provider's API with the
//! operator's system key; whatever goes wrong with it is a denial.

mod breaker;
mod exchange;
mod prompt;
mod verdicts;

pub use exchange::JudgeConfig;
use prompt::{MAX_BODY, MAX_PATH};

use crate::authority::scope::AgentScope;
use crate::moment::Moment;
use crate::policy::Target;
use crate::secret::{SecretNames, Secrets};
use crate::store::{FlightStatus, JudgeOutcome, Store, StoredVerdict, VerdictClaim};
use crate::wire::client::GuardedClient;
use breaker::Breakers;
use bytes::Bytes;
use exchange::Exchange;
use http_body_util::Full;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use verdicts::{Key, Said, Verdicts};

/// How long a verdict may be reused.
const LIFE: Duration = Duration::from_secs(5 * 60);
/// A caller's call is taken for dead this long after its bound.
const LEASE: Duration = Duration::from_secs(2);
/// A call with less time than this is not begun.
const MIN_CALL: Duration = Duration::from_millis(50);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_millis(400);

/// What the judge is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub agent: &'a AgentScope,
    /// The operator's words.
    pub policy: &'a str,
    pub target: &'a Target,
    /// The request's body, where the judge sees it.
    pub body: Option<&'a [u8]>,
}

/// What the judge said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    pub allow: bool,
    /// To whoever asked it, the judge's own words: bounded, without control characters. They may quote
    /// the request, so nobody else is told them, and they are not kept.
    pub reason: String,
}

impl Opinion {
    /// What was said to somebody else.
    fn of_another(allow: bool) -> Self {
        Self {
            allow,
            reason: "the judge said so of the same request".into(),
        }
    }
}

/// Where an opinion comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// From the judge, just now.
    Now,
    /// It was said within the last five minutes, of the same request under the same policy.
    Before,
}

/// Why there is no opinion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    #[error("the judge did not answer in time")]
    Timeout,
    #[error("the judge could not be asked: {0}")]
    Unavailable(String),
    #[error("the judge failed five times in a row; it is asked again in a while")]
    CircuitOpen,
}

/// The way to the judge, with what it said lately.
pub struct Judge {
    store: Arc<Store>,
    exchange: Exchange,
    timeout: Duration,
    verdicts: Verdicts,
    breakers: Breakers,
}

impl Judge {
    pub fn new(
        config: JudgeConfig,
        store: Arc<Store>,
        secrets: Arc<Secrets>,
        names: &SecretNames,
        egress: Arc<GuardedClient<Full<Bytes>>>,
    ) -> Self {
        let timeout = config.timeout;
        Self {
            store,
            exchange: Exchange::new(config, secrets, names, egress),
            timeout,
            verdicts: Verdicts::new(),
            breakers: Breakers::new(timeout + LEASE),
        }
    }

    /// What the judge says of this request of the agent's under this policy: what it said before, or
    /// what it says now, to all who ask the same at once. Takes no longer than the judge may.
    pub async fn opinion(&self, asked: Question<'_>) -> Result<(Opinion, Provenance), JudgeError> {
        let until = Instant::now() + self.timeout;
        if let Some(reason) = too_large(&asked) {
            let allow = false;
            return Ok((Opinion { allow, reason }, Provenance::Now));
        }
        let key = Key::new(&asked, self.exchange.model());
        if let Some(allow) = self.verdicts.said(&key) {
            return Ok((Opinion::of_another(allow), Provenance::Before));
        }
        if !self
            .breakers
            .is_closed(asked.agent.organization(), Instant::now())
        {
            return Err(JudgeError::CircuitOpen);
        }
        let place = self.verdicts.place(&key);
        let mut own = None;
        // Boxed, as below: these futures are deep, and every future that holds one would be too.
        let ask = Box::pin(self.shared(asked, &key, until, &mut own));
        let (said, heard) = place.say(ask).await;
        if said.is_err() {
            // Those who waited have heard it; whoever comes next asks anew.
            self.verdicts.forget(&key, &place);
        }
        let allow = said?;
        let opinion = own.map_or_else(
            || Opinion::of_another(allow),
            |reason| Opinion { allow, reason },
        );
        Ok((opinion, heard))
    }

    /// The same over all environments: one of them asks, and the others hear what it heard. `own` is
    /// the reason, where it is this one that asked.
    async fn shared(
        &self,
        asked: Question<'_>,
        key: &Key,
        until: Instant,
        own: &mut Option<String>,
    ) -> Said {
        let agent = asked.agent;
        let hash = key.hash();
        let lease = self.timeout + LEASE;
        let claim =
            || tokio::time::timeout_at(until, self.store.verdict_claim(agent, &hash, lease));
        while let Ok(claimed) = claim().await {
            match claimed {
                Ok(VerdictClaim::Known(verdict)) => return Said::by(verdict, Provenance::Before),
                Ok(VerdictClaim::Ours(flight)) => {
                    let said = self.ask(asked, until).await;
                    let said = said.map(|opinion| {
                        *own = Some(opinion.reason);
                        opinion.allow
                    });
                    let stored = stored(&said);
                    let settled = self.store.verdict_settle(agent, &hash, flight, stored);
                    if let Err(error) = settled.await {
                        tracing::warn!(event = "verdict_not_kept", cause = %error);
                    }
                    return Said::now(said);
                }
                Ok(VerdictClaim::Theirs(flight)) => {
                    let mut pause = FIRST_PAUSE;
                    while Instant::now() < until {
                        // No connection is held while waiting.
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(MAX_PAUSE);
                        match self.store.verdict_of_flight(agent, &hash, flight).await {
                            Ok(FlightStatus::Landed(verdict)) => {
                                return Said::by(verdict, Provenance::Now);
                            }
                            Ok(FlightStatus::UnderWay) => {}
                            Ok(FlightStatus::Lost) => break,
                            Err(error) => return Said::now(Err(failed(agent, unavailable(error)))),
                        }
                    }
                }
                Err(error) => return Said::now(Err(failed(agent, unavailable(error)))),
            }
        }
        Said::now(Err(JudgeError::Timeout))
    }

    /// One call, unless too many have failed.
    async fn ask(&self, asked: Question<'_>, until: Instant) -> Result<Opinion, JudgeError> {
        let organization = asked.agent.organization();
        // A call that is not begun is no failure of the judge's.
        if Instant::now() + MIN_CALL > until {
            return Err(JudgeError::Timeout);
        }
        if !self.breakers.admits(organization, Instant::now()) {
            return Err(JudgeError::CircuitOpen);
        }
        let call = Box::pin(self.exchange.ask(asked));
        let said = tokio::time::timeout_at(until, call)
            .await
            .unwrap_or(Err(JudgeError::Timeout));
        self.breakers
            .ended(organization, said.is_ok(), Instant::now());
        said.map_err(|error| failed(asked.agent, error))
    }
}

/// Why a request cannot be shown whole, and so cannot be allowed.
fn too_large(asked: &Question<'_>) -> Option<String> {
    let path = asked.target.path().map_or(0, str::len);
    if path + asked.target.query().map_or(0, str::len) > MAX_PATH {
        return Some(format!(
            "a path and query of more than {MAX_PATH} bytes cannot be judged"
        ));
    }
    let large = asked.body.is_some_and(|body| body.len() > MAX_BODY);
    large.then(|| format!("a body of more than {MAX_BODY} bytes cannot be judged"))
}

/// One line for a failure; its cause is the operator's to read, and nobody else's.
fn failed(agent: &AgentScope, error: JudgeError) -> JudgeError {
    tracing::warn!(
        event = "judge_failed",
        organization_id = agent.organization().as_str(),
        cause = %error
    );
    error
}

fn unavailable(error: impl std::fmt::Display) -> JudgeError {
    JudgeError::Unavailable(error.to_string())
}

/// What is kept of an answer; a failure only for those who wait for it.
fn stored(said: &Result<bool, JudgeError>) -> StoredVerdict {
    let (outcome, life) = match said {
        Ok(true) => (JudgeOutcome::Allow, LIFE),
        Ok(false) => (JudgeOutcome::Deny, LIFE),
        Err(JudgeError::Timeout) => (JudgeOutcome::Timeout, Duration::ZERO),
        Err(JudgeError::Unavailable(_) | JudgeError::CircuitOpen) => {
            (JudgeOutcome::Unavailable, Duration::ZERO)
        }
    };
    StoredVerdict { outcome, life }
}

impl Said {
    fn now(allow: Result<bool, JudgeError>) -> Self {
        Self {
            allow,
            heard: Provenance::Now,
            since: Moment::now(),
            life: LIFE,
        }
    }

    /// What is kept, for as long as it is.
    fn by(stored: StoredVerdict, heard: Provenance) -> Self {
        let allow = match stored.outcome {
            JudgeOutcome::Allow => Ok(true),
            JudgeOutcome::Deny => Ok(false),
            JudgeOutcome::Timeout => Err(JudgeError::Timeout),
            JudgeOutcome::Unavailable => Err(unavailable("the call that was under way failed")),
        };
        Self {
            allow,
            heard,
            since: Moment::now(),
            life: stored.life.min(LIFE),
        }
    }
}
