//! Secrets: their kinds, their time in the cache, and that reading one delays nobody else.

use super::{connection, placeholder, profile};
use crate::world::checks::{refused, refused_by_control, spends};
use crate::world::{REAL_KEY, SIGNING_SECRET, World, question, talk, through, until};
use bytes::Bytes;
use http::{Request, Response, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use postern_stack::SecretsMode;
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, task::JoinHandle};

const KEY: &str = "postern/org/a/keys/openai";
const PATH: &str = "openai/a/agent-a/v1/chat/completions";

/// Secrets Manager, except that a test can schedule one secret for deletion. That secret can still be
/// described, and its value is refused.
struct Deleting {
    url: String,
    deleted: Arc<Mutex<Option<String>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Deleting {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Deleting {
    async fn before(secrets_manager: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let deleted = Arc::<Mutex<Option<String>>>::default();
        let shared = Arc::clone(&deleted);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (behind, deleted) = (secrets_manager.clone(), Arc::clone(&shared));
                let answer = service_fn(move |request| {
                    let (behind, deleted) = (behind.clone(), Arc::clone(&deleted));
                    async move { Ok::<_, Infallible>(pass(request, &behind, &deleted).await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer),
                );
            }
        });
        Self {
            url,
            deleted,
            accepting,
        }
    }

    fn delete(&self, id: &str) {
        *self.deleted.lock().unwrap() = Some(id.to_owned());
    }
}

async fn pass(
    request: Request<Incoming>,
    behind: &str,
    deleted: &Mutex<Option<String>>,
) -> Response<Full<Bytes>> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let action = parts.headers["x-amz-target"].clone();
    if action == "secretsmanager.GetSecretValue"
        && asked["SecretId"].as_str() == deleted.lock().unwrap().as_deref()
    {
        let refusal = json!({"__type": "InvalidRequestException", "Message":
            "You can't perform this operation on the secret because it was marked for deletion."});
        return Response::builder()
            .status(400)
            .body(refusal.to_string().into())
            .unwrap();
    }
    parts.uri = behind.parse().unwrap();
    parts.headers.remove(HOST);
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client
        .request(Request::from_parts(parts, Full::new(body)))
        .await
        .unwrap();
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, body.into())
}

/// A world whose secrets can be scheduled for deletion, and a placeholder of agent-a.
async fn deleting(ttl_ms: &str) -> (World, Deleting, String) {
    let world = World::new().await;
    let between = Deleting::before(world.secrets.url()).await;
    let world = world.restarted_with(&[
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &between.url),
        ("SECRETS_CACHE_TTL_MS", ttl_ms),
    ]);
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    (world, between, placeholder)
}

/// Secrets of organization a that no provider may get.
const OTHER_KINDS: [&str; 4] = [
    "postern/org/a/chat/slack",
    "postern/org/a/chat/slack#bot_token",
    "postern/org/a/chat/slack#signing_secret",
    "postern/org/a/callback-signing",
];

async fn spends_nothing(world: &World, placeholder: &str) {
    let request = through(PATH, placeholder);
    refused(world, request, 503, "secret_unavailable").await;
}

fn never_read(world: &World, secret_ref: &str) {
    let id = secret_ref.split('#').next().unwrap();
    assert_eq!(world.secrets.calls(id), 0, "{secret_ref} was read");
}

#[tokio::test]
async fn control_refuses_a_profile_on_a_chat_secret_or_the_signing_key() {
    let world = World::new().await;
    world.tenants().await;
    for secret_ref in OTHER_KINDS {
        refused_by_control(&world, profile("a", secret_ref)).await;
    }
}

#[tokio::test]
async fn control_refuses_a_placeholder_on_a_chat_secret_or_the_signing_key() {
    let world = World::new().await;
    world.tenants().await;
    for secret_ref in OTHER_KINDS {
        refused_by_control(&world, placeholder("a", "agent-a", secret_ref)).await;
    }
}

#[tokio::test]
async fn control_refuses_a_connection_on_a_providers_key_or_the_signing_key() {
    let world = World::new().await;
    world.tenants().await;
    for secret_ref in [
        KEY,
        "postern/org/a/keys/slack",
        "postern/org/a/callback-signing",
    ] {
        for id in ["slack-a", "new"] {
            refused_by_control(&world, connection("a", id, secret_ref)).await;
        }
    }
}

#[tokio::test]
async fn a_profile_that_sql_put_on_another_kind_of_secret_sends_nothing() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.minted("a", "agent-a", json!({})).await;
    for secret_ref in OTHER_KINDS {
        world
            .sql(&format!(
                "delete from auth_profiles;
                 insert into auth_profiles (organization_id, id, provider_id, auth_type, secret_ref)
                 values ('a', 'forged', 'openai', 'api_key', '{secret_ref}')"
            ))
            .await;
        spends_nothing(&world, &placeholder).await;
        never_read(&world, secret_ref);
    }
}

#[tokio::test]
async fn a_placeholder_that_sql_put_on_another_kind_of_secret_sends_nothing() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    for secret_ref in OTHER_KINDS {
        world
            .sql(&format!(
                "update placeholders set secret_ref = '{secret_ref}'"
            ))
            .await;
        spends_nothing(&world, &placeholder).await;
        never_read(&world, secret_ref);
    }
}

