//! Rules decide which requests leave. They are evaluated on exactly what would be sent.

use crate::world::{World, through};
use postern_stack::HttpRequest;
use serde_json::{Value, json};

pub(super) const HOST: &str = "127.0.0.1";

fn call(method: &str, rest: &str, bearer: &str) -> HttpRequest {
    HttpRequest::new(method, &format!("/api/proxy/openai/a/agent-a/{rest}"))
        .header("authorization", &format!("Bearer {bearer}"))
}

/// `sent`, or the code of the refusal; a refused request never reaches the provider.
pub(super) async fn outcome(world: &World, request: HttpRequest) -> String {
    let before = world.upstream.seen().len();
    let answer = world.call_proxy(request).await;
    let reached = world.upstream.seen().len() > before;
    if answer.headers.contains_key("x-postern-error") {
        assert!(!reached, "a refused request was sent");
        assert_eq!(answer.status, 403, "{answer:?}");
        return answer.code();
    }
    assert!(reached);
    "sent".into()
}

#[tokio::test]
async fn without_a_policy_a_providers_own_host_is_allowed_and_under_one_what_no_rule_names_is_denied()
 {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let chat = || through("openai/a/agent-a/v1/chat/completions", &placeholder);
    assert_eq!(outcome(&world, chat()).await, "sent");
    world
        .policy("a", json!([{"host": "api.example.com", "action": "allow"}]))
        .await;
    assert_eq!(outcome(&world, chat()).await, "egress_denied");
    world.policy("a", json!([])).await;
    assert_eq!(outcome(&world, chat()).await, "egress_denied");
    // The other organization has no policy.
    world.secrets.put("postern/org/b/keys/openai", "sk-b");
    let theirs = world.placeholder("b", "agent-b").await;
    assert_eq!(
        outcome(&world, through("openai/a/agent-b/v1/x", &theirs)).await,
        "sent"
    );
    world
        .ok(json!({"command": "delete_policy", "organization_id": "a"}))
        .await;
    assert_eq!(outcome(&world, chat()).await, "sent");
}

#[tokio::test]
async fn the_first_rule_decides_and_no_way_of_writing_a_path_goes_round_it() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    world
        .policy(
            "a",
            json!([
                {"host": HOST, "path_prefix": "/v1/files", "action": "deny"},
                {"host": HOST, "methods": ["DELETE"], "action": "deny"},
                {"host": HOST, "action": "allow"},
            ]),
        )
        .await;
    for (method, rest, said) in [
        ("GET", "v1/models", "sent"),
        ("GET", "v1/filesystem", "sent"),
        ("GET", "v1/files", "egress_denied"),
        ("GET", "v1/files/f-1?purpose=x", "egress_denied"),
        ("GET", "v1/%66iles", "egress_denied"),
        ("GET", "v1/%2566iles", "egress_denied"),
        ("GET", "v1//files", "egress_denied"),
        ("GET", "v1/x/../files", "egress_denied"),
        ("GET", "v1/x/%2e%2e/files", "egress_denied"),
        ("GET", "v1/x%2fx/../../v1/files", "egress_denied"),
        ("GET", "v1%2ffiles", "egress_denied"),
        ("GET", "v1/FILES", "egress_denied"),
        ("GET", "v1;a/files", "egress_denied"),
        ("DELETE", "v1/models/m", "egress_denied"),
        ("delete", "v1/models/m", "egress_denied"),
    ] {
        assert_eq!(
            outcome(&world, call(method, rest, &placeholder)).await,
            said,
            "{method} {rest}"
        );
    }
    let disguised =
        call("POST", "v1/models/m", &placeholder).header("x-http-method-override", "DELETE");
    assert_eq!(outcome(&world, disguised).await, "egress_denied");
}

#[tokio::test]
async fn the_agents_own_policy_comes_first_and_an_edit_counts_at_once() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let chat = || through("openai/a/agent-a/v1/chat/completions", &placeholder);
    let own = |rules: Value| json!({"command": "put_policy", "organization_id": "a", "agent_id": "agent-a", "rules": rules});
    world
        .policy("a", json!([{"host": HOST, "action": "allow"}]))
        .await;
    assert_eq!(outcome(&world, chat()).await, "sent");
    world
        .ok(own(json!([{"host": HOST, "action": "deny"}])))
        .await;
    assert_eq!(outcome(&world, chat()).await, "egress_denied");
    let second = world
        .minted(
            "a",
            "second-a",
            json!({"secret_ref": "postern/org/a/keys/openai", "allowed_hosts": [HOST]}),
        )
        .await;
    assert_eq!(
        outcome(&world, through("openai/a/second-a/v1/x", &second)).await,
        "sent",
        "another agent is not under this policy"
    );
    world
        .ok(own(json!([{"host": "other.example", "action": "deny"}])))
        .await;
    assert_eq!(
        outcome(&world, chat()).await,
        "sent",
        "the organization's policy decides what the agent's does not name"
    );
    let updated = "select updated_at from egress_policies where agent_id = 'agent-a'";
    let before = world.value(updated).await;
    world
        .ok(own(json!([{"host": "other.example", "action": "deny"}])))
        .await;
    assert_eq!(
        world.value(updated).await,
        before,
        "putting the same again changes nothing"
    );
}

