//! What is forwarded to the upstream, and what comes back.

use crate::world::{Answer, REAL_KEY, World, through, until};
use postern_stack::{HttpRequest, SecretsMode, StreamingInvocation};
use serde_json::json;
use std::time::{Duration, Instant};

async fn ready() -> (World, String) {
    ready_with(&[]).await
}

async fn ready_with(env: &[(&str, &str)]) -> (World, String) {
    let world = World::with_env(env).await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    (world, placeholder)
}

async fn get(world: &World, placeholder: &str, rest: &str) -> Answer {
    let path = format!("/api/proxy/openai/a/agent-a/{rest}");
    world
        .call_proxy(
            HttpRequest::get(&path).header("authorization", &format!("Bearer {placeholder}")),
        )
        .await
}

#[tokio::test]
async fn rest_query_method_and_body_arrive_byte_for_byte() {
    let (world, placeholder) = ready().await;
    let body: Vec<u8> = (0..=255).collect();
    let mut request = HttpRequest::new(
        "PATCH",
        "/stage/api/proxy/openai/a/agent-a/v1//a/../%2e%2e/%2Fx/",
    )
    .header("authorization", &format!("Bearer {placeholder}"))
    .header("content-type", "application/octet-stream")
    .header("x-many", "1")
    .header("cookie", "c=1")
    .header("x-forwarded-for", "192.0.2.9")
    .header("connection", "x-hop")
    .header("x-hop", "1")
    .body(body.clone());
    request.query = "a=%20&a=2&b&c=".into();
    world.call_proxy(request).await;
    let seen = &world.upstream.seen()[0];
    assert_eq!(
        (seen.method.as_str(), seen.path_and_query.as_str()),
        ("PATCH", "/v1//a/../%2e%2e/%2Fx/?a=%20&a=2&b&c=")
    );
    assert_eq!(seen.body.as_ref(), body);
    for gone in [
        "cookie",
        "x-forwarded-for",
        "x-hop",
        "connection",
        "x-postern-worker-token",
        "x-amzn-trace-id",
    ] {
        assert!(
            !seen.headers.contains_key(gone),
            "{gone}: {:?}",
            seen.headers
        );
    }
    assert_eq!(
        (
            &seen.headers["x-many"],
            &seen.headers["accept-encoding"],
            &seen.headers["content-length"]
        ),
        (
            &"1".parse().unwrap(),
            &"identity".parse().unwrap(),
            &"256".parse().unwrap()
        )
    );
    assert_eq!(
        seen.headers["host"].to_str().unwrap(),
        format!("127.0.0.1:{}", world.upstream.port())
    );
}

#[tokio::test]
async fn a_rest_apis_event_keeps_its_query_pairs() {
    let (world, placeholder) = ready().await;
    let mut request = HttpRequest::get("/api/proxy/openai/a/agent-a/v1/models")
        .header("authorization", &format!("Bearer {placeholder}"));
    request.query = "a=1%26&a=2&b=%20".into();
    assert_eq!(world.call_proxy_event(request.v1()).await.status, 200);
    assert_eq!(
        world.upstream.seen()[0].path_and_query,
        "/v1/models?a=1%26&a=2&b=%20"
    );
}

#[tokio::test]
async fn each_providers_own_place_gets_the_credential() {
    let (world, _) = ready().await;
    for (id, provider, auth_type) in [("1", "anthropic", "api_key"), ("2", "query", "api_key")] {
        world.ok(json!({"command": "put_profile", "organization_id": "a", "id": id, "provider_id": provider, "auth_type": auth_type, "secret_ref": "postern/org/a/keys/openai"})).await;
    }
    let caller = world.minted("a", "agent-a", json!({})).await;
    world
        .call_proxy(
            HttpRequest::get("/api/proxy/anthropic/a/agent-a/v1/models")
                .header("x-api-key", &caller),
        )
        .await;
    let mut query = HttpRequest::get("/api/proxy/query/a/agent-a/v1/models");
    query.query = format!("a=1&key={caller}");
    world.call_proxy(query).await;
    world.ok(json!({"command": "put_profile", "organization_id": "a", "id": "1", "provider_id": "anthropic", "auth_type": "oauth", "secret_ref": "postern/org/a/keys/openai"})).await;
    world
        .call_proxy(
            HttpRequest::get("/api/proxy/anthropic/a/agent-a/v1/models")
                .header("x-api-key", &caller),
        )
        .await;
    let seen = world.upstream.seen();
    assert_eq!(seen[0].headers["x-api-key"], REAL_KEY);
    assert!(!seen[0].headers.contains_key("authorization"));
    assert!(
        seen[1]
            .path_and_query
            .starts_with("/v1/models?a=1&key=sk%2D"),
        "{}",
        seen[1].path_and_query
    );
    assert_eq!(
        seen[2].headers["authorization"],
        format!("Bearer {REAL_KEY}")
    );
    assert!(!seen[2].headers.contains_key("x-api-key"));
}

