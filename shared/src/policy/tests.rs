//! What rules say, and no way round it.

use super::*;
use crate::host::HostName;
use serde_json::json;

fn policies(own: Option<Value>, organization: Option<Value>) -> Policies {
    let row = |owner, rules: Value| PolicyRow {
        owner,
        observe: false,
        hash: [0; 32],
        rules: Some(rules),
    };
    let own = own.map(|rules| row(Owner::Agent, rules));
    let organization = organization.map(|rules| row(Owner::Organization, rules));
    Policies::resolve(organization.into_iter().chain(own).collect(), &[])
}

fn target(host: &str, method: &str, path: &str) -> Target {
    let host = HostName::parse(host).unwrap();
    Target::new(Scheme::Https, host, 443, Some(method), Some(path))
}

/// `allow`, `deny` and so on, of the organization's rules.
fn says(rules: &Value, target: &Target) -> &'static str {
    let policies = policies(None, Some(rules.clone()));
    policies.ruling(target, Mode::Enforced).action.as_str()
}

#[test]
fn the_first_rule_that_is_for_the_request_decides() {
    let rules = json!([
        {"host": "api.example.com", "path_prefix": "/v1/admin", "action": "deny"},
        {"host": "api.example.com", "methods": ["get", "HEAD"], "action": "allow"},
        {"host": "*.example.com", "action": "judge", "policy": "be careful"},
    ]);
    for (host, method, path, said) in [
        ("api.example.com", "GET", "/v1/x", "allow"),
        ("API.EXAMPLE.COM.", "GET", "/v1/x", "allow"),
        ("api.example.com", "GET", "/v1/admin", "deny"),
        ("api.example.com", "GET", "/v1/admin/x", "deny"),
        ("api.example.com", "GET", "/v1/administrators", "allow"),
        ("api.example.com", "POST", "/v1/x", "judge"),
        ("a.b.example.com", "GET", "/", "judge"),
        ("example.com", "GET", "/", "deny"),
        ("api.example.com.evil.test", "GET", "/", "deny"),
        ("notexample.com", "GET", "/", "deny"),
        ("127.0.0.1", "GET", "/", "deny"),
    ] {
        assert_eq!(
            says(&rules, &target(host, method, path)),
            said,
            "{method} {host}{path}"
        );
    }
}

#[test]
fn no_way_of_writing_a_path_goes_round_a_denial() {
    let rules = json!([
        {"host": "h.example", "path_prefix": "/v1/admin", "action": "deny"},
        {"host": "h.example", "action": "allow"},
    ]);
    for path in [
        "/v1/admin",
        "/v1/%61dmin",
        "/v1/%2561dmin",
        "/v1/ADMIN",
        "/v1//admin",
        "/v1/./admin",
        "/v1/x/../admin",
        "/v1/x/%2e%2e/admin",
        "/v1/%2e/admin",
        "/v1%2fadmin",
        "/v1%5cadmin",
        "/v1\\admin",
        "/v1;x/admin",
        "/v1/admin;x=1/y",
        "/v1/admin%2f..%2fadmin",
        "/./v1/admin/",
        "//v1/admin",
        "/v1/admin/../admin",
        "/V1/admin",
        "/v1/%41dmin",
        "/v1/x%2f..%2fadmin",
        "/../v1/admin",
        "/v1/chat/x%2fx%2fx/../../../v1/admin",
        "/v1//../admin/x",
        "/v1/admin//../x",
    ] {
        assert_eq!(
            says(&rules, &target("h.example", "GET", path)),
            "deny",
            "{path}"
        );
    }
    for path in [
        "/v1/chat",
        "/v1/adminx",
        "/v1/a/admin",
        "/repos/a%2Fb",
        "/v1/chat;x",
        "/",
        "",
    ] {
        assert_eq!(
            says(&rules, &target("h.example", "GET", path)),
            "allow",
            "{path}"
        );
    }
}

#[test]
fn no_way_of_writing_a_path_goes_round_an_allowance() {
    let rules = json!([{"host": "h.example", "path_prefix": "/v1/chat/", "action": "allow"}]);
    for path in [
        "/v1/chat",
        "/v1/chat/",
        "/v1/chat/x",
        "/v1/ch%61t/x",
        "/v1/chat//x",
    ] {
        assert_eq!(
            says(&rules, &target("h.example", "GET", path)),
            "allow",
            "{path}"
        );
    }
    for path in [
        "/v1/chat/../files",
        "/v1/chat/%2e%2e/files",
        "/v1/chat%2f..%2f..%2ffiles",
        "/v1/Chat",
        "/v1/chatter",
        "/v1/x/../chat",
        "/v1/chat/..;/x",
        "/v1/chat/a/../b",
        "/v1/chat/x%2fx%2fx/../../../v1/files/f",
    ] {
        assert_eq!(
            says(&rules, &target("h.example", "GET", path)),
            "deny",
            "{path}"
        );
    }
}

