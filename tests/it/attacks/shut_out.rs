//! Attempts to shut others out: by taking their ids, by failing in their name or from their address, and
//! by asking without credentials.

use crate::world::checks::{refused, spends};
use crate::world::{Answer, REAL_KEY, World, question, through};
use postern_stack::HttpRequest;
use serde_json::json;

const KEY_OF_B: &str = "sk-of-b";
const VICTIM: &str = "openai/a/agent-a/v1/chat/completions";

fn invented() -> String {
    format!("postern_secret_{}", uuid::Uuid::new_v4())
}

fn from(address: &str, request: HttpRequest) -> HttpRequest {
    HttpRequest {
        source_ip: address.into(),
        ..request
    }
}

/// A world in which both organizations have a key.
async fn tenants() -> World {
    let world = World::new().await;
    world.tenants().await;
    world.secrets.put("postern/org/b/keys/openai", KEY_OF_B);
    world
}

/// A stranger at this address fails twenty times in the name of agent-a.
async fn twenty_failures(world: &World, address: &str) {
    for _ in 0..20 {
        let request = from(address, through(VICTIM, &invented()));
        refused(world, request, 401, "unauthorized").await;
    }
}

async fn one_too_many(world: &World, request: HttpRequest) -> Answer {
    refused(world, request, 429, "too_many_failures").await
}

#[tokio::test]
async fn a_placeholder_spends_its_own_organizations_key_where_both_have_an_agent_of_that_id() {
    let world = tenants().await;
    let path = "openai/a/shared/v1/chat/completions";
    for (org, key) in [("a", REAL_KEY), ("b", KEY_OF_B)] {
        let placeholder = world.placeholder(org, "shared").await;
        spends(&world, through(path, &placeholder), key).await;
    }
}

