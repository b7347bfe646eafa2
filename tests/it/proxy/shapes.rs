//! The shapes in which credentials are sent, and the places in which placeholders are taken.

use crate::world::{Answer, World, merged};
use base64::{Engine, engine::general_purpose::STANDARD};
use postern_stack::{HttpRequest, Seen};
use serde_json::{Value, json};

const KEY: &str = "real-key/of a:0123456789";

/// A world whose organization `a` has a secret for each of these providers, and a placeholder of its agent.
async fn world(providers: &[(&str, Value, &str)]) -> (World, String) {
    let world = World::new().await;
    world.tenants().await;
    let upstream = world.upstream.url();
    let mut all = vec![
        json!({"slug": "judge", "base_url": world.judge.url(), "auth": {"header": "authorization"}}),
    ];
    for (slug, provider, secret) in providers {
        let base = json!({"slug": slug, "base_url": format!("{upstream}/base")});
        all.push(merged(base, provider.clone()));
        let name = format!("postern/org/a/keys/{slug}");
        world.secrets.put(&name, *secret);
        world
            .ok(json!({"command": "put_profile", "organization_id": "a", "id": slug, "provider_id": slug,
                "auth_type": "api_key", "secret_ref": name}))
            .await;
    }
    let placeholder = world.minted("a", "agent-a", json!({})).await;
    let own = json!(all).to_string();
    (world.restarted_with(&[("PROVIDERS", &own)]), placeholder)
}

fn get(path: &str) -> HttpRequest {
    HttpRequest::get(&format!("/api/proxy/{path}"))
}

/// The one request that arrived.
fn arrived(world: &World) -> Seen {
    let seen = world.upstream.seen();
    world.upstream.clear();
    let [one] = <[Seen; 1]>::try_from(seen).unwrap();
    let shown = format!("{one:?}");
    assert!(!shown.contains("postern_secret_"), "{shown}");
    one
}

fn header(seen: &Seen, name: &str) -> Option<String> {
    let value = seen.headers.get(name)?;
    Some(value.to_str().unwrap().to_owned())
}

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

#[tokio::test]
async fn a_credential_is_sent_in_its_providers_shape_wherever_the_placeholder_stood() {
    let auth = |auth: Value| json!({"auth": auth});
    let (world, placeholder) = world(&[
        ("bare", auth(json!({"header": "authorization"})), KEY),
        ("own", auth(json!({"header": "private-token"})), KEY),
        (
            "token",
            auth(json!({"header": "authorization", "scheme": "Token token="})),
            KEY,
        ),
        (
            "password",
            auth(json!({"basic": "password", "username": "x-access-token"})),
            KEY,
        ),
        ("clients", auth(json!({"basic": "password"})), KEY),
        ("username", auth(json!({"basic": "username"})), KEY),
        (
            "several",
            auth(
                json!({"headers": [{"header": "dd-api-key", "json_key": "api"},
            {"header": "dd-application-key", "json_key": "app"}]}),
            ),
            r#"{"api": "one", "app": "two"}"#,
        ),
    ])
    .await;
    let presented = [
        ("authorization", format!("Bearer {placeholder}")),
        ("authorization", format!("token {placeholder}")),
        ("authorization", placeholder.clone()),
        (
            "authorization",
            basic(&format!("me@example.com:{placeholder}")),
        ),
        ("authorization", basic(&format!("{placeholder}:x"))),
        ("api-key", placeholder.clone()),
        ("x-api-key", format!("sk-{placeholder}")),
    ];
    for (name, value) in &presented {
        let clients = match value.strip_prefix("Basic ") {
            Some(_) if value == &basic(&format!("me@example.com:{placeholder}")) => {
                "me@example.com"
            }
            _ => "",
        };
        for (slug, sent) in [
            ("bare", vec![("authorization", KEY.to_owned())]),
            ("own", vec![("private-token", KEY.to_owned())]),
            (
                "token",
                vec![("authorization", format!("Token token={KEY}"))],
            ),
            (
                "password",
                vec![("authorization", basic(&format!("x-access-token:{KEY}")))],
            ),
            (
                "clients",
                vec![("authorization", basic(&format!("{clients}:{KEY}")))],
            ),
            (
                "username",
                vec![("authorization", basic(&format!("{KEY}:")))],
            ),
            (
                "several",
                vec![
                    ("dd-api-key", "one".to_owned()),
                    ("dd-application-key", "two".to_owned()),
                ],
            ),
        ] {
            let answer = world
                .call_proxy(get(&format!("{slug}/echo")).header(name, value))
                .await;
            assert_ne!(answer.status, 400, "{slug} {name}: {}", answer.text());
            let seen = arrived(&world);
            for (name, value) in &sent {
                assert_eq!(header(&seen, name).as_ref(), Some(value), "{slug}");
            }
            let keys = [
                "authorization",
                "private-token",
                "api-key",
                "x-api-key",
                "dd-api-key",
                "dd-application-key",
            ];
            let held = keys.iter().filter(|name| seen.headers.contains_key(**name));
            assert_eq!(
                held.count(),
                sent.len(),
                "{slug}: nothing of the client's own leaves"
            );
        }
    }
}

