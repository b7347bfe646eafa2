//! May this be sent? Rules decide first, a model where they say so, a person where they say so; what
//! goes wrong on the way is a denial.

use crate::authority::access::EgressAllowed;
use crate::authority::scope::AgentScope;
use crate::error::{Code, Error};
use crate::id::InteractionId;
use crate::interactions::Interactions;
use crate::judge::{Judge, JudgeError, Provenance, Question};
use crate::policy::{
    Approver, DecidedBy, Grant, Judged, Mode, Policies, Ruled, Ruling, Sees, Target,
};
use crate::telemetry::EGRESS;
use metrics::counter;

/// What is to be decided.
#[derive(Debug, Clone, Copy)]
pub struct EgressRequest<'a> {
    pub agent: &'a AgentScope,
    pub policies: &'a Policies,
    /// How the target's host stands for the agent.
    pub grant: Grant,
    pub target: &'a Target,
    pub body: Body<'a>,
    /// Whether the host is a provider's own, which is allowed where there is no policy.
    pub of_provider: bool,
}

/// The body of a request.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    Known(&'a [u8]),
    /// A tunnel hides it.
    Hidden,
}

/// What was decided, by what, and why.
#[derive(Debug)]
pub struct Decision {
    pub verdict: Verdict,
    pub source: Source,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    /// With the error's code.
    Deny(Code),
    /// A person is asked in this interaction.
    Ask(InteractionId),
}

impl Verdict {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny(_) => "deny",
            Self::Ask(_) => "ask",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Rule,
    Judge,
    Cache,
    CircuitOpen,
    JudgeError,
    Grant,
}

impl Source {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Judge => "judge",
            Self::Cache => "cache",
            Self::CircuitOpen => "circuit_open",
            Self::JudgeError => "judge_error",
            Self::Grant => "grant",
        }
    }
}

impl Decision {
    fn new(verdict: Verdict, source: Source, reason: impl ToString) -> Self {
        Self {
            verdict,
            source,
            reason: reason.to_string(),
        }
    }

    /// Leave to send.
    ///
    /// # Errors
    /// 403 with the code of the denial, or `approval_required` with the interaction to wait for.
    #[expect(clippy::disallowed_methods, reason = "the gate is what decides")]
    pub fn pass(self) -> Result<EgressAllowed, Error> {
        match self.verdict {
            Verdict::Allow => Ok(EgressAllowed::by_gate()),
            Verdict::Deny(code) => {
                let message = format!("{}: {}", Error::from(code).message(), self.reason);
                Err(match code {
                    // The judge's own words may quote the request.
                    Code::JudgeDenied => Error::private(code, message),
                    _ => Error::new(code, message),
                })
            }
            Verdict::Ask(id) => {
                let message = format!(
                    "a person is asked whether this host may be called; wait with GET /v1/interactions/{id}, then retry"
                );
                Err(Error::new(Code::ApprovalRequired, message).about(id))
            }
        }
    }
}

/// Decides, with the model and the people it may ask.
pub struct Gate {
    judge: Judge,
    interactions: Interactions,
}

impl Gate {
    pub fn new(judge: Judge, interactions: Interactions) -> Self {
        Self {
            judge,
            interactions,
        }
    }

    /// Decides; what a policy that only observes would have decided is told besides.
    pub async fn decide(&self, matter: EgressRequest<'_>) -> Decision {
        if matter.policies.is_empty() {
            return if matter.of_provider {
                Decision::new(Verdict::Allow, Source::Rule, DecidedBy::NoPolicy)
            } else {
                let why = "no policy is set, and the host is no provider's own";
                Decision::new(Verdict::Deny(Code::EgressDenied), Source::Rule, why)
            };
        }
        let ruling = matter.policies.ruling(matter.target, Mode::Enforced);
        let decision = match self.told(&matter, ruling).await {
            Told::Decided(decision) => decision,
            Told::AskAPerson(asked) => self.asked(&matter, asked, ruling.by).await,
        };
        tell(
            "egress",
            &matter,
            ruling.by,
            decision.verdict.as_str(),
            decision.source,
        );
        if matter.policies.observes() {
            let ruling = matter.policies.ruling(matter.target, Mode::Observed);
            let (verdict, source) = match self.told(&matter, ruling).await {
                Told::Decided(would) => (would.verdict.as_str(), would.source),
                Told::AskAPerson(_) => ("ask", Source::Rule),
            };
            tell("egress_observed", &matter, ruling.by, verdict, source);
        }
        decision
    }