#[tokio::test]
async fn a_policy_by_plain_sql_counts_and_one_that_cannot_be_read_denies() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let chat = || through("openai/a/agent-a/v1/chat/completions", &placeholder);
    for (rules, said) in [
        (r#"[{"host": "127.0.0.1", "action": "allow"}]"#, "sent"),
        (
            r#"[{"host": "127.0.0.1", "action": "allow", "surprise": 1}]"#,
            "egress_denied",
        ),
        (r#"{"host": "127.0.0.1"}"#, "egress_denied"),
        ("null", "egress_denied"),
    ] {
        world
            .sql(&format!(
                "delete from egress_policies;
                 insert into egress_policies (organization_id, agent_id, rules, updated_at) values ('a', null, '{rules}', now())"
            ))
            .await;
        assert_eq!(outcome(&world, chat()).await, said, "{rules}");
    }
}

#[tokio::test]
async fn the_policy_decides_before_a_credential_is_looked_for_and_after_the_asker_is_proven() {
    let world = World::new().await;
    world.tenants().await;
    world
        .policy("a", json!([{"host": "other.example", "action": "allow"}]))
        .await;
    // This placeholder has no credential at all.
    let bare = world.minted("a", "agent-a", json!({})).await;
    assert_eq!(
        outcome(&world, through("openai/a/agent-a/v1/x", &bare)).await,
        "egress_denied"
    );
    let elsewhere =
        json!({"secret_ref": "postern/org/a/keys/openai", "allowed_hosts": ["api.example.com"]});
    let elsewhere = world.minted("a", "agent-a", elsewhere).await;
    assert_eq!(
        outcome(&world, through("openai/a/agent-a/v1/x", &elsewhere)).await,
        "host_not_allowed"
    );
    assert_eq!(
        outcome(&world, through("openai/a/second-a/v1/x", &bare)).await,
        "agent_mismatch"
    );
}

#[tokio::test]
async fn a_policy_holds_however_the_agent_is_proven_and_whichever_gateway_the_event_is_of() {
    let world = World::new().await;
    world.tenants().await;
    world
        .ok(json!({"command": "put_profile", "organization_id": "a", "id": "p", "provider_id": "openai",
            "auth_type": "api_key", "secret_ref": "postern/org/a/keys/openai"}))
        .await;
    world
        .ok(json!({"command": "put_policy", "organization_id": "a", "agent_id": "agent-a",
            "rules": [{"host": HOST, "path_prefix": "/v1/files", "action": "deny"}, {"host": HOST, "action": "allow"}]}))
        .await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let token = world.token("a", "agent-a", json!({"user_id": "U1"})).await;
    let by_token = |path: &str| {
        HttpRequest::get(&format!("/api/proxy/openai/{path}"))
            .header("x-postern-worker-token", &token)
    };
    let by_placeholder = |path: &str| {
        HttpRequest::get(&format!("/api/proxy/openai/{path}"))
            .header("authorization", &format!("Bearer {placeholder}"))
    };
    for (request, said) in [
        (by_token("v1/files"), "egress_denied"),
        (by_token("v1/models"), "sent"),
        (by_token("a/agent-a/u/U1/v1/files"), "egress_denied"),
        (by_placeholder("v1/files"), "egress_denied"),
        (by_placeholder("v1/models"), "sent"),
        (
            by_token("a/agent-a/v1/models")
                .header("authorization", &format!("Bearer {placeholder}")),
            "sent",
        ),
        (
            by_token("a/agent-a/v1/files")
                .header("authorization", &format!("Bearer {placeholder}")),
            "egress_denied",
        ),
        (
            by_placeholder("v1/models").header("x-original-url", "/v1/files"),
            "egress_denied",
        ),
    ] {
        let path = request.path.clone();
        assert_eq!(outcome(&world, request).await, said, "{path}");
    }
    // The path in a REST API's event was decoded once.
    for (path, said) in [
        ("v1/files", "egress_denied"),
        ("v1/%66iles", "egress_denied"),
        ("v1/x/../files", "egress_denied"),
        ("v1/models", "sent"),
    ] {
        let before = world.upstream.seen().len();
        let answer = world.call_proxy_event(by_placeholder(path).v1()).await;
        let denied = answer
            .headers
            .get("x-postern-error")
            .is_some_and(|code| code == "egress_denied");
        let sent = world.upstream.seen().len() - before;
        assert_eq!(
            (denied, sent),
            (said != "sent", usize::from(said == "sent")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn malformed_contradictory_and_too_many_rules_are_refused_and_change_nothing() {
    let world = World::new().await;
    world.tenants().await;
    world
        .policy("a", json!([{"host": "a.example", "action": "allow"}]))
        .await;
    let before = world.value("select rules from egress_policies").await;
    for (rules, named) in [
        (
            json!(vec![json!({"host": "a.example", "action": "deny"}); 10_000]),
            "1000",
        ),
        (
            json!([{"host": "a.example", "action": "allow"}, {"host": "a.example", "action": "deny"}]),
            "contradicts",
        ),
        (json!([{"host": "*.", "action": "allow"}]), "rule 0"),
        (
            json!([{"host": "a.example", "action": "judge", "policy": "x".repeat(4001)}]),
            "policy",
        ),
        (json!({"host": "a.example"}), "list"),
    ] {
        let refused = world
            .command(json!({"command": "put_policy", "organization_id": "a", "rules": rules}))
            .await;
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(
            refused["error"]["code"] == "invalid_request" && message.contains(named),
            "{message}"
        );
    }
    assert_eq!(
        world.value("select rules from egress_policies").await,
        before
    );
    let refused = world
        .command(json!({"command": "put_policy", "organization_id": "nobody", "rules": []}))
        .await;
    assert_eq!(refused["error"]["code"], "unknown_organization");
}
