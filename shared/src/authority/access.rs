//! The proxy's decision: may this request spend a credential, and which one. Pure, so that the rules
//! can be read and tested without a database.

use crate::authority::placeholder::PlaceholderHash;
use crate::authority::scope::{Admission, AgentScope, ExpectedOrganization, VerifiedWorker};
use crate::error::{Code, Error};
use crate::id::{AgentId, DeploymentName, OrganizationId, ProviderId, UserId};
use crate::policy::{Grant, PolicyRow};
use crate::provider::AuthType;
use crate::secret::{KeyPermit, SecretNames};
use serde::Deserialize;

/// What a request shows: its token is verified, its placeholders are not looked up yet.
#[derive(Debug)]
pub struct Request {
    pub worker: Option<VerifiedWorker>,
    pub agent: Option<AgentId>,
    pub user: Option<UserId>,
    pub placeholders: Vec<PlaceholderHash>,
    pub provider: ProviderId,
}

/// What the database knows of a request, in one answer. Where a token names the organization, rows of
/// other organizations are never in it.
#[derive(Debug)]
pub struct Facts {
    /// Whether the agent exists in the organization that the request is scoped by.
    pub agent_exists: bool,
    pub token: TokenStanding,
    pub system_entitled: bool,
    pub placeholders: Vec<PlaceholderRow>,
    pub profiles: Vec<ProfileRow>,
    /// What the agent is under; the rules that the asker knew are left out.
    pub policies: Vec<PolicyRow>,
    /// How the provider's host stands for the agent.
    pub grant: Grant,
}

/// How a verified worker token stands with the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenStanding {
    /// The token is valid, or the request has none.
    Good,
    /// It, or its deployment after it was issued, was revoked.
    Revoked,
    /// It was issued before its agent was created: it is a namesake's.
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
    pub organization_id: Option<OrganizationId>,
    pub agent_id: AgentId,
    pub user_id: Option<UserId>,
    pub secret_ref: Option<String>,
    pub deployment_name: DeploymentName,
    pub allowed_hosts: Vec<String>,
    pub live: bool,
}

/// An enabled credential profile of the request's organization, provider, and tier.
#[derive(Debug, Clone, Deserialize)]
pub struct ProfileRow {
    pub agent_id: Option<AgentId>,
    pub user_id: Option<UserId>,
    pub auth_type: AuthType,
    pub secret_ref: String,
}

/// What the operator decided about placeholders from before organizations were recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegacyPlaceholders {
    Warn,
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
    pub legacy: LegacyPlaceholders,
    pub require_worker_token: bool,
    pub names: SecretNames,
}

/// A request that is who it says it is. What it may spend it is told when its egress was decided.
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
    Agent(AgentScope),
    /// A row from before organizations were recorded. No policy is behind it, so it is decided.
    NoOrganization(EgressAllowed),
}

impl Admitted {
    pub fn caller(&self) -> Caller {
        match &self.organization {
            Some(own) => Caller::Agent(AgentScope::new(own.clone(), self.agent.clone())),
            None => Caller::NoOrganization(EgressAllowed(())),
        }
    }

