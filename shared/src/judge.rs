//! A model that decides under a policy in plain words. Its provider's API is called with the operator's
//! system key. The caller denies a request when this fails.

mod breaker;
mod dialect;
mod exchange;
mod prompt;
mod verdicts;

pub use exchange::JudgeConfig;
use prompt::{MAX_BODY, MAX_PATH};

use crate::authority::scope::AgentScope;
use crate::moment::Moment;
use crate::policy::Target;
use crate::secret::{SecretNames, Secrets};
use crate::store::{FlightStatus, JudgeOutcome, Store, StoreError, StoredVerdict, VerdictClaim};
use crate::wire::client::GuardedClient;
use breaker::Breakers;
use bytes::Bytes;
use exchange::Exchange;
use http_body_util::Full;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use verdicts::{CachedVerdict, Key, Verdicts};

/// How long a verdict may be reused.
const LIFE: Duration = Duration::from_secs(5 * 60);
/// A call counts as dead this long after its time limit: its caller was frozen or died.
const LEASE: Duration = Duration::from_secs(2);
/// A call that has less time left than this is not begun.
const MIN_CALL: Duration = Duration::from_millis(50);
/// Waiting for another environment's call, from the first pause to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_millis(400);

/// What the judge is asked: whether a request may be sent under a policy.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The agent that sends the request.
    pub agent: &'a AgentScope,
    /// The policy, in the operator's words.
    pub policy: &'a str,
    /// The request, as it will be sent.
    pub target: &'a Target,
    /// The request's body, if the judge sees it.
    pub body: Option<&'a [u8]>,
}

/// The judge's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// Whether the request may be sent.
    pub allow: bool,
    /// The judge's own words, at most 300 characters, without control characters. They may quote the
    /// request, so only the caller whose request was judged gets them, and they are not kept.
    pub reason: String,
}

impl Opinion {
    /// An answer to another caller's question, without its reason.
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
    /// The judge answered just now, this caller or another that asked the same at the same time.
    Fresh,
    /// The judge answered within the last five minutes, for the same request under the same policy.
    Cached,
}

/// Why there is no opinion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    /// `JUDGE_TIMEOUT_MS` passed.
    #[error("the judge did not answer in time")]
    Timeout,
    /// The call failed, or its answer is not a verdict; the cause, for the log.
    #[error("the judge could not be asked: {0}")]
    Unavailable(String),
    /// The organization's circuit is open.
    #[error("the judge failed five times in a row; it is asked again in a while")]
    CircuitOpen,
}

/// The judge, with its recent verdicts and a circuit breaker for each organization.
pub struct Judge {
    store: Arc<Store>,
    exchange: Exchange,
    timeout: Duration,
    verdicts: Verdicts,
    breakers: Breakers,
}

impl Judge {
    /// A judge that is reached through `egress`, and that shares its verdicts through `store`.
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

    /// What the judge answers to this question. A recent verdict is reused, and concurrent callers share one
    /// call. Takes no longer than `JUDGE_TIMEOUT_MS`.
    ///
    /// # Errors
    /// Why there is no opinion; the request must then be denied.
    pub async fn opinion(
        &self,
        question: Question<'_>,
    ) -> Result<(Opinion, Provenance), JudgeError> {
        let until = Instant::now() + self.timeout;
        if let Some(reason) = too_large(&question) {
            let allow = false;
            return Ok((Opinion { allow, reason }, Provenance::Fresh));
        }
        let key = Key::new(&question, self.exchange.model());
        if let Some(allow) = self.verdicts.cached(&key) {
            return Ok((Opinion::of_another(allow), Provenance::Cached));
        }
        if !self
            .breakers
            .is_closed(question.agent.organization(), Instant::now())
        {
            return Err(JudgeError::CircuitOpen);
        }
        let flight = self.verdicts.flight(&key);
        let mut own = None;
        // Boxed, as below: these futures are deep, and every future that holds one would be too.
        let call = Box::pin(self.share(question, &key, until, &mut own));
        let (allow, provenance) = flight.join(call).await;
        if allow.is_err() {
            // Those who waited share the failure. The next caller asks again.
            self.verdicts.forget(&key, &flight);
        }
        let allow = allow?;
        let opinion = own.map_or_else(
            || Opinion::of_another(allow),
            |reason| Opinion { allow, reason },
        );
        Ok((opinion, provenance))
    }

