//! Worker tokens that outlive what they were minted for: their agent, their organization, their
//! deployment, their own revocation, a day.

use crate::world::{Answer, REAL_KEY, World, jti, question, talk, through, unbase64url, unix_now};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use postern_stack::HttpRequest;
use rustls::{SignatureScheme, crypto::aws_lc_rs, pki_types::PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use std::time::Instant;

const JWKS: &str = "postern/jwks";
/// The key that control signs with (RFC 8032 section 7.1, test 1).
const K1: Key = Key {
    kid: "k1",
    seed: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    public: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
};
/// One that is added to the key set (test 2 of the same section).
const K2: Key = Key {
    kid: "k2",
    seed: "TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs",
    public: "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
};

struct Key {
    kid: &'static str,
    /// Both as base64url, as a JWK has them.
    seed: &'static str,
    public: &'static str,
}

impl Key {
    /// The claims as a worker token under this key's name.
    fn sign(&self, claims: &Value) -> String {
        self.sign_as(self.kid, claims)
    }

    fn sign_as(&self, kid: &str, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": "EdDSA", "kid": kid});
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        // RFC 8410 section 7: what stands before the seed in a PKCS #8 key.
        let pkcs8: [u8; 16] = [
            0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
        ];
        let der = [pkcs8.to_vec(), unbase64url(self.seed)].concat();
        let key = aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(der)).unwrap();
        let signer = key.choose_scheme(&[SignatureScheme::ED25519]).unwrap();
        let signature = signer.sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn key_set(keys: &[&Key]) -> String {
    let jwk = |key: &&Key| json!({"kty": "OKP", "crv": "Ed25519", "kid": key.kid, "x": key.public});
    json!({"keys": keys.iter().map(jwk).collect::<Vec<_>>()}).to_string()
}

/// The claims of a token of agent-a's in a conversation, that is issued now and lives this long.
fn claims(life: i64) -> Value {
    let now = unix_now();
    let mut claims = json!({"iss": "postern", "aud": "postern", "sub": "agent-a", "org": "a", "dep": "d1",
        "iat": now, "exp": now + life, "jti": uuid::Uuid::new_v4().to_string()});
    let talk = talk("a", "U1");
    claims
        .as_object_mut()
        .unwrap()
        .extend(talk.as_object().unwrap().clone());
    claims
}

fn issued_at(token: &str) -> f64 {
    let claims: Value =
        serde_json::from_slice(&unbase64url(token.split('.').nth(1).unwrap())).unwrap();
    claims["iat"].as_f64().unwrap()
}

/// The two organizations, with a key that all of a's agents may spend.
async fn tenants(world: &World) {
    world.tenants().await;
    world
        .ok(json!({"command": "put_profile", "organization_id": "a", "id": "p", "provider_id": "openai",
            "auth_type": "api_key", "secret_ref": "postern/org/a/keys/openai"}))
        .await;
}

async fn proxied(world: &World, token: &str) -> Answer {
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

/// Takes a token to every route that there is for one. On a question of this id.
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

async fn counts_everywhere(world: &World, token: &str) {
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

/// Nothing is sent, posted or stored for it.
async fn refused_everywhere(world: &World, token: &str, status: u64, code: &str) {
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

/// Organization a is deleted, and somebody else takes its name, and its agents' names.
async fn succeed(world: &World) {
    world.sql("delete from organizations where id = 'a'").await;
    tenants(world).await;
}

/// Makes agent-a as if it was created so long after the token was issued.
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
    let world = World::new().await;
    tenants(&world).await;
    let token = world.conversing("a", "U1").await;
    counts_everywhere(&world, &token).await;
    succeed(&world).await;
    created_after(&world, &token, 31).await;
    refused_everywhere(&world, &token, 401, "invalid_worker_token").await;
    // Nothing but its age was wrong.
    created_after(&world, &token, 0).await;
    counts_everywhere(&world, &token).await;
}

#[tokio::test]
async fn a_token_of_a_deleted_agent_is_not_one_of_its_successors() {
    let world = World::new().await;
    tenants(&world).await;
    let token = world.conversing("a", "U1").await;
    let placeholder = world.placeholder("a", "agent-a").await;
    world.sql("delete from agents where id = 'agent-a'").await;
    tenants(&world).await;
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
    let world = World::new().await;
    tenants(&world).await;
    let token = world.conversing("a", "U1").await;
    let other = world.conversing("a", "U1").await;
    revoke_token(&world, &token, "2099-01-01T00:00:00Z").await;
    succeed(&world).await;
    created_after(&world, &token, 0).await;
    refused_everywhere(&world, &token, 401, "invalid_worker_token").await;
    // Of the same age, so it is the revocation that was kept.
    counts_everywhere(&world, &other).await;
}

#[tokio::test]
async fn a_deployment_that_was_revoked_before_its_organization_was_deleted_stays_revoked() {
    let world = World::new().await;
    tenants(&world).await;
    let token = world.conversing("a", "U1").await;
    let mut elsewhere = talk("a", "U1");
    elsewhere["deployment_name"] = "d2".into();
    let other = world.token("a", "agent-a", elsewhere).await;
    revoke_deployment(&world, "d1").await;
    succeed(&world).await;
    created_after(&world, &token, 0).await;
    refused_everywhere(&world, &token, 401, "invalid_worker_token").await;
    counts_everywhere(&world, &other).await;
}

#[tokio::test]
async fn a_revoked_deployments_token_is_refused_everywhere_and_another_deployments_counts() {
    let world = World::new().await;
    tenants(&world).await;
    let token = world.conversing("a", "U1").await;
    let mut elsewhere = talk("a", "U1");
    elsewhere["deployment_name"] = "d2".into();
    let other = world.token("a", "agent-a", elsewhere).await;
    counts_everywhere(&world, &token).await;
    revoke_deployment(&world, "d1").await;
    refused_everywhere(&world, &token, 401, "invalid_worker_token").await;
    counts_everywhere(&world, &other).await;
}

#[tokio::test]
async fn another_organizations_deployment_of_the_same_name_is_not_revoked() {
    let world = World::new().await;
    tenants(&world).await;
    let token = world.conversing("a", "U1").await;
    world
        .ok(json!({"command": "revoke_deployment", "organization_id": "b", "deployment_name": "d1"}))
        .await;
    counts_everywhere(&world, &token).await;
}

#[tokio::test]
async fn a_token_that_is_minted_right_after_a_revocation_counts_everywhere_at_once() {
    let world = World::new().await;
    tenants(&world).await;
    let old = world.conversing("a", "U1").await;
    revoke_deployment(&world, "d1").await;
    let new = world.conversing("a", "U1").await;
    counts_everywhere(&world, &new).await;
    refused_everywhere(&world, &old, 401, "invalid_worker_token").await;
}

#[tokio::test]
async fn of_tokens_and_revocations_in_quick_turns_only_the_newest_token_counts() {
    let world = World::new().await;
    tenants(&world).await;
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
    let world = World::new().await;
    tenants(&world).await;
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
    let world = World::new().await;
    tenants(&world).await;
    let token = world.conversing("a", "U1").await;
    revoke_token(&world, &token, "2099-01-01T00:00:00Z").await;
    revoke_token(&world, &token, "2001-01-01T00:00:00Z").await;
    let kept = "select expires_at = '2099-01-01T00:00:00Z' from revoked_tokens";
    assert_eq!(world.value(kept).await, "t");
}

#[tokio::test]
async fn a_deleted_agents_token_is_refused_everywhere_and_its_placeholder_is_gone() {
    let world = World::new().await;
    tenants(&world).await;
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
async fn a_key_that_was_added_to_the_key_set_a_moment_ago_verifies_at_once() {
    let world = World::new().await;
    tenants(&world).await;
    let old = K1.sign(&claims(600));
    counts_everywhere(&world, &old).await;
    world.secrets.put(JWKS, key_set(&[&K1, &K2]));
    counts_everywhere(&world, &K2.sign(&claims(600))).await;
    counts_everywhere(&world, &old).await;
    // In each of the two functions, the first read and the one for the new key.
    assert_eq!(world.secrets.calls(JWKS), 4);
}

#[tokio::test]
async fn a_key_that_is_in_no_key_set_verifies_nothing() {
    let world = World::new().await;
    tenants(&world).await;
    for forged in [
        K2.sign(&claims(600)),
        K2.sign_as(K1.kid, &claims(600)),
        K1.sign_as(K2.kid, &claims(600)),
    ] {
        refused_everywhere(&world, &forged, 401, "invalid_worker_token").await;
    }
}

#[tokio::test]
async fn tokens_of_unknown_keys_cost_one_read_of_the_key_set_a_minute() {
    let world = World::new().await;
    tenants(&world).await;
    let good = K1.sign(&claims(600));
    let started = Instant::now();
    for n in 0..20 {
        let forged = K2.sign_as(&format!("k-{n}"), &claims(600));
        assert_eq!(
            proxied(&world, &forged).await.code(),
            "invalid_worker_token"
        );
        assert_eq!(proxied(&world, &good).await.status, 200);
    }
    // The first read, and one for each minute that this took.
    let most = 2 + usize::try_from(started.elapsed().as_secs() / 60).unwrap();
    let calls = world.secrets.calls(JWKS);
    assert!((2..=most).contains(&calls), "{calls}");
}

#[tokio::test]
async fn control_mints_no_token_for_longer_than_a_day() {
    let world = World::new().await;
    tenants(&world).await;
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
    let mut whole_day = talk("a", "U1");
    whole_day["ttl_seconds"] = 86_400.into();
    let token = world.token("a", "agent-a", whole_day).await;
    counts_everywhere(&world, &token).await;
}

#[tokio::test]
async fn a_token_that_was_signed_for_longer_than_a_day_is_refused_everywhere() {
    let world = World::new().await;
    tenants(&world).await;
    // So that no token is older than its agent.
    world
        .sql("update agents set created_at = now() - interval '30 days'")
        .await;
    counts_everywhere(&world, &K1.sign(&claims(86_400))).await;
    let mut old = claims(600);
    old["iat"] = (unix_now() - 80_000).into();
    counts_everywhere(&world, &K1.sign(&old)).await;
    old["iat"] = (unix_now() - 86_400).into();
    let mut future = claims(600);
    future["iat"] = (unix_now() + 86_400).into();
    future["exp"] = (unix_now() + 86_400 + 600).into();
    for long in [claims(86_460), claims(10 * 365 * 86_400), old, future] {
        refused_everywhere(&world, &K1.sign(&long), 401, "invalid_worker_token").await;
    }
}
