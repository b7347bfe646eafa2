//! The proxy's decision: may this request spend a credential, and which one. Pure, so that the rules
//! can be read and tested without a database.

use crate::error::{Code, Error};
use crate::id::{AgentId, DeploymentName, OrganizationId, ProviderId, UserId};
use crate::placeholder::PlaceholderHash;
use crate::policy::{Grant, Passed, PolicyRow};
use crate::scope::{Admission, AgentScope, ExpectedOrganization, VerifiedWorker};
use crate::secret::{Permit, SecretNames};
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

/// What the database knows of a request, in one answer. Rows of other organizations than the
/// expected one are never in it.
#[derive(Debug)]
pub struct Facts {
    pub expected: ExpectedOrganizations,
    pub agent_exists: bool,
    pub token_revoked: bool,
    pub system_entitled: bool,
    pub placeholders: Vec<PlaceholderRow>,
    pub profiles: Vec<ProfileRow>,
    /// What the agent is under; the rules that the asker knew are left out.
    pub policies: Vec<PolicyRow>,
    /// How the provider's host stands for the agent.
    pub grant: Grant,
}

/// The organizations that may be expected: the token's, or those with an agent of the URL's id.
#[derive(Debug, PartialEq, Eq)]
pub enum ExpectedOrganizations {
    NotAsked,
    Found(Vec<OrganizationId>),
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

/// How a credential is presented to its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthType {
    ApiKey,
    #[serde(rename = "oauth")]
    OAuth,
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
    credential: Result<(Permit, AuthType), Error>,
    legacy: bool,
}

/// Who is behind a request.
#[derive(Debug)]
pub enum Behind {
    Agent(AgentScope),
    /// A row from before organizations were recorded. No policy is behind it, so it is decided.
    NoOrganization(Passed),
}

impl Admitted {
    pub fn behind(&self) -> Behind {
        match &self.organization {
            Some(own) => Behind::Agent(AgentScope::new(own.clone(), self.agent.clone())),
            None => Behind::NoOrganization(Passed(())),
        }
    }

    /// The credential that it may spend, now that its egress was decided.
    ///
    /// # Errors
    /// `no_credentials`; `secret_unavailable` where the row's secret is none of its organization's.
    pub fn spend(self, _decided: Passed) -> Result<Access, Error> {
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
    pub permit: Permit,
    pub auth_type: AuthType,
    /// The request lives on a row from before organizations or hosts were recorded.
    pub legacy: bool,
}

/// Decides who asks, in the contract's order; the first check that fails answers.
///
/// What is admitted may spend nothing before its egress was decided:
/// ```compile_fail
/// fn spend(admitted: postern::access::Admitted) {
///     admitted.spend(postern::policy::Passed(()));
/// }
/// ```
pub fn admit(
    rules: &Rules,
    request: &Request,
    facts: &Facts,
    host: &str,
) -> Result<Admitted, Error> {
    if facts.token_revoked {
        return Err(Error::from(Code::InvalidWorkerToken).because("revoked"));
    }
    let expected = expected_organization(&facts.expected)?;
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
    let credential = credential(rules, request, facts, organization.as_ref());
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

fn expected_organization(found: &ExpectedOrganizations) -> Result<ExpectedOrganization, Error> {
    match found {
        ExpectedOrganizations::NotAsked => Ok(ExpectedOrganization::NoneExpected),
        ExpectedOrganizations::Found(organizations) => match organizations.as_slice() {
            [only] => Ok(ExpectedOrganization::Proven(only.clone())),
            [] => {
                Err(Error::from(Code::Unauthorized).because("no organization has the URL's agent"))
            }
            _ => Err(Error::from(Code::Unauthorized)
                .because("several organizations have the URL's agent")),
        },
    }
}

/// Every presented placeholder resolves; true when a legacy row did.
fn resolve(
    rules: &Rules,
    request: &Request,
    facts: &Facts,
    expected: &ExpectedOrganization,
) -> Result<bool, Error> {
    let refuse = |why: &'static str| Error::from(Code::Unauthorized).because(why);
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
        return Err(Error::from(Code::AgentMismatch)
            .because("URL, token and placeholder name different agents"));
    }
    if organization_known && !facts.agent_exists {
        return Err(Error::from(Code::AgentMismatch)
            .because("the agent does not exist in the organization"));
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
        return Err(Error::from(Code::AgentMismatch)
            .because("token and placeholder are of different deployments"));
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
        permit: Permit,
        row: &'a PlaceholderRow,
    },
    Other(Permit, AuthType),
}

/// The most specific credential there is; never the next tier because one could not be read.
fn credential<'a>(
    rules: &Rules,
    request: &Request,
    facts: &'a Facts,
    organization: Option<&OrganizationId>,
) -> Result<Credential<'a>, Error> {
    // A row was written with a ref of its organization's own; one that is not is a forgery.
    let forged = |error: Error| Error::from(Code::SecretUnavailable).because(error);
    let tier = |agent: bool, user: bool| {
        let is =
            |row: &&ProfileRow| row.agent_id.is_some() == agent && row.user_id.is_some() == user;
        let profile = facts.profiles.iter().find(is).zip(organization);
        profile.map(|(row, organization)| {
            let permit = rules
                .names
                .of_organization(organization, &row.secret_ref)
                .map_err(forged)?;
            Ok(Credential::Other(permit, row.auth_type))
        })
    };
    if request.user.is_some()
        && let Some(found) = tier(true, true)
    {
        return found;
    }
    if let Some((row, secret_ref)) = facts
        .placeholders
        .iter()
        .find_map(|row| Some((row, row.secret_ref.as_ref()?)))
    {
        let permit = match organization {
            Some(organization) => rules.names.of_organization(organization, secret_ref),
            None => rules.names.of_legacy(secret_ref),
        };
        return Ok(Credential::Own {
            permit: permit.map_err(forged)?,
            row,
        });
    }
    if let Some(found) = tier(true, false).or_else(|| tier(false, false)) {
        return found;
    }
    if facts.system_entitled && facts.agent_exists && organization.is_some() {
        return Ok(Credential::Other(
            rules.names.of_system(&request.provider),
            AuthType::ApiKey,
        ));
    }
    Err(Code::NoCredentials.into())
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
mod tests {
    use super::*;
    use crate::placeholder::Placeholder;

