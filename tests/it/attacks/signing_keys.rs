//! Worker tokens that are signed with an unknown key, or for longer than a day.

use super::revocation::{counts_everywhere, proxied, refused_everywhere, tenants};
use crate::world::{merged, talk, unbase64url, unix_now};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
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

/// A key that is added to the key set later (test 2 of the same section).
const K2: Key = Key {
    kid: "k2",
    seed: "TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs",
    public: "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
};

struct Key {
    kid: &'static str,
    /// Both keys are in base64url, as a JWK writes them.
    seed: &'static str,
    public: &'static str,
}

impl Key {
    /// A worker token with these claims, under this key's name.
    fn sign(&self, claims: &Value) -> String {
        self.sign_as(self.kid, claims)
    }

    fn sign_as(&self, kid: &str, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": "EdDSA", "kid": kid});
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        // What precedes the seed in a PKCS #8 key (RFC 8410 section 7).
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

/// The claims of a token of agent-a in a conversation. It is issued now and lives this many seconds.
fn claims(life: i64) -> Value {
    let now = unix_now();
    let claims = json!({"iss": "postern", "aud": "postern", "sub": "agent-a", "org": "a", "dep": "d1",
        "iat": now, "exp": now + life, "jti": uuid::Uuid::new_v4().to_string()});
    merged(claims, talk("a", "U1"))
}

#[tokio::test]
async fn a_key_that_was_added_to_the_key_set_a_moment_ago_verifies_at_once() {
    let world = tenants().await;
    let old = K1.sign(&claims(600));
    counts_everywhere(&world, &old).await;
    world.secrets.put(JWKS, key_set(&[&K1, &K2]));
    counts_everywhere(&world, &K2.sign(&claims(600))).await;
    counts_everywhere(&world, &old).await;
    // Each of the two functions reads first, and again for the new key.
    assert_eq!(world.secrets.calls(JWKS), 4);
}

#[tokio::test]
async fn a_key_that_is_in_no_key_set_verifies_nothing() {
    let world = tenants().await;
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
    let world = tenants().await;
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
    // One first read, and one for each minute that this took.
    let most = 2 + usize::try_from(started.elapsed().as_secs() / 60).unwrap();
    let calls = world.secrets.calls(JWKS);
    assert!((2..=most).contains(&calls), "{calls}");
}

#[tokio::test]
async fn a_token_that_was_signed_for_longer_than_a_day_is_refused_everywhere() {
    let world = tenants().await;
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
