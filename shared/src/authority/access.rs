//! Decides whether a request may use a credential, and which one. Pure, so that the rules can be read and
//! tested without a database.

mod credential;

use crate::authority::placeholder::PlaceholderHash;
use crate::authority::scope::{Admission, AgentScope, ExpectedOrganization, VerifiedWorker};
use crate::authority::token::HEADER;
use crate::error::{Code, Error};
use crate::host::HostName;
use crate::id::{AgentId, DeploymentName, OrganizationId, ProviderId, Slug, UserId};
use crate::policy::{Grant, PolicyRow};
use crate::provider::{AuthType, ProviderRow};
use crate::secret::{KeyPermit, SealedRows, SecretNames};
use credential::{Credential, credential, host_allowed};
use serde::Deserialize;

/// What a request presents. Its token is verified; its placeholders have not been looked up yet.
#[derive(Debug)]
pub struct Request {
    /// The verified worker token, if one was presented.
    pub worker: Option<VerifiedWorker>,
    /// The agent that the URL names.
    pub agent: Option<AgentId>,
    /// The user that the URL names.
    pub user: Option<UserId>,
    /// The hashes of all placeholders that were presented, each once.
    pub placeholders: Vec<PlaceholderHash>,
    /// The provider whose credential the request would use.
    pub provider: ProviderOf,
}

/// Whose provider the URL names.
#[derive(Debug, Clone)]
pub enum ProviderOf {
    /// The operator's. Its system key may be spent.
    Operator(ProviderId),
    /// The organization's own, if it has one of this slug.
    Organization(Slug),
}

/// What the database knows about a request, in one answer. Where a token names the organization, it never
/// holds rows of other organizations.
#[derive(Debug)]
pub struct Facts {
    /// Whether the agent exists in the organization that the request is scoped by.
    pub agent_exists: bool,
    /// How the worker token stands; `Good` for a request without one.
    pub token: TokenStanding,
    /// Whether the organization may use the operator's own key for the provider.
    pub system_entitled: bool,
    /// The rows of the presented placeholders that exist.
    pub placeholders: Vec<PlaceholderRow>,
    /// The organization's enabled profiles for the provider, for this agent and user or wider.
    pub profiles: Vec<ProfileRow>,
    /// The policies that apply to the agent. Rules that the caller already caches are left out.
    pub policies: Vec<PolicyRow>,
    /// What a person decided about the provider's host for this agent.
    pub grant: Grant,
    /// The rows of the sealed secrets that placeholders and profiles name.
    pub sealed: SealedRows,
    /// The organization's own provider, if the URL names one.
    pub own_provider: Option<ProviderRow>,
}

/// Whether a verified worker token still counts, according to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenStanding {
    /// The token is valid, or the request has none.
    Good,
    /// It was revoked, or its deployment was revoked after it was issued.
    Revoked,
    /// It was issued before its agent was created, so it belongs to an earlier agent of the same name.
    OlderThanItsAgent,
    /// Its agent does not exist.
    NoAgent,
}

impl TokenStanding {
    /// # Errors
    /// `invalid_worker_token`, or `agent_mismatch` where the agent does not exist.
    pub fn check(self) -> Result<(), Error> {
        let invalid = |why| Err(Code::InvalidWorkerToken.because(why));
        match self {
            Self::Good => Ok(()),
            Self::Revoked => invalid("revoked"),
            Self::OlderThanItsAgent => invalid("issued before its agent was created"),
            Self::NoAgent => {
                Err(Code::AgentMismatch.because("the agent does not exist in the organization"))
            }
        }
    }
}

/// A live or expired placeholder that was presented.
#[derive(Debug, Clone, Deserialize)]
pub struct PlaceholderRow {
    /// The organization; `None` for a row from before organizations were recorded.
    pub organization_id: Option<OrganizationId>,
    /// The agent that holds it.
    pub agent_id: AgentId,
    /// The user it was minted for, if for one.
    pub user_id: Option<UserId>,
    /// The name of the placeholder's own secret, if it has one.
    pub secret_ref: Option<String>,
    /// The deployment it was minted for.
    pub deployment_name: DeploymentName,
    /// The hosts that its own secret may be sent to; empty in a row from before they were recorded.
    pub allowed_hosts: Vec<String>,
    /// Whether it has not expired.
    pub live: bool,
}