#[tokio::test]
async fn a_provider_with_a_header_of_its_own_takes_the_placeholder_from_it() {
    let (world, _) = ready().await;
    world.ok(json!({"command": "put_profile", "organization_id": "a", "id": "g", "provider_id": "gitlab", "auth_type": "api_key", "secret_ref": "postern/org/a/keys/openai"})).await;
    let caller = world.minted("a", "agent-a", json!({})).await;
    let through = |slug: &str| {
        let path = format!("/api/proxy/{slug}/a/agent-a/api/v4/user");
        HttpRequest::get(&path).header("private-token", &caller)
    };
    let answer = world.call_proxy(through("gitlab")).await;
    assert!(
        !answer.headers.contains_key("x-postern-error"),
        "{answer:?}"
    );
    assert_eq!(world.upstream.seen()[0].headers["private-token"], REAL_KEY);
    let misplaced = world.call_proxy(through("openai")).await;
    assert_eq!(misplaced.code(), "placeholder_misplaced");
}

#[tokio::test]
async fn a_stream_arrives_piece_by_piece() {
    let (world, placeholder) = ready().await;
    world.upstream.hold_streams(true);
    let request = HttpRequest::post_json(
        "/api/proxy/openai/a/agent-a/v1/chat/completions",
        &json!({"model": "m", "messages": [], "stream": true}),
    )
    .header("authorization", &format!("Bearer {placeholder}"));
    let StreamingInvocation::Response { prelude, mut body } = world
        .proxy()
        .await
        .invoke_streaming(request.v2())
        .await
        .unwrap()
    else {
        panic!("the function failed");
    };
    assert!(
        prelude["headers"]["content-type"]
            .as_str()
            .unwrap()
            .starts_with("text/event-stream")
    );
    // The first piece arrives before the provider has sent the second.
    let first = body.next().await.unwrap().unwrap();
    let (mut pieces, mut text) = (1, String::from_utf8(first.to_vec()).unwrap());
    world.upstream.hold_streams(false);
    while let Some(piece) = body.next().await {
        pieces += 1;
        text += std::str::from_utf8(&piece.unwrap()).unwrap();
    }
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(pieces > 2, "{pieces} pieces");
}

#[tokio::test]
async fn the_secret_never_comes_back() {
    let (world, placeholder) = ready().await;
    for rest in ["v1/echo", "v1/split-echo"] {
        let answer = get(&world, &placeholder, rest).await;
        let all = format!("{:?} {}", answer.headers, answer.text());
        assert!(
            !all.contains(REAL_KEY) && all.contains("[redacted]"),
            "{rest}: {all}"
        );
    }
}

#[tokio::test]
async fn the_upstreams_own_errors_redirects_and_bytes_are_passed_back() {
    let (world, placeholder) = ready().await;
    let limited = get(&world, &placeholder, "v1/status/429").await;
    assert_eq!(
        (
            limited.status,
            limited.headers["retry-after"].as_str(),
            limited.headers["x-request-id"].as_str()
        ),
        (429, "1", "up-1")
    );
    assert!(!limited.headers.contains_key("x-postern-error"));
    assert!(
        !get(&world, &placeholder, "v1/x-postern")
            .await
            .headers
            .contains_key("x-postern-error")
    );
    let redirect = get(&world, &placeholder, "v1/redirect").await;
    assert!(redirect.status == 302 && redirect.headers.contains_key("location"));
    assert!(
        !get(&world, &placeholder, "v1/cookie")
            .await
            .headers
            .contains_key("set-cookie")
    );
    let none = get(&world, &placeholder, "v1/no-content").await;
    assert_eq!((none.status, none.body.len()), (204, 0));
    let binary = get(&world, &placeholder, "v1/binary").await;
    assert_eq!((binary.status, binary.body.len()), (200, 1 << 20));
    assert_eq!(
        world.upstream.seen().len(),
        6,
        "nothing was followed or repeated"
    );
}

#[tokio::test]
async fn a_compressed_answer_keeps_its_encoding_and_its_bytes() {
    let (world, placeholder) = ready().await;
    let answer = get(&world, &placeholder, "v1/compressed").await;
    assert_eq!(answer.headers["content-encoding"], "gzip");
    assert_eq!(answer.body, postern_stack::upstream::binary(4096));
    let length = answer.headers.get("content-length");
    assert!(length.is_none_or(|length| length == "4096"), "{length:?}");
}

#[tokio::test]
async fn a_late_or_broken_upstream_is_an_error_and_not_a_clean_end() {
    let (world, placeholder) = ready_with(&[
        ("UPSTREAM_HEADER_TIMEOUT_MS", "2000"),
        ("UPSTREAM_IDLE_TIMEOUT_MS", "2000"),
    ])
    .await;
    let late = get(&world, &placeholder, "v1/slow-headers").await;
    assert_eq!(
        (late.status, late.code().as_str()),
        (504, "upstream_timeout")
    );
    for rest in ["v1/slow-body", "v1/die"] {
        let broken = get(&world, &placeholder, rest).await;
        assert!(broken.status == 200 && broken.broken, "{rest}: {broken:?}");
    }
    // The environment still serves.
    assert_eq!(get(&world, &placeholder, "v1/models").await.status, 200);
}