    /// The credential that it may spend, now that its egress was decided.
    ///
    /// # Errors
    /// `no_credentials`; `secret_unavailable` where the row's secret is none of its organization's.
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

/// A request that passed every check, and the one secret it may spend.
#[derive(Debug)]
pub struct Access {
    pub organization: Option<OrganizationId>,
    pub agent: AgentId,
    pub permit: KeyPermit,
    pub auth_type: AuthType,
    /// The request lives on a row from before organizations or hosts were recorded.
    pub legacy: bool,
}

/// Decides who asks, in the contract's order; the first check that fails answers.
///
/// What is admitted may spend nothing before its egress was decided:
/// ```compile_fail
/// fn spend(admitted: postern::authority::access::Admitted) {
///     admitted.spend(postern::authority::access::EgressAllowed(()));
/// }
/// ```
pub fn admit(
    rules: &Rules,
    request: &Request,
    facts: &Facts,
    host: &str,
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

/// The token's organization; else, where the URL names an agent, that of the placeholder, which must
/// have such an agent. Nothing is looked up by the agent's id alone, so nobody can make another's agent
/// unreachable by taking its id.
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

/// Every presented placeholder resolves; true when a legacy row did.
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
            "a worker token is required beside the placeholder; send it in x-postern-worker-token",
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

enum Credential<'a> {
    Own {
        permit: KeyPermit,
        row: &'a PlaceholderRow,
    },
    Other(KeyPermit, AuthType),
}

/// The most specific credential there is; never the next tier because one could not be read. A
/// fault of the credential itself is reported only when it is about to be spent.
///
/// # Errors
/// `unexpected_credential` where two placeholders have a secret of their own: which is meant is not said.
fn credential<'a>(
    rules: &Rules,
    request: &Request,
    facts: &'a Facts,
    organization: Option<&OrganizationId>,
) -> Result<Result<Credential<'a>, Error>, Error> {
    let rows = facts.placeholders.iter();
    let mut own = rows.filter_map(|row| Some((row, row.secret_ref.as_ref()?)));
    let placeholder = own.next();
    if own.next().is_some() {
        return Err(Error::new(
            Code::UnexpectedCredential,
            "two placeholders that have a secret of their own were presented; send one",
        ));
    }
    let found = tiers(rules, request, facts, organization, placeholder);
    Ok(found.unwrap_or_else(|| Err(Code::NoCredentials.into())))
}

fn tiers<'a>(
    rules: &Rules,
    request: &Request,
    facts: &Facts,
    organization: Option<&OrganizationId>,
    placeholder: Option<(&'a PlaceholderRow, &'a String)>,
) -> Option<Result<Credential<'a>, Error>> {
    // A row was written with a ref of its organization's own; one that is not is a forgery.
    let forged = |error: Error| Code::SecretUnavailable.because(error);
    let tier = |agent: bool, user: bool| {
        let is =
            |row: &&ProfileRow| row.agent_id.is_some() == agent && row.user_id.is_some() == user;
        let (row, organization) = facts.profiles.iter().find(is).zip(organization)?;
        let permit = rules.names.key(organization, &row.secret_ref);
        let spent = |permit| Credential::Other(permit, row.auth_type);
        Some(permit.map(spent).map_err(forged))
    };
    let of_user = || request.user.as_ref().and_then(|_| tier(true, true));
    let of_placeholder = || {
        let (row, secret_ref) = placeholder?;
        let permit = match organization {
            Some(organization) => rules.names.key(organization, secret_ref),
            None => rules.names.legacy(secret_ref),
        };
        let spent = |permit| Credential::Own { permit, row };
        Some(permit.map(spent).map_err(forged))
    };
    let of_system = || {
        let entitled = facts.system_entitled && facts.agent_exists && organization.is_some();
        let permit = entitled.then(|| rules.names.system(&request.provider))?;
        Some(Ok(Credential::Other(permit, AuthType::ApiKey)))
    };
    of_user()
        .or_else(of_placeholder)
        .or_else(|| tier(true, false))
        .or_else(|| tier(false, false))
        .or_else(of_system)
}

/// Whether the placeholder's own secret may go to this host; true when it is a row without hosts.
fn host_allowed(rules: &Rules, row: &PlaceholderRow, host: &str) -> Result<bool, Error> {
    if row.allowed_hosts.is_empty() {
        return match rules.legacy {
            LegacyPlaceholders::Warn => Ok(true),
            LegacyPlaceholders::Deny => Err(Code::HostNotAllowed.into()),
        };
    }
    if row
        .allowed_hosts
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(host))
    {
        return Ok(false);
    }
    Err(Code::HostNotAllowed.into())
}

#[cfg(test)]
mod tests;