/// An enabled credential profile of the request's organization, provider, and tier.
#[derive(Debug, Clone, Deserialize)]
pub struct ProfileRow {
    /// The one agent that may use it; `None` for all of the organization's.
    pub agent_id: Option<AgentId>,
    /// The one user of that agent for whom it is used; `None` for all.
    pub user_id: Option<UserId>,
    /// How its credential is presented.
    pub auth_type: AuthType,
    /// The name of its secret.
    pub secret_ref: String,
}

/// The operator's choice about placeholders from before organizations were recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegacyPlaceholders {
    /// They resolve where no organization is expected, and leave a WARN.
    Warn,
    /// They never resolve.
    Deny,
}

impl std::str::FromStr for LegacyPlaceholders {
    type Err = &'static str;
    fn from_str(value: &str) -> Result<Self, Self::Err> {
        match value {
            "warn" => Ok(Self::Warn),
            "deny" => Ok(Self::Deny),
            _ => Err("must be `warn` or `deny`"),
        }
    }
}

/// The operator's rules for every request.
#[derive(Debug)]
pub struct Rules {
    /// `LEGACY_PLACEHOLDERS`.
    pub legacy: LegacyPlaceholders,
    /// `REQUIRE_WORKER_TOKEN`: a placeholder needs a worker token of the same agent and deployment.
    pub require_worker_token: bool,
    /// The names of tenants' secrets.
    pub names: SecretNames,
}

/// An authenticated request. Its credential is released only after the egress decision.
#[derive(Debug)]
pub struct Admitted {
    organization: Option<OrganizationId>,
    agent: AgentId,
    credential: Result<(KeyPermit, AuthType), Error>,
    legacy: bool,
}

/// Proof that a request may leave: its egress was decided, and allowed.
#[derive(Debug)]
pub struct EgressAllowed(());

impl EgressAllowed {
    /// The gate allowed it. The gate alone says so.
    pub(crate) fn by_gate() -> Self {
        Self(())
    }
}

/// Who is behind a request.
#[derive(Debug)]
pub enum Caller {
    /// An agent of a proven organization.
    Agent(AgentScope),
    /// A row from before organizations were recorded. No policy applies to it, so it is allowed.
    NoOrganization(EgressAllowed),
}

impl Admitted {
    /// Who is behind the request, for the gate.
    pub fn caller(&self) -> Caller {
        match &self.organization {
            Some(own) => Caller::Agent(AgentScope::new(own.clone(), self.agent.clone())),
            None => Caller::NoOrganization(EgressAllowed(())),
        }
    }

    /// The credential that the request may use, now that its egress is allowed.
    ///
    /// # Errors
    /// `no_credentials` where none is configured; `secret_unavailable` where the row names a secret outside
    /// its organization.
    pub fn spend(self, _decided: EgressAllowed) -> Result<Access, Error> {
        let (permit, auth_type) = self.credential?;
        Ok(Access {
            organization: self.organization,
            agent: self.agent,
            permit,
            auth_type,
            legacy: self.legacy,
        })
    }
}

/// A request that passed every check, and the one secret that it may use.
#[derive(Debug)]
pub struct Access {
    /// The organization; `None` for a legacy placeholder.
    pub organization: Option<OrganizationId>,
    /// The agent.
    pub agent: AgentId,
    /// Permission to read the credential's secret.
    pub permit: KeyPermit,
    /// How the credential is presented.
    pub auth_type: AuthType,
    /// Whether the request relies on a row from before organizations or hosts were recorded.
    pub legacy: bool,
}

/// Decides who is asking. The checks run in the order of `docs/agents.md`, and the first that fails answers. `host` is
/// the provider's host, or the error if there is no such provider.
///
/// An admitted request cannot use its credential before its egress is allowed:
/// ```compile_fail
/// fn spend(admitted: postern::authority::access::Admitted) {
///     admitted.spend(postern::authority::access::EgressAllowed(()));
/// }
/// ```
pub fn admit(
    rules: &Rules,
    request: &Request,
    facts: &Facts,
    host: Result<&HostName, Error>,
) -> Result<Admitted, Error> {
    if facts.token != TokenStanding::NoAgent {
        facts.token.check()?;
    }
    let expected = expected_organization(request, facts)?;
    let mut legacy = resolve(rules, request, facts, &expected)?;
    let organization = match expected {
        ExpectedOrganization::Proven(organization) => Some(organization),
        ExpectedOrganization::NoneExpected => facts
            .placeholders
            .first()
            .and_then(|row| row.organization_id.clone()),
    };
    let agent = same_agent(request, facts, organization.is_some())?;
    same_deployment(rules, request, facts)?;
    same_user(request, facts)?;
    let host = host?;
    let credential = credential(rules, request, facts, organization.as_ref())?;
    if let Ok(Credential::Own { row, .. }) = &credential {
        legacy |= host_allowed(rules, row, host)?;
    }
    let credential = credential.map(|credential| match credential {
        Credential::Own { permit, .. } => (permit, AuthType::ApiKey),
        Credential::Other(permit, auth_type) => (permit, auth_type),
    });
    Ok(Admitted {
        organization,
        agent,
        credential,
        legacy,
    })
}