    fn decide(
        rules: &Rules,
        request: &Request,
        facts: &Facts,
        host: &str,
    ) -> Result<Access, Error> {
        admit(rules, request, facts, host)?.spend(Passed(()))
    }

    fn org(id: &str) -> OrganizationId {
        OrganizationId::parse(id).unwrap()
    }

    fn rules(legacy: LegacyPlaceholders) -> Rules {
        Rules {
            legacy,
            require_worker_token: false,
            names: SecretNames::new("postern/"),
        }
    }

    fn request() -> Request {
        Request {
            worker: None,
            agent: Some(AgentId::parse("agent").unwrap()),
            user: None,
            placeholders: vec![Placeholder::mint().hash()],
            provider: ProviderId::parse("openai").unwrap(),
        }
    }

    fn row() -> PlaceholderRow {
        PlaceholderRow {
            organization_id: Some(org("a")),
            agent_id: AgentId::parse("agent").unwrap(),
            user_id: None,
            secret_ref: None,
            deployment_name: DeploymentName::parse("d").unwrap(),
            allowed_hosts: vec![],
            live: true,
        }
    }

    fn facts() -> Facts {
        Facts {
            expected: ExpectedOrganizations::Found(vec![org("a")]),
            agent_exists: true,
            token_revoked: false,
            system_entitled: true,
            placeholders: vec![row()],
            profiles: vec![],
            policies: vec![],
            grant: Grant::None,
        }
    }

    fn refusal(request: &Request, facts: &Facts) -> Code {
        decide(
            &rules(LegacyPlaceholders::Warn),
            request,
            facts,
            "api.openai.com",
        )
        .unwrap_err()
        .code
    }

    fn profile(agent: bool, user: bool, name: &str) -> ProfileRow {
        ProfileRow {
            agent_id: agent.then(|| AgentId::parse("agent").unwrap()),
            user_id: user.then(|| UserId::parse("user").unwrap()),
            auth_type: AuthType::OAuth,
            secret_ref: format!("postern/org/a/{name}"),
        }
    }

    fn permit(request: &Request, facts: &Facts) -> String {
        let access = decide(
            &rules(LegacyPlaceholders::Warn),
            request,
            facts,
            "api.openai.com",
        )
        .unwrap();
        format!("{:?}", access.permit)
    }

    #[test]
    fn the_most_specific_credential_is_spent() {
        let mut request = request();
        request.user = Some(UserId::parse("user").unwrap());
        let mut facts = facts();
        facts.placeholders[0].user_id = request.user.clone();
        assert!(permit(&request, &facts).contains("postern/system/openai"));
        facts.profiles.push(profile(false, false, "org"));
        assert!(permit(&request, &facts).contains("org/a/org"));
        facts.profiles.push(profile(true, false, "agent"));
        assert!(permit(&request, &facts).contains("org/a/agent"));
        facts.placeholders[0].secret_ref = Some("postern/org/a/own".into());
        assert!(permit(&request, &facts).contains("org/a/own"));
        facts.profiles.push(profile(true, true, "user"));
        assert!(permit(&request, &facts).contains("org/a/user"));
    }