#[tokio::test]
async fn a_key_in_the_path_is_swapped_where_it_stands() {
    let provider = json!({"auth": {"path": "bot{secret}"}});
    let (world, placeholder) = world(&[("telegram", provider, "123:real_key")]).await;
    let path = format!("telegram/a/agent-a/bot{placeholder}/echo");
    let answer = world.call_proxy(get(&path)).await;
    assert_eq!(arrived(&world).path_and_query, "/base/bot123:real_key/echo");
    assert!(!answer.text().contains("real_key"), "{}", answer.text());
    let bearer = format!("Bearer {placeholder}");
    let elsewhere = get("telegram/a/agent-a/getMe").header("authorization", &bearer);
    refused(
        &world,
        elsewhere,
        401,
        "missing_credentials",
        "bot<placeholder>",
    )
    .await;
    let twice = get(&format!("telegram/bot{placeholder}/x/{placeholder}"));
    refused(&world, twice, 400, "placeholder_misplaced", "the path").await;
}

#[tokio::test]
async fn a_form_field_is_taken_out_of_what_is_sent() {
    let provider =
        json!({"auth": {"header": "authorization", "scheme": "Bearer"}, "form": "token"});
    let (world, placeholder) = world(&[("slack", provider, KEY)]).await;
    let form = |body: String| {
        HttpRequest::new("POST", "/api/proxy/slack/chat.postMessage")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.into_bytes())
    };
    world
        .call_proxy(form(format!(
            "channel=C1&token={placeholder}&text=hello+%26"
        )))
        .await;
    let seen = arrived(&world);
    assert_eq!(seen.body, "channel=C1&text=hello+%26".as_bytes());
    assert_eq!(
        header(&seen, "authorization"),
        Some(format!("Bearer {KEY}"))
    );
    refused(
        &world,
        form("token=xoxb-own&a=1".into()),
        401,
        "missing_credentials",
        "",
    )
    .await;
}

#[tokio::test]
async fn constants_are_added_and_appended() {
    let provider = json!({"auth": {"header": "x-api-key"}, "constants": {"x-version": "1", "anthropic-beta": "oauth"}});
    let (world, placeholder) = world(&[("p", provider, KEY)]).await;
    let request = get("p/echo")
        .header("x-api-key", &placeholder)
        .header("anthropic-beta", "files");
    world.call_proxy(request).await;
    let seen = arrived(&world);
    assert_eq!(header(&seen, "x-version").as_deref(), Some("1"));
    assert_eq!(
        header(&seen, "anthropic-beta").as_deref(),
        Some("files, oauth")
    );
}

#[tokio::test]
async fn which_answers_say_that_a_key_is_bad_is_the_providers_own_data() {
    let auth = json!({"header": "authorization"});
    let (world, placeholder) = world(&[
        ("p", json!({"auth": auth, "bad_key": [404]}), "sk-old"),
        ("q", json!({"auth": auth}), "sk-old"),
    ])
    .await;
    for (slug, sent) in [("p", vec!["sk-old", "sk-new"]), ("q", vec!["sk-old"])] {
        let call = async |rest: &str| {
            let request = get(&format!("{slug}/{rest}")).header("authorization", &placeholder);
            world.call_proxy(request).await.status
        };
        assert_eq!(call("echo").await, 200);
        world
            .secrets
            .put(&format!("postern/org/a/keys/{slug}"), "sk-new");
        world.upstream.clear();
        assert_eq!(call("status/404").await, 404);
        let seen = world.upstream.seen();
        let keys: Vec<_> = seen
            .iter()
            .map(|seen| header(seen, "authorization").unwrap())
            .collect();
        assert_eq!(keys, sent, "{slug}");
    }
}