#[tokio::test]
async fn a_connection_that_sql_put_on_a_providers_key_posts_nothing() {
    let world = World::new().await;
    world.tenants().await;
    let bait = json!({"bot_token": "xoxb-a", "signing_secret": SIGNING_SECRET});
    world
        .secrets
        .put("postern/org/a/keys/slack", bait.to_string());
    let token = world.conversing("a", "U1").await;
    world
        .sql("update connections set secret_ref = 'postern/org/a/keys/slack' where id = 'slack-a'")
        .await;
    let asked = world.ask(&token, &question("q-1")).await;
    assert_eq!(
        (asked.status, asked.code().as_str()),
        (503, "secret_unavailable")
    );
    assert!(world.slack.calls().is_empty());
    never_read(&world, "postern/org/a/keys/slack");
    let other = world.token("b", "agent-b", talk("b", "U1")).await;
    assert_eq!(world.ask(&other, &question("q-1")).await.status, 201);
}

#[tokio::test]
async fn a_secret_that_is_scheduled_for_deletion_is_not_spent_past_its_time_in_the_cache() {
    let (world, between, placeholder) = deleting("1000").await;
    spends(&world, through(PATH, &placeholder), REAL_KEY).await;
    between.delete(KEY);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    for _ in 0..2 {
        spends_nothing(&world, &placeholder).await;
    }
}

#[tokio::test]
async fn a_secret_that_is_scheduled_for_deletion_is_spent_while_its_time_in_the_cache_lasts() {
    let (world, between, placeholder) = deleting("300000").await;
    spends(&world, through(PATH, &placeholder), REAL_KEY).await;
    between.delete(KEY);
    spends(&world, through(PATH, &placeholder), REAL_KEY).await;
    assert_eq!(world.secrets.calls(KEY), 1);
    // An environment that has not read the secret never spends it.
    let cold = world.environments("proxy", 1).await;
    let answer = World::call_on(&cold, through(PATH, &placeholder).v2()).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "secret_unavailable")
    );
}

#[tokio::test]
async fn ten_refusals_by_the_upstream_cost_two_reads_of_the_secret() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    world.upstream.set_expected_key(Some("another key".into()));
    let started = Instant::now();
    for _ in 0..10 {
        let answer = world.call_proxy(through(PATH, &placeholder)).await;
        assert_eq!(answer.status, 401);
        assert!(
            !answer.headers.contains_key("x-postern-error") && answer.text().contains("Incorrect"),
            "the upstream's own answer should come back: {answer:?}"
        );
    }
    // One first read, and one for each 10 s that this took.
    let most = 2 + usize::try_from(started.elapsed().as_secs() / 10).unwrap();
    let calls = world.secrets.calls(KEY);
    assert!((2..=most).contains(&calls), "{calls}");
    assert_eq!(
        world.upstream.seen().len(),
        10,
        "the same key is not sent twice"
    );
}

#[tokio::test]
async fn a_key_that_is_rotated_right_after_its_first_read_is_spent_by_the_next_request() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    world.upstream.set_expected_key(Some(REAL_KEY.into()));
    spends(&world, through(PATH, &placeholder), REAL_KEY).await;
    let rotated = "sk-rotated-9876543210";
    world.secrets.put(KEY, rotated);
    world.upstream.set_expected_key(Some(rotated.into()));
    spends(&world, through(PATH, &placeholder), rotated).await;
    assert_eq!(world.secrets.calls(KEY), 2);
}

#[tokio::test]
async fn white_space_around_a_secret_is_not_part_of_it() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    world.secrets.put(KEY, format!(" \t{REAL_KEY}\r\n"));
    spends(&world, through(PATH, &placeholder), REAL_KEY).await;
}

#[tokio::test]
async fn white_space_around_a_json_member_is_not_part_of_it() {
    let world = World::new().await;
    world.tenants().await;
    let value = json!({"key": format!("\n {REAL_KEY}\t\n"), "other": "x"});
    world
        .secrets
        .put("postern/org/a/keys/json", format!("\n{value}\n"));
    let own = json!({"secret_ref": "postern/org/a/keys/json#key", "allowed_hosts": ["127.0.0.1"]});
    let placeholder = world.minted("a", "agent-a", own).await;
    spends(&world, through(PATH, &placeholder), REAL_KEY).await;
}

#[tokio::test]
async fn while_one_tenants_secret_hangs_another_tenants_cached_secret_is_spent_at_once() {
    let world = World::with_env(&[("AWS_LAMBDA_MAX_CONCURRENCY", "8")]).await;
    world.tenants().await;
    world.secrets.put("postern/org/b/keys/openai", "sk-of-b");
    let of_b = world.placeholder("b", "agent-b").await;
    let token = world.token("b", "agent-b", json!({})).await;
    let cached = through("openai/a/agent-b/v1/chat/completions", &of_b)
        .header("x-postern-worker-token", &token);
    spends(&world, cached.clone(), "sk-of-b").await;
    let of_a = world.placeholder("a", "agent-a").await;
    world
        .secrets
        .set_mode(SecretsMode::Slow(Duration::from_secs(60)));
    let hanging = world.call_proxy(through(PATH, &of_a));
    let others = async {
        until("the slow read has begun", async || {
            world.secrets.calls(KEY) > 0
        })
        .await;
        for _ in 0..5 {
            spends(&world, cached.clone(), "sk-of-b").await;
        }
    };
    tokio::pin!(hanging);
    // All others are answered before the slow read ends at its bound of 3 s.
    tokio::select! {
        answer = &mut hanging => panic!("the others waited for it: {answer:?}"),
        () = others => {}
    }
    assert_eq!(hanging.await.code(), "secret_unavailable");
    assert_eq!(world.secrets.calls("postern/org/b/keys/openai"), 1);
}
