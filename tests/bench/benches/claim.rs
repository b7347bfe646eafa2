//! Claims against a table of a million questions: the latency at 1,000 claims a second, and the highest rate.
//! Each claim writes its answer and its delivery to disk. The load is open: a claim's time counts from when it
//! was due, so it includes waiting.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::config::Credentials;
use postern::authority::scope::Conversation;
use postern::authority::token::{self, NewToken};
use postern::config::Env;
use postern::id::{ChannelId, ConversationId};
use postern::question::{Choice, ClickKey};
use postern::secret::SecretsConfig;
use postern::store::DatabaseConfig;
use postern::store::NewClaim;
use postern::store::Schema;
use postern::{
    AgentId, ConnectionId, DeploymentName, InteractionId, OrganizationId, Revision, Secrets, Store,
    UserId, id::TokenId,
};
use postern_stack::{Postgres, SecretsManager};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

const ROWS: usize = 1_000_000;
const RATE: usize = 1_000;
const SECONDS: usize = 15;
const AT_MOST: Duration = Duration::from_secs(8);
const CONNECTIONS: usize = 8;
const DAY: Duration = Duration::from_secs(86_400);
// RFC 8032 section 7.1, test 1.
const PRIVATE_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"k1","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const PUBLIC_KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

#[tokio::main]
async fn main() {
    let postgres = Postgres::start_durable().await.unwrap();
    postgres.create_database("bench", None).await.unwrap();
    let secrets = SecretsManager::start().await.unwrap();
    secrets.put("postern/database", postgres.secret_json("bench"));
    let store = Arc::new(store(&secrets).await);
    store.migrate().await.unwrap();
    let sql = postgres.connect("bench").await.unwrap();
    sql.batch_execute(&format!(
        "insert into organizations (id) values ('a');
         insert into agents (organization_id, id) values ('a', 'agent');
         insert into connections (organization_id, id, platform, secret_ref) values ('a', 'c', 'slack', 'x');
         insert into pending_interactions
             (organization_id, id, connection_id, expected_user_id, agent_id, revision, entry_payload)
         select 'a', 'q-' || n, 'c', 'u', 'agent', 'abcdef',
             '{{\"kind\": \"question\", \"question\": \"Deploy?\", \"options\": [\"Yes\", \"No\"], \"callback_url\": \"https://agents.example.com/\"}}'
         from generate_series(0, {}) n;",
        ROWS - 1
    ))
    .await
    .unwrap();
    sql.batch_execute("vacuum analyze").await.unwrap();
    // The writes of loading the table do not count.
    sql.batch_execute("checkpoint").await.unwrap();
    let who = Arc::new(conversation());
    let next = Arc::new(AtomicUsize::new(0));

    let mut times = at_rate(&store, &who, &next).await;
    times.sort_unstable();
    let at = |part: usize| times[times.len() * part / 1000].as_secs_f64() * 1e3;
    println!(
        "{ROWS} questions, {CONNECTIONS} connections, {RATE} claims a second for {SECONDS} s:"
    );
    println!(
        "  milliseconds: median {:.2}, p99 {:.2} (under 20 is the aim), p99.9 {:.2}",
        at(500),
        at(990),
        at(999)
    );

    let before = next.load(Ordering::Relaxed);
    let started = Instant::now();
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (store, who, next) = (Arc::clone(&store), Arc::clone(&who), Arc::clone(&next));
            tokio::spawn(async move {
                while started.elapsed() < AT_MOST {
                    claim(&store, &who, next.fetch_add(1, Ordering::Relaxed)).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let claimed = next.load(Ordering::Relaxed) - before;
    println!(
        "  at most: {:.0} claims a second",
        claimed as f64 / started.elapsed().as_secs_f64()
    );
}

async fn at_rate(store: &Arc<Store>, who: &Arc<Conversation>, next: &AtomicUsize) -> Vec<Duration> {
    let started = Instant::now();
    let mut claims = Vec::with_capacity(RATE * SECONDS);
    for n in 0..RATE * SECONDS {
        let due = started
            + Duration::from_secs(1) * u32::try_from(n).unwrap() / u32::try_from(RATE).unwrap();
        tokio::time::sleep_until(due).await;
        let (store, who) = (Arc::clone(store), Arc::clone(who));
        let row = next.fetch_add(1, Ordering::Relaxed);
        claims.push(tokio::spawn(async move {
            claim(&store, &who, row).await;
            due.elapsed()
        }));
    }
    let mut times = Vec::with_capacity(claims.len());
    for claim in claims {
        times.push(claim.await.unwrap());
    }
    times
}

/// Rows that are far apart, so that they share no pages.
async fn claim(store: &Store, who: &Conversation, n: usize) {
    let row = n * 7_919 % ROWS;
    let id = InteractionId::parse(format!("q-{row}")).unwrap();
    let new = NewClaim {
        revision: &Revision::parse("abcdef").unwrap(),
        choice: Choice(0),
        click: &ClickKey::from_parts(&[&n.to_string()]),
        card: None,
        ttl: DAY,
        lease: DAY,
    };
    let claimed = store
        .interaction_claim(who.scope(), &id, &new)
        .await
        .unwrap();
    assert!(claimed.is_some_and(|claimed| claimed.delivery.is_some()));
}

/// A scope comes only from a verified token.
fn conversation() -> Conversation {
    let new = NewToken {
        agent: AgentId::parse("agent").unwrap(),
        organization: OrganizationId::parse("a").unwrap(),
        deployment: DeploymentName::parse("d").unwrap(),
        token: TokenId::parse("j").unwrap(),
        issued_at: time::OffsetDateTime::now_utc().unix_timestamp() as f64,
        expires_at: time::OffsetDateTime::now_utc().unix_timestamp() + 3_600,
        connection_id: Some(ConnectionId::parse("c").unwrap()),
        user_id: Some(UserId::parse("u").unwrap()),
        channel_id: Some(ChannelId::parse("channel").unwrap()),
        conversation_id: Some(ConversationId::parse("conversation").unwrap()),
        team_id: None,
    };
    let token = token::mint(&PRIVATE_KEY.into(), new).unwrap();
    let token = secrecy::ExposeSecret::expose_secret(&token).to_owned();
    let worker = token::verify(&PUBLIC_KEYS.into(), &token).unwrap();
    worker.conversation().unwrap().clone()
}

async fn store(secrets: &SecretsManager) -> Store {
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(secrets.url())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .load()
        .await;
    let connections = CONNECTIONS.to_string();
    let env = Env::from_pairs([
        ("DATABASE_SECRET_ID", "postern/database"),
        ("DATABASE_POOL_MAX", &connections),
        ("DATABASE_TIMEOUT_MS", "60000"),
    ]);
    let secrets = Secrets::from_sdk(&sdk, &SecretsConfig::from_env(&env).unwrap());
    Store::new(
        DatabaseConfig::from_env(&env).unwrap(),
        Arc::new(secrets),
        Schema::Webhooks,
    )
    .unwrap()
}
