//! Each test has a world: a fresh database, stand-ins of its own, and functions that start when first used.

mod answer;
mod calls;
pub mod checks;
mod clicks;
mod database;
mod env;
mod functions;
mod tenants;
mod wait;

pub use answer::Answer;
pub use calls::{merged, question, through};
pub use clicks::{
    DISCORD_SEED, Posted, Press, SECRET_TOKEN, SIGNING_SECRET, discord_signed, press, signed,
    unix_now,
};
pub use env::Variables;
pub use tenants::{CALLBACK_KEY, REAL_KEY, claims_of, jti, talk, unbase64url};
pub use wait::until;

use base64::{Engine, engine::general_purpose::STANDARD};
use database::postgres;
use functions::Functions;
use postern_stack::{Discord, Postgres, SampleJudge, SecretsManager, Slack, Telegram, Upstream};
use serde_json::{Value, json};
use tenants::{PRIVATE_KEY, PUBLIC_KEYS};

/// An address of loopback. The functions may call each of its ports.
pub const ANYWHERE: [u8; 4] = [127, 0, 0, 2];
/// The operator's own key for the judge.
pub const JUDGE_KEY: &str = "sk-judge-of-the-operator";

/// Everything that one test talks to.
pub struct World {
    pub secrets: SecretsManager,
    pub upstream: Upstream,
    pub slack: Slack,
    pub telegram: Telegram,
    pub discord: Discord,
    pub judge: SampleJudge,
    variables: Variables,
    /// What connects to the database as its superuser.
    superuser: String,
    functions: Functions,
}

impl World {
    /// A world with an empty, migrated database.
    pub async fn new() -> Self {
        Self::with_env(&[]).await
    }

    /// The same, with these variables of the functions changed.
    pub async fn with_env(extra: &[(&str, &str)]) -> Self {
        let postgres = postgres().await;
        let database = format!("t_{}", uuid::Uuid::new_v4().simple());
        postgres
            .create_database(&database, Some("template_postern"))
            .await
            .unwrap();
        Self::on(postgres, database, extra).await
    }

    async fn on(postgres: &Postgres, database: String, extra: &[(&str, &str)]) -> Self {
        let secrets = SecretsManager::start().await.unwrap();
        let upstream = Upstream::start().await.unwrap();
        let slack = Slack::start().await.unwrap();
        let telegram = Telegram::start().await.unwrap();
        let discord = Discord::start().await.unwrap();
        let judge = SampleJudge::start().await.unwrap();
        secrets.put("postern/system/judge", JUDGE_KEY);
        secrets.put("postern/database", postgres.secret_json(&database));
        secrets.put("postern/jwks", PUBLIC_KEYS);
        secrets.put("postern/signing", PRIVATE_KEY);
        secrets.put("postern/sealing-keys", sealing_keys("k1", &["k1"]));
        let providers = providers(&upstream.url(), &judge.url());
        let local = local_hosts(&[
            upstream.url(),
            slack.api_base_url(),
            telegram.api_base_url(),
            discord.api_base_url(),
            judge.url(),
        ]);
        let mut variables = Variables::of(&[
            ("DATABASE_SECRET_ID", "postern/database"),
            ("MIGRATION_DATABASE_SECRET_ID", "postern/database"),
            ("DATABASE_POOL_MAX", "4"),
            // No busy machine uses up these budgets; a test of a budget sets its own.
            ("DATABASE_TIMEOUT_MS", "15000"),
            ("ACK_BUDGET_MS", "20000"),
            ("WORKER_TOKEN_JWKS_SECRET_ID", "postern/jwks"),
            ("WORKER_TOKEN_SIGNING_SECRET_ID", "postern/signing"),
            ("SEALING_KEYS_SECRET_ID", "postern/sealing-keys"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets.url()),
            ("PROVIDERS", &providers.to_string()),
            ("JUDGE_PROVIDER", "judge"),
            ("JUDGE_MODEL", "sample"),
            // Less than a thread's default: a future that grows too deep shows here first.
            ("RUST_MIN_STACK", "1500000"),
            ("ALLOW_PRIVATE_UPSTREAMS", &local),
            // A test that changes the variable above still reaches the sample chats.
            ("CHAT_API_HOSTS", &local),
        ])
        .set_all(extra);
        if extra.iter().any(|(name, _)| *name == "PROVIDERS") {
            // The test's own providers do not include the sample judge.
            variables = variables.without("JUDGE_PROVIDER");
        }
        Self {
            secrets,
            upstream,
            slack,
            telegram,
            discord,
            judge,
            variables,
            superuser: postgres.secret_json(&database),
            functions: Functions::default(),
        }
    }

    /// The same database and samples, with functions that start again after these variables changed.
    pub fn restarted_with(mut self, changed: &[(&str, &str)]) -> Self {
        self.variables = self.variables.set_all(changed);
        self.functions = Functions::default();
        self
    }
}

/// The providers of the sample upstream and the sample judge, and two that no call can reach.
fn providers(upstream: &str, judge: &str) -> Value {
    json!([
        {"slug": "openai", "provider_id": "openai", "base_url": upstream, "auth": {"header": "authorization", "scheme": "Bearer"}},
        {"slug": "anthropic", "provider_id": "anthropic", "base_url": upstream, "auth": {"header": "x-api-key"},
            "oauth_auth": {"header": "authorization", "scheme": "Bearer"}},
        {"slug": "gemini", "provider_id": "gemini", "base_url": upstream, "auth": {"header": "x-goog-api-key"}},
        {"slug": "judge", "provider_id": "judge", "base_url": judge, "auth": {"header": "authorization", "scheme": "Bearer"}},
        {"slug": "gitlab", "provider_id": "gitlab", "base_url": upstream, "auth": {"header": "private-token"}},
        {"slug": "query", "provider_id": "query", "base_url": upstream, "auth": {"query": "key"}},
        {"slug": "private", "provider_id": "openai", "base_url": "https://127.0.0.1:1", "auth": {"header": "x-api-key"}},
        {"slug": "closed", "provider_id": "openai", "base_url": "http://127.0.0.2:1", "auth": {"header": "x-api-key"}},
    ])
}

/// A keyring of these keys. Each key is made from its id, so that it is the same in every ring.
pub fn sealing_keys(current: &str, ids: &[&str]) -> String {
    let mut keys = serde_json::Map::new();
    for id in ids {
        let mut key = id.as_bytes().to_vec();
        key.resize(32, b'.');
        keys.insert((*id).to_owned(), STANDARD.encode(key).into());
    }
    json!({"current": current, "keys": keys}).to_string()
}

/// The hosts and ports of these URLs, and the address whose every port is allowed.
fn local_hosts(urls: &[String]) -> String {
    let host_and_port = |url: &String| url.split('/').nth(2).unwrap_or_default().to_owned();
    let hosts: Vec<String> = urls.iter().map(host_and_port).collect();
    format!("{},127.0.0.2", hosts.join(","))
}