async fn refused(
    world: &World,
    request: HttpRequest,
    status: u64,
    code: &str,
    said: &str,
) -> Answer {
    let answer = world.call_proxy(request).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (status, code),
        "{}",
        answer.text()
    );
    assert!(answer.text().contains(said), "{}", answer.text());
    assert!(world.upstream.seen().is_empty(), "nothing is sent");
    answer
}

#[tokio::test]
async fn a_secret_without_the_form_that_its_shape_needs_is_unavailable_and_nothing_is_sent() {
    let several = json!({"auth": {"headers": [{"header": "x-a", "json_key": "a"}]}});
    let (world, placeholder) = world(&[
        ("plain", several.clone(), "plain"),
        ("lacks", several, r#"{"b": "1"}"#),
        (
            "aws",
            json!({"auth": {"aws_sigv4": {"service": "s", "region": "r"}}}),
            r#"{"access_key_id": "AK"}"#,
        ),
    ])
    .await;
    for slug in ["plain", "lacks", "aws"] {
        let request = get(&format!("{slug}/echo")).header("x-api-key", &placeholder);
        refused(&world, request, 503, "secret_unavailable", "").await;
    }
}

#[tokio::test]
async fn a_401_comes_with_the_challenge_that_the_providers_clients_wait_for() {
    let (world, _) = world(&[
        (
            "git",
            json!({"auth": {"basic": "password", "username": "x"}}),
            KEY,
        ),
        ("api", json!({"auth": {"header": "x-api-key"}}), KEY),
    ])
    .await;
    for (slug, challenge) in [
        ("git", r#"Basic realm="postern""#),
        ("api", r#"Bearer realm="postern""#),
        (
            "nobodys",
            r#"Basic realm="postern", Bearer realm="postern""#,
        ),
    ] {
        for request in [
            get(&format!("{slug}/x")),
            get(&format!("{slug}/x")).header("authorization", "Bearer sk-own"),
            get(&format!("{slug}/x")).header("authorization", &basic("me:secret")),
        ] {
            let answer = refused(&world, request, 401, "missing_credentials", "").await;
            assert_eq!(
                answer.headers.get("www-authenticate").map(String::as_str),
                Some(challenge),
                "{slug}"
            );
        }
    }
}

#[tokio::test]
async fn a_websocket_is_told_to_use_http() {
    let (world, placeholder) = world(&[("p", json!({"auth": {"header": "x-api-key"}}), KEY)]).await;
    let request = get("p/x")
        .header("upgrade", "websocket")
        .header("connection", "upgrade")
        .header("x-api-key", &placeholder);
    let answer = refused(&world, request, 426, "upgrade_unsupported", "").await;
    assert_eq!(
        answer.headers.get("upgrade").map(String::as_str),
        Some("HTTP/1.1")
    );
}

#[tokio::test]
async fn an_invalid_worker_token_is_told_before_the_method_and_the_upgrade() {
    let provider = json!({"auth": {"header": "x-api-key"}});
    let (world, placeholder) = world(&[("p", provider, KEY)]).await;
    let trace = || HttpRequest::new("TRACE", "/api/proxy/p/x").header("x-api-key", &placeholder);
    let upgrade = || {
        get("p/x")
            .header("upgrade", "websocket")
            .header("x-api-key", &placeholder)
    };
    for request in [trace(), upgrade()] {
        let forged = request.header("x-postern-worker-token", "a.b.c");
        refused(&world, forged, 401, "invalid_worker_token", "").await;
    }
    refused(&world, trace(), 405, "method_not_allowed", "").await;
    refused(&world, upgrade(), 426, "upgrade_unsupported", "").await;
    let nowhere = HttpRequest::new("TRACE", "/nowhere");
    refused(&world, nowhere, 404, "not_found", "").await;
}
