//! Worker tokens that are used after their agent, organization or deployment is gone, or after they were
//! revoked.

use crate::world::{Answer, REAL_KEY, World, claims_of, jti, merged, question, talk, through};
use postern_stack::HttpRequest;
use serde_json::json;

fn issued_at(token: &str) -> f64 {
    claims_of(token)["iat"].as_f64().unwrap()
}

/// A world of two organizations, with a key that all of a's agents may spend.
pub(super) async fn tenants() -> World {
    let world = World::new().await;
    put_tenants(&world).await;
    world
}

async fn put_tenants(world: &World) {
    world.tenants().await;
    world
        .ok(json!({"command": "put_profile", "organization_id": "a", "id": "p", "provider_id": "openai",
            "auth_type": "api_key", "secret_ref": "postern/org/a/keys/openai"}))
        .await;
}

pub(super) async fn proxied(world: &World, token: &str) -> Answer {
    let request = HttpRequest::post_json("/api/proxy/openai/v1/chat/completions", &json!({}));
    world
        .call_proxy(request.header("x-postern-worker-token", token))
        .await
}

async fn decided(world: &World, token: &str) -> Answer {
    let target = json!({"scheme": "https", "host": "example.com", "port": 443});
    world.egress(token, &target).await
}

async fn granted(world: &World, token: &str) -> Answer {
    let mut request = HttpRequest::get("/v1/grants");
    request.query = "pattern=host:example.com".into();
    world
        .call_webhooks(request.header("x-postern-worker-token", token))
        .await
}

/// Calls every route that takes a worker token; questions have this id.
async fn everywhere(world: &World, token: &str, id: &str) -> [(&'static str, Answer); 6] {
    [
        ("a proxied request", proxied(world, token).await),
        ("POST /v1/egress/decide", decided(world, token).await),
        (
            "POST /v1/interactions",
            world.ask(token, &question(id)).await,
        ),
        ("GET /v1/interactions/{id}", world.read(token, id).await),
        ("GET /v1/grants", granted(world, token).await),
        (
            "DELETE /v1/interactions/{id}",
            world.withdraw(token, id).await,
        ),
    ]
}

pub(super) async fn counts_everywhere(world: &World, token: &str) {
    let id = uuid::Uuid::new_v4().to_string();
    for ((route, answer), status) in everywhere(world, token, &id)
        .await
        .iter()
        .zip([200, 200, 201, 200, 200, 204])
    {
        assert_eq!(answer.status, status, "{route}: {}", answer.text());
    }
    let seen = world.upstream.seen();
    assert_eq!(
        seen.last().unwrap().headers["authorization"],
        format!("Bearer {REAL_KEY}")
    );
    world.upstream.clear();
}

/// Every route refuses the token with this status and code, and nothing is sent, posted or stored for it.
pub(super) async fn refused_everywhere(world: &World, token: &str, status: u64, code: &str) {
    let posted = world.slack.calls().len();
    for (route, answer) in everywhere(world, token, "q-refused").await {
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{route}: {}",
            answer.text()
        );
    }
    assert!(world.upstream.seen().is_empty());
    assert_eq!(world.slack.calls().len(), posted);
    let stored = "select count(*) from pending_interactions where id = 'q-refused'";
    assert_eq!(world.value(stored).await, "0");
}

/// A token like those of `conversing`, but of another deployment.
async fn token_of_d2(world: &World) -> String {
    let d2 = merged(talk("a", "U1"), json!({"deployment_name": "d2"}));
    world.token("a", "agent-a", d2).await
}

async fn revoke_deployment(world: &World, name: &str) {
    world
        .ok(json!({"command": "revoke_deployment", "organization_id": "a", "deployment_name": name}))
        .await;
}

async fn revoke_token(world: &World, token: &str, expires_at: &str) {
    world
        .ok(
            json!({"command": "revoke_worker_token", "organization_id": "a", "jti": jti(token),
            "expires_at": expires_at}),
        )
        .await;
}

/// Deletes organization a; then somebody else takes its name and its agents' names.
async fn succeed(world: &World) {
    world.sql("delete from organizations where id = 'a'").await;
    put_tenants(world).await;
}

/// Dates agent-a's creation this long after the token was issued.
async fn created_after(world: &World, token: &str, seconds: u32) {
    let issued_at = issued_at(token);
    world
        .sql(&format!(
            "update agents set created_at = to_timestamp({issued_at}) + interval '{seconds} seconds'
             where organization_id = 'a' and id = 'agent-a'"
        ))
        .await;
}

#[tokio::test]
async fn a_token_of_a_deleted_organization_is_not_one_of_its_successors() {
    let world = tenants().await;
    let token = world.conversing("a", "U1").await;
    counts_everywhere(&world, &token).await;
    succeed(&world).await;
    created_after(&world, &token, 31).await;
    refused_everywhere(&world, &token, 401, "invalid_worker_token").await;
    // Only its age was wrong.
    created_after(&world, &token, 0).await;
    counts_everywhere(&world, &token).await;
}

#[tokio::test]
async fn a_token_of_a_deleted_agent_is_not_one_of_its_successors() {
    let world = tenants().await;
    let token = world.conversing("a", "U1").await;
    let placeholder = world.placeholder("a", "agent-a").await;
    world.sql("delete from agents where id = 'agent-a'").await;
    put_tenants(&world).await;
    created_after(&world, &token, 31).await;
    refused_everywhere(&world, &token, 401, "invalid_worker_token").await;
    let request = through("openai/a/agent-a/v1/x", &placeholder);
    let answer = world.call_proxy(request).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (401, "unauthorized"),
        "its placeholder"
    );
}