    #[test]
    fn a_forged_ref_is_503_and_never_the_next_tier() {
        let mut facts = facts();
        facts.profiles.push(ProfileRow {
            secret_ref: "postern/org/b/key".into(),
            ..profile(true, false, "")
        });
        assert_eq!(refusal(&request(), &facts), Code::SecretUnavailable);
    }

    #[test]
    fn a_legacy_row_resolves_only_where_nobody_is_expected_and_the_operator_warns() {
        let legacy = PlaceholderRow {
            organization_id: None,
            secret_ref: Some("postern/legacy/x".into()),
            ..row()
        };
        let mut facts = Facts {
            placeholders: vec![legacy],
            ..facts()
        };
        assert_eq!(refusal(&request(), &facts), Code::Unauthorized);
        facts.expected = ExpectedOrganizations::NotAsked;
        let mut request = request();
        request.agent = None;
        assert!(
            decide(&rules(LegacyPlaceholders::Warn), &request, &facts, "h")
                .unwrap()
                .legacy
        );
        let denied = decide(&rules(LegacyPlaceholders::Deny), &request, &facts, "h").unwrap_err();
        assert_eq!(denied.code, Code::Unauthorized);
    }

    #[test]
    fn an_agent_that_nobody_or_that_several_have_is_unauthorized() {
        for organizations in [vec![], vec![org("a"), org("b")]] {
            let facts = Facts {
                expected: ExpectedOrganizations::Found(organizations),
                ..facts()
            };
            assert_eq!(refusal(&request(), &facts), Code::Unauthorized);
        }
    }

    #[test]
    fn a_missing_or_expired_placeholder_is_unauthorized_and_another_agents_is_a_mismatch() {
        assert_eq!(
            refusal(
                &request(),
                &Facts {
                    placeholders: vec![],
                    ..facts()
                }
            ),
            Code::Unauthorized
        );
        let expired = PlaceholderRow {
            live: false,
            ..row()
        };
        assert_eq!(
            refusal(
                &request(),
                &Facts {
                    placeholders: vec![expired],
                    ..facts()
                }
            ),
            Code::Unauthorized
        );
        let other = PlaceholderRow {
            agent_id: AgentId::parse("other").unwrap(),
            ..row()
        };
        assert_eq!(
            refusal(
                &request(),
                &Facts {
                    placeholders: vec![other],
                    ..facts()
                }
            ),
            Code::AgentMismatch
        );
    }

    #[test]
    fn an_unknown_agent_never_reaches_a_system_key() {
        assert_eq!(
            refusal(
                &request(),
                &Facts {
                    agent_exists: false,
                    ..facts()
                }
            ),
            Code::AgentMismatch
        );
    }

    #[test]
    fn an_own_secret_goes_to_its_hosts_alone() {
        let own = PlaceholderRow {
            secret_ref: Some("postern/org/a/own".into()),
            allowed_hosts: vec!["API.openai.com".into()],
            ..row()
        };
        let facts = Facts {
            placeholders: vec![own],
            ..facts()
        };
        let rules = rules(LegacyPlaceholders::Warn);
        assert!(decide(&rules, &request(), &facts, "api.openai.com").is_ok());
        for host in ["api.openai.com.evil.example", "openai.com", "evil.example"] {
            assert_eq!(
                decide(&rules, &request(), &facts, host).unwrap_err().code,
                Code::HostNotAllowed
            );
        }
    }

    #[test]
    fn a_row_without_hosts_follows_the_operators_setting() {
        let own = PlaceholderRow {
            secret_ref: Some("postern/org/a/own".into()),
            ..row()
        };
        let facts = Facts {
            placeholders: vec![own],
            ..facts()
        };
        let decided = |legacy| decide(&rules(legacy), &request(), &facts, "api.openai.com");
        assert!(decided(LegacyPlaceholders::Warn).unwrap().legacy);
        assert_eq!(
            decided(LegacyPlaceholders::Deny).unwrap_err().code,
            Code::HostNotAllowed
        );
    }

    #[test]
    fn a_user_in_the_url_is_the_tokens_or_the_placeholders() {
        let mut request = request();
        request.user = Some(UserId::parse("user").unwrap());
        assert_eq!(refusal(&request, &facts()), Code::UserMismatch);
    }
}