    /// What the ruling comes to, short of asking a person.
    async fn told<'a>(&self, matter: &EgressRequest<'_>, ruling: Ruling<'a>) -> Told<'a> {
        let denied = Verdict::Deny(Code::EgressDenied);
        Told::Decided(match ruling.ruled {
            Ruled::Allow => Decision::new(Verdict::Allow, Source::Rule, ruling.by),
            Ruled::Deny => Decision::new(denied, Source::Rule, ruling.by),
            Ruled::Judge(judged) => self.judged(matter, judged).await,
            Ruled::Ask(asked) => match matter.grant {
                Grant::Denied => Decision::new(denied, Source::Grant, "a person denied this host"),
                Grant::Allowed(_) => {
                    Decision::new(Verdict::Allow, Source::Grant, "a person allowed this host")
                }
                Grant::None => return Told::AskAPerson(asked),
            },
        })
    }

    async fn judged(&self, matter: &EgressRequest<'_>, judged: &Judged) -> Decision {
        let body = match (judged.sees, matter.body) {
            (Sees::Request, _) => None,
            (Sees::Body, Body::Known(body)) => Some(body),
            (Sees::Body, Body::Hidden) => {
                let why = "the judge must see the body, and a tunnel hides it";
                return Decision::new(Verdict::Deny(Code::JudgeDenied), Source::Rule, why);
            }
        };
        let asked = Question {
            agent: matter.agent,
            policy: &judged.policy,
            target: matter.target,
            body,
        };
        match self.judge.opinion(asked).await {
            Ok((opinion, heard)) => {
                let verdict = if opinion.allow {
                    Verdict::Allow
                } else {
                    Verdict::Deny(Code::JudgeDenied)
                };
                let source = match heard {
                    Provenance::Now => Source::Judge,
                    Provenance::Before => Source::Cache,
                };
                Decision::new(verdict, source, opinion.reason)
            }
            Err(error) => {
                let (code, source) = match &error {
                    JudgeError::Timeout => (Code::JudgeTimeout, Source::JudgeError),
                    JudgeError::Unavailable(_) => (Code::JudgeUnavailable, Source::JudgeError),
                    JudgeError::CircuitOpen => (Code::JudgeUnavailable, Source::CircuitOpen),
                };
                // The cause is the operator's to read, in the log.
                let reason = match error {
                    JudgeError::Unavailable(_) => "the judge could not be asked".into(),
                    JudgeError::Timeout | JudgeError::CircuitOpen => error.to_string(),
                };
                Decision::new(Verdict::Deny(code), source, reason)
            }
        }
    }

    async fn asked(&self, matter: &EgressRequest<'_>, asked: &Approver, by: DecidedBy) -> Decision {
        let approve = self
            .interactions
            .approve(matter.agent, asked, matter.target);
        match Box::pin(approve).await {
            Ok(id) => Decision::new(Verdict::Ask(id), Source::Rule, by),
            Err(error) => {
                tracing::error!(
                    event = "approval_not_requested",
                    organization_id = matter.agent.organization().as_str(),
                    connection_id = asked.connection_id.as_str(),
                    code = error.code.as_str(),
                    cause = error.cause().unwrap_or_default()
                );
                let reason = format!("nobody could be asked: {}", error.message());
                Decision::new(Verdict::Deny(Code::EgressDenied), Source::Rule, reason)
            }
        }
    }
}

enum Told<'a> {
    Decided(Decision),
    AskAPerson(&'a Approver),
}

/// One line and one count for a decision. The path may hold secrets, so it is in neither.
fn tell(
    event: &'static str,
    matter: &EgressRequest<'_>,
    by: DecidedBy,
    verdict: &'static str,
    source: Source,
) {
    tracing::info!(
        event,
        organization_id = matter.agent.organization().as_str(),
        agent_id = matter.agent.agent().as_str(),
        host = matter.target.host.as_str(),
        port = matter.target.port,
        method = matter.target.method(),
        verdict,
        source = source.as_str(),
        by = %by
    );
    counter!(EGRESS, "event" => event, "verdict" => verdict, "source" => source.as_str())
        .increment(1);
}