    /// Shares one call among all environments: one asks the judge, and the others wait for its verdict. `own`
    /// becomes the judge's reason if this call asked it.
    async fn share(
        &self,
        question: Question<'_>,
        key: &Key,
        until: Instant,
        own: &mut Option<String>,
    ) -> CachedVerdict {
        let agent = question.agent;
        let hash = key.hash();
        let lease = self.timeout + LEASE;
        let claim =
            || tokio::time::timeout_at(until, self.store.verdict_claim(agent, &hash, lease));
        while let Ok(claimed) = claim().await {
            match claimed {
                Ok(VerdictClaim::Known(verdict)) => {
                    return CachedVerdict::from_stored(verdict, Provenance::Cached);
                }
                Ok(VerdictClaim::Ours(flight)) => {
                    let allow = self.ask(question, until).await.map(|opinion| {
                        *own = Some(opinion.reason);
                        opinion.allow
                    });
                    let verdict = to_store(&allow);
                    let settled = self.store.verdict_settle(agent, &hash, flight, verdict);
                    if let Err(error) = settled.await {
                        tracing::warn!(event = "verdict_not_kept", cause = %error);
                    }
                    return CachedVerdict::fresh(allow);
                }
                Ok(VerdictClaim::Theirs(flight)) => {
                    let mut pause = FIRST_PAUSE;
                    while Instant::now() < until {
                        // No connection is held while waiting.
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(MAX_PAUSE);
                        match self.store.verdict_of_flight(agent, &hash, flight).await {
                            Ok(FlightStatus::Landed(verdict)) => {
                                return CachedVerdict::from_stored(verdict, Provenance::Fresh);
                            }
                            Ok(FlightStatus::UnderWay) => {}
                            Ok(FlightStatus::Lost) => break,
                            Err(error) => return CachedVerdict::failed(agent, error),
                        }
                    }
                }
                Err(error) => return CachedVerdict::failed(agent, error),
            }
        }
        CachedVerdict::fresh(Err(JudgeError::Timeout))
    }

    /// Calls the judge once, unless the organization's circuit is open.
    async fn ask(&self, question: Question<'_>, until: Instant) -> Result<Opinion, JudgeError> {
        let organization = question.agent.organization();
        // A call that is not begun is not the judge's failure.
        if Instant::now() + MIN_CALL > until {
            return Err(JudgeError::Timeout);
        }
        if !self.breakers.admits(organization, Instant::now()) {
            return Err(JudgeError::CircuitOpen);
        }
        let call = Box::pin(self.exchange.ask(question));
        let answer = tokio::time::timeout_at(until, call)
            .await
            .unwrap_or(Err(JudgeError::Timeout));
        self.breakers
            .ended(organization, answer.is_ok(), Instant::now());
        answer.map_err(|error| logged(question.agent, error))
    }
}

/// Why a request cannot be shown whole, and so cannot be allowed.
fn too_large(question: &Question<'_>) -> Option<String> {
    let path = question.target.path().map_or(0, str::len);
    if path + question.target.query().map_or(0, str::len) > MAX_PATH {
        return Some(format!(
            "a path and query of more than {MAX_PATH} bytes cannot be judged"
        ));
    }
    let large = question.body.is_some_and(|body| body.len() > MAX_BODY);
    large.then(|| format!("a body of more than {MAX_BODY} bytes cannot be judged"))
}

/// Logs a failure with its cause, which is for the operator only.
fn logged(agent: &AgentScope, error: JudgeError) -> JudgeError {
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

/// What is stored of an answer. A failure is stored only for those who wait for it: it has no life.
fn to_store(allow: &Result<bool, JudgeError>) -> StoredVerdict {
    let (outcome, life) = match allow {
        Ok(true) => (JudgeOutcome::Allow, LIFE),
        Ok(false) => (JudgeOutcome::Deny, LIFE),
        Err(JudgeError::Timeout) => (JudgeOutcome::Timeout, Duration::ZERO),
        Err(JudgeError::Unavailable(_) | JudgeError::CircuitOpen) => {
            (JudgeOutcome::Unavailable, Duration::ZERO)
        }
    };
    StoredVerdict { outcome, life }
}

impl CachedVerdict {
    fn fresh(allow: Result<bool, JudgeError>) -> Self {
        Self {
            allow,
            provenance: Provenance::Fresh,
            since: Moment::now(),
            life: LIFE,
        }
    }

    /// The database failed.
    fn failed(agent: &AgentScope, error: StoreError) -> Self {
        Self::fresh(Err(logged(agent, unavailable(error))))
    }

    /// A verdict from the database, for as long as it lives there.
    fn from_stored(stored: StoredVerdict, provenance: Provenance) -> Self {
        let allow = match stored.outcome {
            JudgeOutcome::Allow => Ok(true),
            JudgeOutcome::Deny => Ok(false),
            JudgeOutcome::Timeout => Err(JudgeError::Timeout),
            JudgeOutcome::Unavailable => Err(unavailable("the call that was under way failed")),
        };
        Self {
            allow,
            provenance,
            since: Moment::now(),
            life: stored.life.min(LIFE),
        }
    }
}
