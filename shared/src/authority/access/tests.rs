//! Who may spend which credential.

use super::*;
use crate::authority::placeholder::Placeholder;

fn decide(rules: &Rules, request: &Request, facts: &Facts, host: &str) -> Result<Access, Error> {
    let host = HostName::parse(host).unwrap();
    admit(rules, request, facts, Ok(&host))?.spend(EgressAllowed(()))
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
        provider: ProviderOf::Operator(ProviderId::parse("openai").unwrap()),
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
        agent_exists: true,
        token: TokenStanding::Good,
        system_entitled: true,
        placeholders: vec![row()],
        profiles: vec![],
        policies: vec![],
        grant: Grant::None,
        sealed: SealedRows::default(),
        own_provider: None,
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
        secret_ref: format!("postern/org/a/keys/{name}"),
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
    assert!(permit(&request, &facts).contains("org/a/keys/org"));
    facts.profiles.push(profile(true, false, "agent"));
    assert!(permit(&request, &facts).contains("org/a/keys/agent"));
    facts.placeholders[0].secret_ref = Some("postern/org/a/keys/own".into());
    assert!(permit(&request, &facts).contains("org/a/keys/own"));
    facts.profiles.push(profile(true, true, "user"));
    assert!(permit(&request, &facts).contains("org/a/keys/user"));
}

#[test]
fn a_forged_ref_is_503_and_never_the_next_tier() {
    let mut facts = facts();
    facts.profiles.push(ProfileRow {
        secret_ref: "postern/org/b/keys/key".into(),
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
    let facts = Facts {
        placeholders: vec![legacy],
        ..facts()
    };
    assert_eq!(refusal(&request(), &facts), Code::Unauthorized);
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
fn the_placeholders_organization_must_have_the_urls_agent() {
    let facts = Facts {
        agent_exists: false,
        ..facts()
    };
    assert_eq!(refusal(&request(), &facts), Code::Unauthorized);
}

#[test]
fn placeholders_of_two_organizations_are_refused_with_and_without_an_agent_in_the_url() {
    let other = PlaceholderRow {
        organization_id: Some(org("b")),
        ..row()
    };
    let facts = Facts {
        placeholders: vec![row(), other],
        ..facts()
    };
    let mut request = request();
    request.placeholders.push(Placeholder::mint().hash());
    assert_eq!(refusal(&request, &facts), Code::Unauthorized);
    request.agent = None;
    assert_eq!(refusal(&request, &facts), Code::Unauthorized);
}

#[test]
fn two_placeholders_with_a_secret_of_their_own_do_not_say_which_is_meant() {
    let own = |name: &str| PlaceholderRow {
        secret_ref: Some(format!("postern/org/a/keys/{name}")),
        allowed_hosts: vec!["api.openai.com".into()],
        ..row()
    };
    let mut request = request();
    request.placeholders.push(Placeholder::mint().hash());
    let mut facts = facts();
    facts.placeholders = vec![own("x"), own("y")];
    assert_eq!(refusal(&request, &facts), Code::UnexpectedCredential);
    facts.placeholders[1].secret_ref = None;
    assert!(permit(&request, &facts).contains("keys/x"));
}

#[test]
fn a_token_that_does_not_stand_is_refused_before_anything_else() {
    for (token, code) in [
        (TokenStanding::Revoked, Code::InvalidWorkerToken),
        (TokenStanding::OlderThanItsAgent, Code::InvalidWorkerToken),
    ] {
        let facts = Facts {
            token,
            agent_exists: false,
            ..facts()
        };
        assert_eq!(refusal(&request(), &facts), code);
    }
    assert_eq!(
        TokenStanding::NoAgent.check().unwrap_err().code,
        Code::AgentMismatch
    );
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
    let facts = Facts {
        agent_exists: false,
        ..facts()
    };
    assert_eq!(refusal(&request(), &facts), Code::Unauthorized);
    let mut request = request();
    request.agent = None;
    assert_eq!(refusal(&request, &facts), Code::AgentMismatch);
}

#[test]
fn an_own_secret_goes_to_its_hosts_alone() {
    let own = PlaceholderRow {
        secret_ref: Some("postern/org/a/keys/own".into()),
        allowed_hosts: vec!["not a host".into(), "API.openai.com.".into()],
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
        secret_ref: Some("postern/org/a/keys/own".into()),
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

#[test]
fn a_system_key_is_never_spent_at_a_tenants_own_provider() {
    let own = Request {
        provider: ProviderOf::Organization(Slug::parse("openai").unwrap()),
        ..request()
    };
    assert_eq!(refusal(&own, &facts()), Code::NoCredentials);
    let rules = rules(LegacyPlaceholders::Warn);
    assert!(decide(&rules, &request(), &facts(), "api.openai.com").is_ok());
}

#[test]
fn who_may_not_ask_does_not_learn_which_providers_an_organization_has() {
    let rules = rules(LegacyPlaceholders::Warn);
    let admitted = |facts: &Facts| {
        let unknown = Err(Code::UnknownProvider.into());
        admit(&rules, &request(), facts, unknown)
            .map(drop)
            .map_err(|error| error.code)
    };
    assert_eq!(admitted(&facts()), Err(Code::UnknownProvider));
    let expired = Facts {
        placeholders: vec![PlaceholderRow {
            live: false,
            ..row()
        }],
        ..facts()
    };
    assert_eq!(admitted(&expired), Err(Code::Unauthorized));
}