#[tokio::test]
async fn an_agent_id_that_another_organization_takes_later_stays_reachable() {
    let world = tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    spends(&world, through(VICTIM, &placeholder), REAL_KEY).await;
    world
        .ok(json!({"command": "put_agent", "organization_id": "b", "agent_id": "agent-a"}))
        .await;
    spends(&world, through(VICTIM, &placeholder), REAL_KEY).await;
    // It is also reachable in an environment that did not know it before.
    let cold = world.environments("proxy", 1).await;
    let answer = World::call_on(&cold, through(VICTIM, &placeholder).v2()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_token_of_the_other_organization_with_an_agent_of_that_id_is_unauthorized() {
    let world = tenants().await;
    world
        .ok(json!({"command": "put_agent", "organization_id": "b", "agent_id": "agent-a"}))
        .await;
    for agent in ["shared", "agent-a"] {
        let placeholder = world.placeholder("a", agent).await;
        let token = world.token("b", agent, json!({})).await;
        for path in [
            format!("openai/a/{agent}/v1/chat/completions"),
            "openai/v1/chat/completions".to_owned(),
        ] {
            let request = through(&path, &placeholder).header("x-postern-worker-token", &token);
            refused(&world, request, 401, "unauthorized").await;
        }
    }
}

#[tokio::test]
async fn after_twenty_failures_an_address_gets_too_many_failures_instead_of_unauthorized() {
    let world = tenants().await;
    let address = "198.51.100.7";
    twenty_failures(&world, address).await;
    for _ in 0..5 {
        let answer = one_too_many(&world, from(address, through(VICTIM, &invented()))).await;
        let seconds: u64 = answer.headers["retry-after"].parse().unwrap();
        assert!((1..=301).contains(&seconds), "{seconds}");
    }
}

#[tokio::test]
async fn failures_of_an_address_count_together_whatever_agents_they_name() {
    let world = tenants().await;
    let address = "198.51.100.7";
    for n in 0..20 {
        let path = match n % 4 {
            0 => "openai/v1/models".to_owned(),
            1 => "openai/a/agent-b/v1/models".to_owned(),
            2 => format!("openai/a/{}/v1/models", uuid::Uuid::new_v4()),
            _ => format!("anthropic/a/agent-a/u/{n}/v1/messages"),
        };
        let request = from(address, through(&path, &invented()));
        refused(&world, request, 401, "unauthorized").await;
    }
    for path in [
        VICTIM,
        "openai/v1/models",
        "openai/a/never-named/v1/models",
        "gemini/a/shared/v1/models",
    ] {
        one_too_many(&world, from(address, through(path, &invented()))).await;
    }
}

#[tokio::test]
async fn a_live_placeholder_of_an_agent_in_whose_name_a_stranger_failed_is_spent() {
    let world = tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let (stranger, own) = ("198.51.100.7", "203.0.113.9");
    for _ in 0..25 {
        let failed = from(stranger, through(VICTIM, &invented()));
        let failed = world.call_proxy(failed).await;
        assert!(
            [401, 429].contains(&failed.status),
            "{} {}",
            failed.status,
            failed.text()
        );
    }
    spends(&world, from(own, through(VICTIM, &placeholder)), REAL_KEY).await;
}

#[tokio::test]
async fn a_live_placeholder_from_an_address_that_failed_is_spent_whoever_owns_it() {
    let world = tenants().await;
    let address = "198.51.100.7";
    let of_a = world.placeholder("a", "agent-a").await;
    let of_b = world.placeholder("b", "agent-b").await;
    let token = world.token("a", "agent-a", json!({})).await;
    twenty_failures(&world, address).await;
    let again = async || {
        let failed = from(address, through(VICTIM, &invented()));
        one_too_many(&world, failed).await;
    };
    again().await;
    spends(&world, from(address, through(VICTIM, &of_a)), REAL_KEY).await;
    spends(
        &world,
        from(
            address,
            through(VICTIM, &of_a).header("x-postern-worker-token", &token),
        ),
        REAL_KEY,
    )
    .await;
    spends(
        &world,
        from(
            address,
            through("openai/a/agent-b/v1/chat/completions", &of_b),
        ),
        KEY_OF_B,
    )
    .await;
    // A success does not clear the count.
    again().await;
}

#[tokio::test]
async fn another_address_does_not_learn_of_the_failures_of_the_first() {
    let world = tenants().await;
    twenty_failures(&world, "198.51.100.7").await;
    for address in ["198.51.100.8", "2001:db8::7"] {
        let request = from(address, through(VICTIM, &invented()));
        refused(&world, request, 401, "unauthorized").await;
    }
}

#[tokio::test]
async fn no_header_of_the_clients_changes_whose_failures_count() {
    let world = tenants().await;
    let address = "198.51.100.7";
    let claims = |request: HttpRequest, claimed: &str| {
        request
            .header("x-forwarded-for", claimed)
            .header("forwarded", &format!("for={claimed}"))
            .header("x-real-ip", claimed)
            .header("true-client-ip", claimed)
    };
    for n in 0..20 {
        let request = from(address, through(VICTIM, &invented()));
        let request = claims(request, &format!("203.0.113.{n}"));
        refused(&world, request, 401, "unauthorized").await;
    }
    let request = from(address, through(VICTIM, &invented()));
    one_too_many(&world, claims(request, "203.0.113.99")).await;
    let elsewhere = from("198.51.100.8", through(VICTIM, &invented()));
    refused(&world, claims(elsewhere, address), 401, "unauthorized").await;
}

#[tokio::test]
async fn a_rest_apis_event_names_the_same_address() {
    let world = tenants().await;
    let address = "198.51.100.7";
    twenty_failures(&world, address).await;
    let answer = |address: &str| {
        let request = from(address, through(VICTIM, &invented()));
        world.call_proxy_event(request.v1())
    };
    assert_eq!(answer(address).await.code(), "too_many_failures");
    assert_eq!(answer("198.51.100.8").await.code(), "unauthorized");
}

#[tokio::test]
async fn without_a_credential_the_proxy_refuses_and_never_asks_the_database() {
    let world = World::new().await;
    world.database_down();
    for path in ["openai/a/agent-a/v1/models", "openai/v1/models"] {
        let get = || HttpRequest::get(&format!("/api/proxy/{path}"));
        for request in [
            get(),
            get().header("authorization", "Bearer sk-a-key-of-somebody"),
            get().header("authorization", "Basic dXNlcjpwYXNz"),
            get().header("x-api-key", "sk-a-key-of-somebody"),
        ] {
            refused(&world, request, 401, "missing_credentials").await;
        }
    }
    assert_eq!(world.secrets.calls("postern/database"), 0);
    // With a credential it asks the database.
    let asked = through(VICTIM, &invented());
    refused(&world, asked, 503, "agent_org_unresolved").await;
    assert!(world.secrets.calls("postern/database") > 0);
}

#[tokio::test]
async fn without_a_worker_token_webhooks_refuses_and_asks_no_database_for_it() {
    let world = World::new().await;
    world.database_down();
    let mut grants = HttpRequest::get("/v1/grants");
    grants.query = "pattern=host:example.com".into();
    for route in [
        HttpRequest::post_json("/v1/interactions", &question("q-1")),
        HttpRequest::get("/v1/interactions/q-1"),
        HttpRequest::new("DELETE", "/v1/interactions/q-1"),
        grants,
    ] {
        for request in [
            route.clone(),
            route
                .clone()
                .header("authorization", &format!("Bearer {}", invented())),
            route.clone().header("x-postern-worker-token", "junk"),
        ] {
            let shown = format!("{} {} {:?}", request.method, request.path, request.headers);
            let answer = world.call_webhooks(request).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, "invalid_worker_token"),
                "{shown}"
            );
        }
    }
    // The environment itself connects once, when it starts.
    assert!(world.secrets.calls("postern/database") <= 1);
}

#[tokio::test]
async fn two_placeholders_with_secrets_of_their_own_are_refused() {
    let world = tenants().await;
    world
        .secrets
        .put("postern/org/a/keys/second", "sk-second-of-a");
    let first = world.placeholder("a", "agent-a").await;
    let own = json!({"secret_ref": "postern/org/a/keys/second", "allowed_hosts": ["127.0.0.1"]});
    let second = world.minted("a", "agent-a", own).await;
    for (bearer, beside) in [(&first, &second), (&second, &first)] {
        for path in [VICTIM, "openai/v1/chat/completions"] {
            let request = through(path, bearer).header("x-api-key", beside);
            refused(&world, request, 400, "unexpected_credential").await;
        }
    }
    assert_eq!(world.secrets.calls("postern/org/a/keys/second"), 0);
}

#[tokio::test]
async fn two_placeholders_of_which_one_has_a_secret_spend_that_one() {
    let world = tenants().await;
    let own = world.placeholder("a", "agent-a").await;
    let caller = world.minted("a", "agent-a", json!({})).await;
    for (bearer, beside) in [(&own, &caller), (&caller, &own)] {
        let request = through(VICTIM, bearer).header("x-api-key", beside);
        spends(&world, request, REAL_KEY).await;
    }
}
