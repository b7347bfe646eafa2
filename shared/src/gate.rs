//! Decides whether a request may be sent: by rules, and where they say so, by a model or a person. Any failure
//! on the way is a denial.

use crate::authority::access::EgressAllowed;
use crate::authority::scope::AgentScope;
use crate::error::{Code, Error};
use crate::id::InteractionId;
use crate::interactions::Interactions;
use crate::judge::{Judge, JudgeError, Provenance, Question};
use crate::policy::{
    Action, Approver, Basis, DecidedBy, Grant, JudgeInput, JudgeRule, Judgement, Mode, Policies,
    Target,
};
use crate::telemetry::Metrics;

/// A request on which the gate decides.
#[derive(Debug, Clone, Copy)]
pub struct EgressRequest<'a> {
    /// The agent that sends it.
    pub agent: &'a AgentScope,
    /// The policies that apply to the agent.
    pub policies: &'a Policies,
    /// What a person decided about the target's host for this agent.
    pub grant: Grant,
    /// Where it goes, as it will be sent.
    pub target: &'a Target,
    /// Its body, for a judge that sees bodies.
    pub body: Body<'a>,
    /// Whether the host belongs to a configured provider, which is allowed where there is no policy.
    pub of_provider: bool,
}

/// The body of a request.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// The whole body.
    Known(&'a [u8]),
    /// A tunnel hides the body.
    Hidden,
}

/// What was decided, on what ground, and why.
#[derive(Debug)]
pub struct Decision {
    /// What happens to the request.
    pub verdict: Verdict,
    /// What decided.
    pub source: Source,
    /// A sentence for the agent. The judge's own words may quote the request.
    pub reason: String,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may be sent.
    Allow,
    /// It may not be sent; the error's code.
    Deny(Code),
    /// A person is asked, in this interaction.
    Ask(InteractionId),
}

impl Verdict {
    /// The verdict as answers and logs write it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny(_) => "deny",
            Self::Ask(_) => "ask",
        }
    }
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A rule, or the absence of policies.
    Rule,
    /// The judge, just now.
    Judge,
    /// A verdict of the judge that is still valid.
    Cache,
    /// Nothing: the judge has failed too often and is not asked for a while.
    CircuitOpen,
    /// Nothing: the judge failed.
    JudgeError,
    /// A person's grant or denial.
    Grant,
}

impl Source {
    /// The source as answers and logs write it.
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

