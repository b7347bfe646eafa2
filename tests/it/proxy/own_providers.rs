//! Tenants' own providers: seen by their organization alone, and spent from with its credentials alone.

use crate::world::{Answer, World, merged};
use postern_stack::HttpRequest;
use serde_json::{Value, json};

/// The tenants, with a key `sk-{org}` each for the provider id `jira`.
async fn world() -> World {
    let world = World::new().await;
    world.tenants().await;
    for org in ["a", "b"] {
        let name = format!("postern/org/{org}/keys/jira");
        world.secrets.put(&name, format!("sk-of-{org}"));
        world
            .ok(json!({"command": "put_profile", "organization_id": org, "id": "jira", "provider_id": "jira",
                "auth_type": "api_key", "secret_ref": name}))
            .await;
    }
    world
}

fn put(world: &World, org: &str, slug: &str, extra: Value) -> Value {
    let own = json!({"command": "put_provider", "organization_id": org, "slug": slug, "provider_id": "jira",
        "base_url": format!("{}/of-{org}", world.upstream.url()), "auth": {"header": "private-token"}});
    merged(own, extra)
}

fn get(path: &str) -> HttpRequest {
    HttpRequest::get(&format!("/api/proxy/{path}"))
}

async fn call(world: &World, org: &str, slug: &str) -> Answer {
    let placeholder = world.minted(org, "shared", json!({})).await;
    let request = get(&format!("{slug}/a/shared/echo")).header("private-token", &placeholder);
    world.call_proxy(request).await
}

fn status(answer: &Answer) -> (u64, String) {
    (answer.status, answer.code())
}

#[tokio::test]
async fn a_slug_is_each_organizations_own() {
    let world = world().await;
    world.ok(put(&world, "a", "own", json!({}))).await;
    assert_eq!(
        status(&call(&world, "b", "own").await),
        (404, "unknown_provider".into())
    );
    assert!(world.upstream.seen().is_empty());
    world.ok(put(&world, "b", "own", json!({}))).await;
    for org in ["a", "b"] {
        let answer = call(&world, org, "own").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = world.upstream.seen().pop().unwrap();
        assert_eq!(seen.path_and_query, format!("/of-{org}/echo"));
        assert_eq!(seen.headers["private-token"], format!("sk-of-{org}"));
    }
    // A worker token alone is enough, where a profile has the key.
    let token = world.token("b", "shared", json!({})).await;
    let request = get("own/echo").header("x-postern-worker-token", &token);
    assert_eq!(world.call_proxy(request).await.status, 200);
    assert_eq!(
        world.upstream.seen().pop().unwrap().path_and_query,
        "/of-b/echo"
    );
}