#[tokio::test]
async fn a_token_that_was_revoked_before_its_organization_was_deleted_stays_revoked() {
    let world = tenants().await;
    let token = world.conversing("a", "U1").await;
    let other = world.conversing("a", "U1").await;
    revoke_token(&world, &token, "2099-01-01T00:00:00Z").await;
    succeed(&world).await;
    created_after(&world, &token, 0).await;
    refused_everywhere(&world, &token, 401, "invalid_worker_token").await;
    // The other token has the same age, so what refuses the first is the revocation.
    counts_everywhere(&world, &other).await;
}

#[tokio::test]
async fn a_deployment_that_was_revoked_before_its_organization_was_deleted_stays_revoked() {
    let world = tenants().await;
    let token = world.conversing("a", "U1").await;
    let other = token_of_d2(&world).await;
    revoke_deployment(&world, "d1").await;
    succeed(&world).await;
    created_after(&world, &token, 0).await;
    refused_everywhere(&world, &token, 401, "invalid_worker_token").await;
    counts_everywhere(&world, &other).await;
}

#[tokio::test]
async fn a_revoked_deployments_token_is_refused_everywhere_and_another_deployments_counts() {
    let world = tenants().await;
    let token = world.conversing("a", "U1").await;
    let other = token_of_d2(&world).await;
    counts_everywhere(&world, &token).await;
    revoke_deployment(&world, "d1").await;
    refused_everywhere(&world, &token, 401, "invalid_worker_token").await;
    counts_everywhere(&world, &other).await;
}

#[tokio::test]
async fn another_organizations_deployment_of_the_same_name_is_not_revoked() {
    let world = tenants().await;
    let token = world.conversing("a", "U1").await;
    world
        .ok(json!({"command": "revoke_deployment", "organization_id": "b", "deployment_name": "d1"}))
        .await;
    counts_everywhere(&world, &token).await;
}

#[tokio::test]
async fn a_token_that_is_minted_right_after_a_revocation_counts_everywhere_at_once() {
    let world = tenants().await;
    let old = world.conversing("a", "U1").await;
    revoke_deployment(&world, "d1").await;
    let new = world.conversing("a", "U1").await;
    counts_everywhere(&world, &new).await;
    refused_everywhere(&world, &old, 401, "invalid_worker_token").await;
}

#[tokio::test]
async fn of_tokens_and_revocations_in_quick_turns_only_the_newest_token_counts() {
    let world = tenants().await;
    let mut old: Vec<String> = Vec::new();
    for turn in 0..20 {
        let token = world.token("a", "agent-a", json!({})).await;
        let answer = decided(&world, &token).await;
        assert_eq!(answer.status, 200, "turn {turn}: {}", answer.text());
        revoke_deployment(&world, "d1").await;
        old.push(token);
    }
    let newest = world.token("a", "agent-a", json!({})).await;
    for (turn, token) in old.iter().enumerate() {
        let answer = decided(&world, token).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "invalid_worker_token"),
            "turn {turn}"
        );
    }
    assert_eq!(decided(&world, &newest).await.status, 200);
}

#[tokio::test]
async fn a_revocation_whose_date_is_too_early_is_kept_as_long_as_a_token_can_live() {
    let world = tenants().await;
    let token = world.conversing("a", "U1").await;
    revoke_token(&world, &token, "2001-01-01T00:00:00Z").await;
    let left = "select expires_at > now() + interval '23 hours' from revoked_tokens";
    assert_eq!(world.value(left).await, "t");
    let report = world.sweep(json!({})).await.unwrap();
    assert_eq!(report["deleted"]["revoked_tokens"], 0, "{report}");
    refused_everywhere(&world, &token, 401, "invalid_worker_token").await;
}

#[tokio::test]
async fn a_second_revocation_with_an_earlier_date_does_not_shorten_the_first() {
    let world = tenants().await;
    let token = world.conversing("a", "U1").await;
    revoke_token(&world, &token, "2099-01-01T00:00:00Z").await;
    revoke_token(&world, &token, "2001-01-01T00:00:00Z").await;
    let kept = "select expires_at = '2099-01-01T00:00:00Z' from revoked_tokens";
    assert_eq!(world.value(kept).await, "t");
}

#[tokio::test]
async fn a_deleted_agents_token_is_refused_everywhere_and_its_placeholder_is_gone() {
    let world = tenants().await;
    let token = world.conversing("a", "U1").await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let colleague = world.token("a", "second-a", talk("a", "U1")).await;
    counts_everywhere(&world, &token).await;
    world.sql("delete from agents where id = 'agent-a'").await;
    refused_everywhere(&world, &token, 403, "agent_mismatch").await;
    for path in ["openai/a/agent-a/v1/x", "openai/v1/x"] {
        let request = through(path, &placeholder);
        let answer = world.call_proxy(request).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "unauthorized")
        );
    }
    counts_everywhere(&world, &colleague).await;
}

#[tokio::test]
async fn control_mints_no_token_for_longer_than_a_day() {
    let world = tenants().await;
    for ttl in [0_u64, 86_401, 604_800, 4_294_967_296] {
        let mint = json!({"command": "mint_worker_token", "organization_id": "a", "agent_id": "agent-a",
            "deployment_name": "d1", "ttl_seconds": ttl});
        let answer = world.command(mint).await;
        assert_eq!(
            answer["error"]["code"], "invalid_request",
            "{ttl}: {answer}"
        );
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("ttl_seconds"), "{ttl}: {message}");
    }
    let whole_day = merged(talk("a", "U1"), json!({"ttl_seconds": 86_400}));
    let token = world.token("a", "agent-a", whole_day).await;
    counts_everywhere(&world, &token).await;
}