    /// The proof that the request may be sent.
    ///
    /// # Errors
    /// 403 with the code of the denial, or `approval_required` with the interaction to wait for.
    #[expect(clippy::disallowed_methods, reason = "the gate is what decides")]
    pub fn pass(self) -> Result<EgressAllowed, Error> {
        match self.verdict {
            Verdict::Allow => Ok(EgressAllowed::by_gate()),
            Verdict::Deny(code) => {
                let message = format!("{}: {}", Error::from(code).message(), self.reason);
                // The judge's own words may quote the request.
                Err(if code == Code::JudgeDenied {
                    Error::private(code, message)
                } else {
                    Error::new(code, message)
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

/// Decides on egress. It holds the ways to the judge and to people.
pub struct Gate {
    judge: Judge,
    interactions: Interactions,
    metrics: Metrics,
}

impl Gate {
    /// A gate that may ask this judge, and people through these interactions, and counts in these metrics.
    pub fn new(judge: Judge, interactions: Interactions, metrics: Metrics) -> Self {
        Self {
            judge,
            interactions,
            metrics,
        }
    }

    /// Decides, and logs what policies that only observe would have decided.
    pub async fn decide(&self, request: EgressRequest<'_>) -> Decision {
        let judgement = request.judge(Mode::Enforced);
        let by = judgement.by;
        let decision = match self.resolve(&request, judgement).await {
            Resolved::Decided(decision) => decision,
            Resolved::NeedsPerson { approver, reason } => {
                self.ask(&request, approver, reason).await
            }
        };
        if request.policies.is_empty() {
            return decision;
        }
        self.record(
            "egress",
            &request,
            by,
            decision.verdict.as_str(),
            decision.source,
        );
        if request.policies.observes() {
            let judgement = request.judge(Mode::Observed);
            let by = judgement.by;
            let (verdict, source) = match self.resolve(&request, judgement).await {
                Resolved::Decided(decision) => (decision.verdict.as_str(), decision.source),
                Resolved::NeedsPerson { .. } => ("ask", Source::Rule),
            };
            self.record("egress_observed", &request, by, verdict, source);
        }
        decision
    }

    /// Logs and counts a decision. A path may hold secrets, so neither has it.
    fn record(
        &self,
        event: &'static str,
        request: &EgressRequest<'_>,
        by: DecidedBy,
        verdict: &'static str,
        source: Source,
    ) {
        tracing::info!(
            event,
            organization_id = request.agent.organization().as_str(),
            agent_id = request.agent.agent().as_str(),
            host = request.target.host.as_str(),
            port = request.target.port,
            method = request.target.method(),
            verdict,
            source = source.as_str(),
            by = %by
        );
        self.metrics.egress(event, verdict, source.as_str());
    }

    /// Resolves a judgement without asking a person.
    async fn resolve<'a>(
        &self,
        request: &EgressRequest<'_>,
        judgement: Judgement<'a>,
    ) -> Resolved<'a> {
        let source = match judgement.basis {
            Basis::Rule => Source::Rule,
            Basis::Grant => Source::Grant,
        };
        Resolved::Decided(match judgement.action {
            Action::Allow => Decision::new(Verdict::Allow, source, judgement.reason),
            Action::Deny => {
                let denied = Verdict::Deny(Code::EgressDenied);
                Decision::new(denied, source, judgement.reason)
            }
            Action::Judge(rule) => self.ask_judge(request, rule).await,
            Action::Ask(approver) => {
                let reason = judgement.reason;
                return Resolved::NeedsPerson { approver, reason };
            }
        })
    }

    async fn ask_judge(&self, request: &EgressRequest<'_>, rule: &JudgeRule) -> Decision {
        let body = match (rule.input, request.body) {
            (JudgeInput::Request, _) => None,
            (JudgeInput::Body, Body::Known(body)) => Some(body),
            (JudgeInput::Body, Body::Hidden) => {
                let why = "the judge must see the body, and a tunnel hides it";
                return Decision::new(Verdict::Deny(Code::JudgeDenied), Source::Rule, why);
            }
        };
        let question = Question {
            agent: request.agent,
            policy: &rule.policy,
            target: request.target,
            body,
        };
        match self.judge.opinion(question).await {
            Ok((opinion, provenance)) => {
                let verdict = if opinion.allow {
                    Verdict::Allow
                } else {
                    Verdict::Deny(Code::JudgeDenied)
                };
                let source = match provenance {
                    Provenance::Fresh => Source::Judge,
                    Provenance::Cached => Source::Cache,
                };
                Decision::new(verdict, source, opinion.reason)
            }
            Err(error) => {
                let (code, source) = match &error {
                    JudgeError::Timeout => (Code::JudgeTimeout, Source::JudgeError),
                    JudgeError::Unavailable(_) => (Code::JudgeUnavailable, Source::JudgeError),
                    JudgeError::CircuitOpen => (Code::JudgeUnavailable, Source::CircuitOpen),
                };
                // The cause is for the operator, in the log.
                let reason = match error {
                    JudgeError::Unavailable(_) => "the judge could not be asked".into(),
                    JudgeError::Timeout | JudgeError::CircuitOpen => error.to_string(),
                };
                Decision::new(Verdict::Deny(code), source, reason)
            }
        }
    }

    async fn ask(
        &self,
        request: &EgressRequest<'_>,
        approver: &Approver,
        reason: String,
    ) -> Decision {
        let approve = self
            .interactions
            .approve(request.agent, approver, request.target);
        match Box::pin(approve).await {
            Ok(id) => Decision::new(Verdict::Ask(id), Source::Rule, reason),
            Err(error) => {
                tracing::error!(
                    event = "approval_not_requested",
                    organization_id = request.agent.organization().as_str(),
                    connection_id = approver.connection_id.as_str(),
                    code = error.code.as_str(),
                    cause = error.cause().unwrap_or_default()
                );
                let reason = format!("nobody could be asked: {}", error.message());
                Decision::new(Verdict::Deny(Code::EgressDenied), Source::Rule, reason)
            }
        }
    }
}

/// A judgement after the model has decided, where it had to.
enum Resolved<'a> {
    Decided(Decision),
    NeedsPerson {
        approver: &'a Approver,
        /// The judgement's reason.
        reason: String,
    },
}

impl<'a> EgressRequest<'a> {
    fn judge(&self, mode: Mode) -> Judgement<'a> {
        let (policies, target) = (self.policies, self.target);
        policies.judge(target, self.grant, self.of_provider, mode)
    }
}