#[tokio::test]
async fn who_may_not_ask_does_not_learn_what_an_organization_has() {
    let world = world().await;
    world.ok(put(&world, "a", "own", json!({}))).await;
    let foreign = world.minted("b", "shared", json!({})).await;
    let unknown = "postern_secret_1b4e28ba-2fa1-41d2-883f-0016d3cca427";
    let mine = world.minted("a", "shared", json!({})).await;
    for (path, headers, expected) in [
        (
            "own/a/shared/x",
            vec![("x-api-key", unknown)],
            (401, "unauthorized"),
        ),
        (
            "none/a/shared/x",
            vec![("x-api-key", unknown)],
            (401, "unauthorized"),
        ),
        (
            "own/a/shared/x",
            vec![("x-api-key", &*mine), ("authorization", &*foreign)],
            (401, "unauthorized"),
        ),
        ("own/a/shared/x", vec![], (401, "missing_credentials")),
        (
            "none/a/shared/x",
            vec![("x-api-key", &*mine)],
            (404, "unknown_provider"),
        ),
        // Where a placeholder may stand is judged when the provider is known.
        (
            "own/a/shared/x",
            vec![("x-other", &*mine)],
            (400, "placeholder_misplaced"),
        ),
    ] {
        let request = headers.iter().fold(get(path), |request, (name, value)| {
            request.header(name, value)
        });
        let answer = world.call_proxy(request).await;
        assert_eq!(
            status(&answer),
            (expected.0, expected.1.to_owned()),
            "{path} {headers:?}"
        );
    }
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn an_operators_slug_is_never_shadowed() {
    let world = world().await;
    let refused = world.command(put(&world, "a", "openai", json!({}))).await;
    assert_eq!(refused["error"]["code"], "scope_conflict");
    // Also where a row of that slug exists, since the operator added the provider later.
    let base = world.upstream.url();
    world
        .sql(&format!(
            "insert into providers (organization_id, slug, provider_id, base_url, auth)
             values ('a', 'openai', 'openai', '{base}/tenants', '{{\"header\": \"x-api-key\"}}')"
        ))
        .await;
    let placeholder = world.placeholder("a", "shared").await;
    let request =
        get("openai/a/shared/echo").header("authorization", &format!("Bearer {placeholder}"));
    assert_eq!(world.call_proxy(request).await.status, 200);
    assert_eq!(world.upstream.seen().pop().unwrap().path_and_query, "/echo");
}

#[tokio::test]
async fn a_system_key_is_never_sent_to_a_tenants_provider() {
    let world = World::new().await;
    world.tenants().await;
    world.secrets.put("postern/system/openai", "sk-system");
    world
        .ok(json!({"command": "put_organization", "id": "a", "system_providers": ["openai", "own"]}))
        .await;
    world.secrets.put("postern/system/own", "sk-system");
    for (slug, id) in [("own", "openai"), ("other", "own")] {
        world
            .ok(put(&world, "a", slug, json!({"provider_id": id})))
            .await;
        assert_eq!(
            status(&call(&world, "a", slug).await),
            (401, "no_credentials".into())
        );
    }
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn a_bad_provider_is_refused_with_the_field_that_is_wrong() {
    let world = world().await;
    for (extra, field) in [
        (json!({"base_url": "http://public.example"}), "`base_url`"),
        (
            json!({"base_url": "https://user:pass@public.example"}),
            "`base_url`",
        ),
        (
            json!({"base_url": "https://public.example/?x=1"}),
            "`base_url`",
        ),
        (
            json!({"base_url": "https://public.example/#x"}),
            "`base_url`",
        ),
        (json!({"base_url": "https://169.254.169.254"}), "`base_url`"),
        (
            json!({"base_url": "https://[::ffff:10.0.0.1]"}),
            "`base_url`",
        ),
        (json!({"base_url": "https://api.github.com"}), "`base_url`"),
        (json!({"auth": {"header": "connection"}}), "`auth`"),
        (
            json!({"auth": {"header": "x-postern-worker-token"}}),
            "`auth`",
        ),
        (json!({"auth": {"header": "x", "query": "y"}}), "`auth`"),
        (json!({"auth": {}}), "`auth`"),
        (json!({"auth": null}), "`auth`"),
        (json!({"auth": null, "template": "nobodys"}), "`template`"),
        (json!({"constants": {"host": "x"}}), "`constants`"),
        (
            json!({"constants": {"x-http-method-override": "DELETE"}}),
            "`constants`",
        ),
        (json!({"oauth_auth": {}}), "`oauth_auth`"),
        (json!({"chat_path": "x"}), "`chat_path`"),
        (json!({"form": "a b"}), "`form`"),
        (
            json!({"base_url": "https://public.example:99999"}),
            "`base_url`",
        ),
        (json!({"bad_key": [200]}), "`bad_key`"),
        (json!({"slug": "a/b"}), "`slug`"),
        (json!({"slug": "health"}), "`slug`"),
        (json!({"typo": 1}), "typo"),
    ] {
        let refused = world.command(put(&world, "a", "own", extra.clone())).await;
        assert_eq!(
            refused["error"]["code"], "invalid_request",
            "{extra}: {refused}"
        );
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains(field), "{extra}: {message}");
    }
    let nobodys = world.command(put(&world, "nobody", "own", json!({}))).await;
    assert_eq!(nobodys["error"]["code"], "unknown_organization");
}

#[tokio::test]
async fn an_organization_has_at_most_200_providers() {
    let world = world().await;
    world
        .sql(
            "insert into providers (organization_id, slug, provider_id, base_url, auth)
             select org, 'p-' || n, 'x', 'https://public.example', '{\"query\": \"key\"}'
             from generate_series(1, 199) n, unnest(array['a', 'b']) org",
        )
        .await;
    world.ok(put(&world, "a", "last", json!({}))).await;
    let refused = world.command(put(&world, "a", "over", json!({}))).await;
    assert_eq!(refused["error"]["code"], "invalid_request", "{refused}");
    // One that exists can still be replaced, and the other organization has room.
    world
        .ok(put(&world, "a", "last", json!({"auth": {"query": "key"}})))
        .await;
    world.ok(put(&world, "b", "last", json!({}))).await;
}

#[tokio::test]
async fn a_row_that_control_would_not_write_sends_nothing() {
    let world = world().await;
    let port = world.upstream.port();
    for (n, (base_url, auth)) in [
        ("https://user@127.0.0.1", r#"{"header": "x-api-key"}"#),
        ("https://127.1", r#"{"header": "x-api-key"}"#),
        (
            &*format!("http://127.0.0.1:{port}/?x"),
            r#"{"header": "x-api-key"}"#,
        ),
        (&*format!("http://127.0.0.1:{port}"), r#"{"header": "te"}"#),
        (&*format!("http://127.0.0.1:{port}"), r#"{}"#),
        ("https://127.0.0.1:1", r#"{"header": "x-api-key"}"#),
        ("http://public.example", r#"{"header": "x-api-key"}"#),
    ]
    .into_iter()
    .enumerate()
    {
        world
            .sql(&format!(
                "insert into providers (organization_id, slug, provider_id, base_url, auth)
                 values ('a', 'bad-{n}', 'jira', '{base_url}', '{auth}')"
            ))
            .await;
        let placeholder = world.minted("a", "shared", json!({})).await;
        let request = get(&format!("bad-{n}/a/shared/x")).header("x-api-key", &placeholder);
        let answer = world.call_proxy(request).await;
        assert_eq!(
            status(&answer),
            (403, "upstream_forbidden".into()),
            "{base_url} {auth}"
        );
    }
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn policies_and_hosts_apply_as_to_any_provider() {
    let world = world().await;
    world.ok(put(&world, "a", "own", json!({}))).await;
    let call = async |secret: Value| {
        let placeholder = world.minted("a", "shared", secret).await;
        let request = get("own/a/shared/echo").header("private-token", &placeholder);
        let answer = world.call_proxy(request).await;
        if answer.status == 200 {
            (200, String::new())
        } else {
            status(&answer)
        }
    };
    let own =
        |hosts: Value| json!({"secret_ref": "postern/org/a/keys/jira", "allowed_hosts": hosts});
    assert_eq!(call(own(json!(["127.0.0.1"]))).await.0, 200);
    assert_eq!(
        call(own(json!(["elsewhere.example"]))).await,
        (403, "host_not_allowed".into())
    );
    // Without a policy the organization's own providers are allowed, in a tunnel too, and another's are not.
    let decided = async |org: &str| {
        let token = world.token(org, "shared", json!({})).await;
        let port = world.upstream.port();
        let restricted = json!({"scheme": "https", "host": "own.example", "port": port});
        world.egress(&token, &restricted).await.json()["verdict"].clone()
    };
    world
        .ok(put(
            &world,
            "a",
            "tunnel",
            json!({"base_url": format!("https://own.example:{}", world.upstream.port())}),
        ))
        .await;
    assert_eq!(decided("a").await, "allow");
    assert_eq!(decided("b").await, "deny");
    let explained = async |org: &str| {
        let url = format!("https://own.example:{}/x", world.upstream.port());
        let explain = json!({"command": "explain", "organization_id": org, "agent_id": "shared", "method": "GET", "url": url});
        world.ok(explain).await["verdict"].clone()
    };
    assert_eq!(explained("a").await, "allow");
    assert_eq!(explained("b").await, "deny");
    world.policy("a", json!([{"host": "127.0.0.1", "path_prefix": "/of-a/echo", "action": "deny"}, {"host": "127.0.0.1", "action": "allow"}])).await;
    assert_eq!(call(json!({})).await, (403, "egress_denied".into()));
}

#[tokio::test]
async fn a_persons_decision_about_the_host_of_a_tenants_provider_counts() {
    let world = world().await;
    world.ok(put(&world, "a", "own", json!({}))).await;
    let ask = json!({"connection_id": "slack-a", "user_id": "U1", "channel_id": "C1"});
    world
        .policy(
            "a",
            json!([{"host": "127.0.0.1", "action": "ask", "ask": ask}]),
        )
        .await;
    assert_eq!(
        status(&call(&world, "a", "own").await),
        (403, "approval_required".into())
    );
    world
        .sql(
            "insert into grants (organization_id, agent_id, pattern, denied, granted_by)
             values ('a', 'shared', 'host:127.0.0.1', false, 'U1')",
        )
        .await;
    assert_eq!(call(&world, "a", "own").await.status, 200);
}

#[tokio::test]
async fn the_same_provider_again_changes_nothing() {
    let world = world().await;
    // Postgres gives a row that is written another xmin, also where the values stay.
    let row = async || {
        world
            .value("select xmin || ' ' || p::text from providers p")
            .await
    };
    world.ok(put(&world, "a", "own", json!({}))).await;
    let first = row().await;
    world.ok(put(&world, "a", "own", json!({}))).await;
    assert_eq!(row().await, first);
    world
        .ok(put(&world, "a", "own", json!({"bad_key": [400]})))
        .await;
    assert_ne!(row().await, first);
}

#[tokio::test]
async fn a_template_gives_its_shape() {
    let world = world().await;
    let own = put(
        &world,
        "a",
        "azure",
        json!({"template": "azure-openai", "auth": null, "constants": {"x-extra": "1"}}),
    );
    world.ok(own).await;
    let placeholder = world.minted("a", "shared", json!({})).await;
    let request = get("azure/a/shared/openai/deployments/d/echo").header("api-key", &placeholder);
    let answer = world.call_proxy(request).await;
    let seen = world.upstream.seen().pop().unwrap();
    assert_eq!(seen.headers["api-key"], "sk-of-a", "{}", answer.text());
    assert_eq!(seen.headers["x-extra"], "1");
}

#[tokio::test]
async fn metrics_name_no_tenants_slug() {
    let world = world().await;
    world
        .ok(put(&world, "a", "secretly-named", json!({})))
        .await;
    call(&world, "a", "secretly-named").await;
    let lines = world.proxy().await.lines_so_far().await;
    let metrics: Vec<_> = lines.iter().filter(|line| line.contains("_aws")).collect();
    assert!(!metrics.is_empty());
    assert!(
        metrics.iter().all(|line| !line.contains("secretly-named")),
        "{metrics:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("\"proxied\"") && line.contains("secretly-named"))
    );
}