#[tokio::test]
async fn a_whole_answer_has_a_bound_where_the_operator_sets_one() {
    let (world, placeholder) = ready_with(&[("UPSTREAM_TOTAL_TIMEOUT_MS", "2000")]).await;
    let late = get(&world, &placeholder, "v1/slow-headers").await;
    assert_eq!(
        (late.status, late.code().as_str()),
        (504, "upstream_timeout")
    );
    let slow = get(&world, &placeholder, "v1/slow-body").await;
    assert!(slow.status == 200 && slow.broken, "{slow:?}");
    let lines = world.proxy().await.lines_so_far().await.join("\n");
    assert!(lines.contains("\"ended\":\"out_of_time\""), "{lines}");
    assert_eq!(get(&world, &placeholder, "v1/models").await.status, 200);
}

#[tokio::test]
async fn a_rotated_secret_is_read_again_and_the_request_is_sent_once_more() {
    let (world, placeholder) = ready().await;
    assert_eq!(get(&world, &placeholder, "v1/models").await.status, 200);
    world
        .secrets
        .put("postern/org/a/keys/openai", "sk-rotated-0123456789");
    world
        .upstream
        .set_expected_key(Some("sk-rotated-0123456789".into()));
    assert_eq!(get(&world, &placeholder, "v1/models").await.status, 200);
    assert_eq!(world.upstream.seen().len(), 3);
    world.upstream.set_expected_key(Some("sk-another".into()));
    assert_eq!(get(&world, &placeholder, "v1/models").await.status, 401);
    assert_eq!(
        world.upstream.seen().len(),
        4,
        "an unchanged secret is not sent again"
    );
}

#[tokio::test]
async fn a_burst_of_cold_requests_for_one_secret_makes_one_call() {
    let (world, placeholder) = ready_with(&[("AWS_LAMBDA_MAX_CONCURRENCY", "8")]).await;
    let path = "openai/a/agent-a/v1/chat/completions";
    let burst = (0..8).map(|_| world.call_proxy(through(path, &placeholder)));
    for answer in futures_util::future::join_all(burst).await {
        assert_eq!(answer.status, 200);
    }
    assert_eq!(world.secrets.calls("postern/org/a/keys/openai"), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_lets_the_upstream_go() {
    let (world, placeholder) = ready().await;
    let request = HttpRequest::get("/api/proxy/openai/a/agent-a/v1/slow-body")
        .header("authorization", &format!("Bearer {placeholder}"));
    let StreamingInvocation::Response { mut body, .. } = world
        .proxy()
        .await
        .invoke_streaming(request.v2())
        .await
        .unwrap()
    else {
        panic!("the function failed");
    };
    assert!(body.next().await.unwrap().is_ok());
    assert_eq!(world.upstream.active_streams(), 1);
    drop(body);
    until("the upstream is let go", async || {
        world.upstream.active_streams() == 0
    })
    .await;
}

#[tokio::test]
async fn a_secret_past_its_time_is_read_again_also_by_a_role_that_may_not_describe_it() {
    let (world, placeholder) = ready_with(&[("SECRETS_CACHE_TTL_MS", "1")]).await;
    assert_eq!(get(&world, &placeholder, "v1/models").await.status, 200);
    world.secrets.set_mode(SecretsMode::WithoutDescribe);
    world
        .secrets
        .put("postern/org/a/keys/openai", "sk-rotated-0123456789");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(get(&world, &placeholder, "v1/models").await.status, 200);
    let seen = world.upstream.seen();
    assert_eq!(
        seen[1].headers["authorization"],
        "Bearer sk-rotated-0123456789"
    );
}

#[tokio::test]
async fn a_burst_is_503_within_the_timeout_of_one_read() {
    let (world, placeholder) = ready_with(&[("AWS_LAMBDA_MAX_CONCURRENCY", "6")]).await;
    let path = "openai/a/agent-a/v1/chat/completions";
    assert_eq!(
        world
            .call_proxy(through("openai/nothing", "junk"))
            .await
            .status,
        401
    );
    world.secrets.put("postern/org/a/keys/slow", "never read");
    world
        .sql("update placeholders set secret_ref = 'postern/org/a/keys/slow'")
        .await;
    // The database's own secret is read before Secrets Manager turns slow.
    assert_eq!(
        world
            .call_proxy(through(
                "openai/v1/x",
                &format!("postern_secret_{}", uuid::Uuid::new_v4())
            ))
            .await
            .status,
        401
    );
    world
        .secrets
        .set_mode(SecretsMode::Slow(Duration::from_secs(30)));
    let started = Instant::now();
    let burst = (0..6).map(|_| world.call_proxy(through(path, &placeholder)));
    for answer in futures_util::future::join_all(burst).await {
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "secret_unavailable")
        );
    }
    assert!(
        started.elapsed() < Duration::from_secs(12),
        "{:?}",
        started.elapsed()
    );
}