/// The token's organization. Without a token, where the URL names an agent, the placeholder's organization,
/// which must have that agent. Nothing is looked up by the agent's id alone, so nobody can make another's
/// agent unreachable by taking its id.
fn expected_organization(request: &Request, facts: &Facts) -> Result<ExpectedOrganization, Error> {
    if let Some(worker) = &request.worker {
        let organization = worker.agent().organization().clone();
        return Ok(ExpectedOrganization::Proven(organization));
    }
    if request.agent.is_none() {
        return Ok(ExpectedOrganization::NoneExpected);
    }
    let live = facts.placeholders.iter().find(|row| row.live);
    match live.and_then(|row| row.organization_id.clone()) {
        Some(organization) if facts.agent_exists => Ok(ExpectedOrganization::Proven(organization)),
        Some(_) => Err(Code::Unauthorized
            .because("the placeholder's organization does not have the URL's agent")),
        None => Err(Code::Unauthorized
            .because("no live placeholder names the organization of the URL's agent")),
    }
}

/// Checks that every presented placeholder resolves. Returns whether a legacy row did.
fn resolve(
    rules: &Rules,
    request: &Request,
    facts: &Facts,
    expected: &ExpectedOrganization,
) -> Result<bool, Error> {
    let refuse = |why: &'static str| Code::Unauthorized.because(why);
    if facts.placeholders.len() != request.placeholders.len() {
        return Err(refuse(
            "a presented placeholder is not in the expected organization, or does not exist",
        ));
    }
    let mut legacy = false;
    for row in &facts.placeholders {
        if !row.live {
            return Err(refuse("a presented placeholder has expired"));
        }
        match expected.admits(row.organization_id.as_ref()) {
            Admission::Own => {}
            Admission::Legacy if rules.legacy == LegacyPlaceholders::Warn => legacy = true,
            Admission::Legacy | Admission::Refused => {
                return Err(refuse(
                    "a presented placeholder is not of the expected organization",
                ));
            }
        }
    }
    let mut owners = facts.placeholders.iter().map(|row| &row.organization_id);
    if let Some(first) = owners.next()
        && owners.any(|other| other != first)
    {
        return Err(refuse("placeholders of several organizations"));
    }
    Ok(legacy)
}

fn same_agent(
    request: &Request,
    facts: &Facts,
    organization_known: bool,
) -> Result<AgentId, Error> {
    let token = request.worker.iter().map(|worker| worker.agent().agent());
    let rows = facts.placeholders.iter().map(|row| &row.agent_id);
    let mut all = request.agent.iter().chain(token).chain(rows);
    let first = all.next().ok_or(Code::MissingCredentials)?;
    if all.any(|other| other != first) {
        return Err(Code::AgentMismatch.because("URL, token and placeholder name different agents"));
    }
    if organization_known && !facts.agent_exists {
        return Err(Code::AgentMismatch.because("the agent does not exist in the organization"));
    }
    Ok(first.clone())
}

fn same_deployment(rules: &Rules, request: &Request, facts: &Facts) -> Result<(), Error> {
    if !rules.require_worker_token {
        return Ok(());
    }
    let worker = request.worker.as_ref().ok_or_else(|| {
        Error::new(
            Code::MissingCredentials,
            format!("a worker token is required beside the placeholder; send it in {HEADER}"),
        )
    })?;
    if facts
        .placeholders
        .iter()
        .any(|row| row.deployment_name != *worker.deployment())
    {
        return Err(
            Code::AgentMismatch.because("token and placeholder are of different deployments")
        );
    }
    Ok(())
}

fn same_user(request: &Request, facts: &Facts) -> Result<(), Error> {
    let Some(user) = &request.user else {
        return Ok(());
    };
    let token = request.worker.as_ref().and_then(VerifiedWorker::user);
    let mut rows = facts.placeholders.iter().map(|row| row.user_id.as_ref());
    if token == Some(user) || rows.any(|row| row == Some(user)) {
        return Ok(());
    }
    Err(Code::UserMismatch.into())
}

#[cfg(test)]
mod tests;
