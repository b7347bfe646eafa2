//! Decisions for a CONNECT proxy: a rule that depends on what the tunnel hides does not allow it.

use crate::world::{World, through};
use postern_stack::HttpRequest;
use serde_json::{Value, json};

const HOST: &str = "127.0.0.1";

#[tokio::test]
async fn a_tunnels_decision_is_what_the_rules_say_of_the_host() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.token("a", "agent-a", json!({})).await;
    let tunnel = |host: &str| json!({"scheme": "https", "host": host, "port": 443});
    let said = async |body: &Value| {
        let answer = world.egress(&token, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        assert!(
            body["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty())
        );
        (
            body["verdict"].as_str().unwrap().to_owned(),
            body["source"].as_str().unwrap().to_owned(),
        )
    };
    let is = |verdict: &str, source: &str| (verdict.to_owned(), source.to_owned());
    let mut own = tunnel(HOST);
    own["port"] = world.upstream.port().into();
    assert_eq!(
        said(&own).await,
        is("allow", "rule"),
        "a provider's own host"
    );
    assert_eq!(
        said(&tunnel(HOST)).await,
        is("deny", "rule"),
        "another port is another service"
    );
    assert_eq!(said(&tunnel("api.example.com")).await, is("deny", "rule"));
    world
        .policy(
            "a",
            json!([
                {"host": "part.example", "path_prefix": "/v1", "action": "allow"},
                {"host": "*.example", "action": "allow"},
            ]),
        )
        .await;
    assert_eq!(said(&tunnel("API.Example.")).await, is("allow", "rule"));
    assert_eq!(said(&tunnel("example")).await, is("deny", "rule"));
    assert_eq!(said(&tunnel("evil.test")).await, is("deny", "rule"));
    let mut seen = tunnel("part.example");
    assert_eq!(
        said(&seen).await,
        is("allow", "rule"),
        "it is allowed whatever the path is"
    );
    seen["path"] = "/v1/x?y=1".into();
    seen["method"] = "GET".into();
    assert_eq!(said(&seen).await, is("allow", "rule"));
    world
        .policy(
            "a",
            json!([{"host": "part.example", "path_prefix": "/v1", "action": "allow"}]),
        )
        .await;
    assert_eq!(
        said(&tunnel("part.example")).await,
        is("deny", "rule"),
        "a tunnel hides its path"
    );
    assert_eq!(said(&seen).await, is("allow", "rule"));
}

#[tokio::test]
async fn the_bad_fields_of_a_tunnels_question_are_named() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.token("a", "agent-a", json!({})).await;
    let good = json!({"scheme": "https", "host": "a.example", "port": 443});
    for (field, value) in [
        ("scheme", json!("ftp")),
        ("host", json!("a.example:443")),
        ("host", json!("a b")),
        ("host", json!("")),
        ("port", json!(0)),
        ("port", json!(65536)),
        ("port", json!("443")),
        ("method", json!("G T")),
        ("path", json!("x")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let answer = world.egress(&token, &body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "invalid_request".into()),
            "{field} {value}"
        );
        assert!(
            answer.text().contains(field) || field == "port",
            "{answer:?}"
        );
    }
    assert_eq!(
        world.egress(&token, &json!([])).await.code(),
        "invalid_request"
    );
    let broken = HttpRequest::new("POST", "/v1/egress/decide")
        .header("x-postern-worker-token", &token)
        .body(b"{".to_vec());
    assert_eq!(world.call_proxy(broken).await.code(), "invalid_json");
    let get = HttpRequest::get("/v1/egress/decide").header("x-postern-worker-token", &token);
    assert_eq!(world.call_proxy(get).await.code(), "method_not_allowed");
    assert_eq!(
        world.egress("nonsense", &good).await.code(),
        "invalid_worker_token"
    );
    let ghost = world.token("a", "agent-a", json!({})).await;
    world.sql("delete from agents where id = 'agent-a'").await;
    assert_eq!(world.egress(&ghost, &good).await.code(), "agent_mismatch");
}

#[tokio::test]
async fn a_tunnel_gets_503_where_nothing_can_be_decided_and_401_with_a_revoked_token() {
    let world = World::new().await;
    world.tenants().await;
    let good = json!({"scheme": "https", "host": "a.example", "port": 443});
    let token = world.token("a", "agent-a", json!({})).await;
    let id = crate::world::jti(&token);
    world
        .ok(json!({"command": "revoke_worker_token", "organization_id": "a", "jti": id, "expires_at": "2099-01-01T00:00:00Z"}))
        .await;
    assert_eq!(
        world.egress(&token, &good).await.code(),
        "invalid_worker_token"
    );
    let token = world.token("a", "agent-a", json!({})).await;
    world
        .sql("revoke select on egress_policies from postern_proxy_owner")
        .await;
    let answer = world.egress(&token, &good).await;
    assert_eq!(
        (answer.status, answer.code()),
        (503, "database_unavailable".into())
    );
    let placeholder = world.placeholder("a", "agent-a").await;
    let answer = world
        .call_proxy(through("openai/a/agent-a/v1/x", &placeholder))
        .await;
    assert_eq!(
        answer.status, 503,
        "a policy that cannot be read must not count as absent: {answer:?}"
    );
    assert!(world.upstream.seen().is_empty());
}