#[test]
fn a_method_that_a_header_names_is_one_more_way_to_read_it() {
    let rules = json!([
        {"host": "h.example", "methods": ["DELETE"], "action": "deny"},
        {"host": "h.example", "action": "allow"},
    ]);
    let post = || target("h.example", "POST", "/x");
    assert_eq!(says(&rules, &post()), "allow");
    assert_eq!(
        says(&rules, &post().with_possible_method(" delete ")),
        "deny"
    );
    assert_eq!(says(&rules, &post().with_possible_method("PATCH")), "allow");
    assert_eq!(
        says(&rules, &post().with_possible_method("PATCH, delete")),
        "deny"
    );
    let many = (0..20).fold(post(), |target, n| {
        target.with_possible_method(&n.to_string())
    });
    assert_eq!(says(&rules, &many), "deny");
    assert_eq!(says(&rules, &target("h.example", "delete", "/x")), "deny");
}

#[test]
fn what_a_tunnel_hides_must_not_matter() {
    let tunnel = |host: &str| {
        let host = HostName::parse(host).unwrap();
        Target::new(Scheme::Https, host, 443, None, None)
    };
    let rules = json!([
        {"host": "mixed.example", "path_prefix": "/admin", "action": "deny"},
        {"host": "mixed.example", "action": "allow"},
        {"host": "part.example", "methods": ["GET"], "action": "allow"},
        {"host": "same.example", "methods": ["GET"], "action": "allow"},
        {"host": "same.example", "action": "allow"},
    ]);
    for (host, said) in [
        ("mixed.example", "deny"),
        ("part.example", "deny"),
        ("same.example", "allow"),
        ("other.example", "deny"),
    ] {
        assert_eq!(says(&rules, &tunnel(host)), said, "{host}");
    }
}

#[test]
fn the_agents_own_policy_comes_before_the_organizations() {
    let own = json!([{"host": "a.example", "action": "deny"}]);
    let organization =
        json!([{"host": "a.example", "action": "allow"}, {"host": "b.example", "action": "allow"}]);
    let both = policies(Some(own), Some(organization));
    let ruling = |host| both.ruling(&target(host, "GET", "/"), Mode::Enforced);
    assert_eq!(
        (ruling("a.example").action, ruling("a.example").by),
        (&Action::Deny, DecidedBy::Rule(Owner::Agent, 0))
    );
    assert_eq!(
        (ruling("b.example").action, ruling("b.example").by),
        (&Action::Allow, DecidedBy::Rule(Owner::Organization, 1))
    );
    assert_eq!(
        (ruling("c.example").action, ruling("c.example").by),
        (&Action::Deny, DecidedBy::NoRule)
    );
    let none = Policies::default();
    assert_eq!(
        none.ruling(&target("c.example", "GET", "/"), Mode::Enforced)
            .by,
        DecidedBy::NoPolicy
    );
}

#[test]
fn a_policy_that_only_observes_decides_nothing() {
    let mut both = policies(Some(json!([{"host": "a.example", "action": "deny"}])), None);
    both.0[0].observe = true;
    let action = |mode| both.ruling(&target("a.example", "GET", "/"), mode).action;
    assert_eq!(
        (action(Mode::Enforced), action(Mode::Observed)),
        (&Action::Allow, &Action::Deny)
    );
}

#[test]
fn a_policy_that_cannot_be_read_denies() {
    for rules in [
        json!({}),
        json!([{"host": "a.example"}]),
        json!([1]),
        json!("x"),
        Value::Null,
    ] {
        let broken = policies(
            Some(rules.clone()),
            Some(json!([{"host": "a.example", "action": "allow"}])),
        );
        let ruling = broken.ruling(&target("a.example", "GET", "/"), Mode::Enforced);
        assert_eq!(
            (ruling.action, ruling.by),
            (&Action::Deny, DecidedBy::Unreadable(Owner::Agent)),
            "{rules}"
        );
    }
    let unknown = PolicyRow {
        owner: Owner::Agent,
        observe: false,
        hash: [1; 32],
        rules: None,
    };
    let unknown = Policies::resolve(vec![unknown], &[]);
    assert_eq!(
        unknown
            .ruling(&target("a.example", "GET", "/"), Mode::Enforced)
            .action,
        &Action::Deny
    );
}
