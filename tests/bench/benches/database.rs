//! What the database's doors cost: each SQL function in turns with the statement that the store sent before them, in
//! one run, on one durable server.
//!
//! The former statements (`tests/bench/database`) come from a login with rights on the tables, which row-level
//! security does not bind. The functions are called by logins of the functions' groups. Both go over loopback TCP as
//! the store sends them, with the parameters' types and unprepared.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::config::Credentials;
use postern::config::Env;
use postern::secret::SecretsConfig;
use postern::store::{DatabaseConfig, Schema};
use postern::{Secrets, Store};
use postern_stack::{Postgres, SecretsManager};
use serde_json::Value;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_postgres::{
    Client, Config, NoTls, Row,
    types::{ToSql, Type},
};

const FILL: &str = include_str!("../database/fill.sql");
const FORMER_FACTS: &str = include_str!("../database/former_access_facts.sql");
const FORMER_CLAIM: &str = include_str!("../database/former_interaction_claim.sql");
const FACTS: &str = "select * from postern_proxy.access_facts_1($1, $2, $3, $4, $5, $6, $7, null, $8, $9, $10, $11)";
const CLAIM: &str =
    "select * from postern_webhooks.interaction_claim_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const LOGINS: &str = "
    create role bench_former login bypassrls password 'bench';
    grant usage on schema postern to bench_former;
    grant select, insert, update, delete on all tables in schema postern to bench_former;
    alter role bench_former set search_path = postern;
    create role bench_proxy login password 'bench' in role postern_proxy;
    create role bench_webhooks login password 'bench' in role postern_webhooks";

const AGENTS: usize = 10_000;
const ORGANIZATIONS: usize = 2_000;
/// Of each kind of interaction.
const INTERACTIONS: usize = 40_000;
const HOT: usize = 3_000;
const CLAIMS: usize = 2_000;
const COLD: usize = 400;
/// A new session makes a new plan for each of its first five calls.
const WARM_UP: usize = 100;
const DAY_MS: f64 = 86_400_000.0;

/// What a call presents.
#[derive(Clone, Copy)]
enum Kind {
    Placeholder,
    Token,
    Both,
    /// The claim of an interaction whose id begins with this.
    Click(&'static str),
}

const READS: [(&str, Kind); 3] = [
    ("a placeholder", Kind::Placeholder),
    ("a worker token", Kind::Token),
    ("both", Kind::Both),
];
const CLICKS: [(&str, Kind); 2] = [
    ("a question's claim", Kind::Click("q")),
    ("an approval's claim", Kind::Click("a")),
];

#[derive(Clone, Copy)]
enum Way {
    Former,
    Function,
}

struct Agent {
    placeholder: Vec<u8>,
    /// The hashes of its policies, which a warm environment knows.
    known: Vec<Vec<u8>>,
}

struct Bench {
    postgres: Postgres,
    agents: Vec<Agent>,
    issued_at: f64,
    /// The next call's number. No two claims are of one interaction.
    next: usize,
}

// One thread: the measured time is the database's, and not that of handing over to another thread.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut bench = Bench::new().await;
    println!(
        "microseconds (medians): former statement, function; ratio of medians, of lower quartiles"
    );
    for (name, kind) in READS {
        bench.warm(&format!("hot, {name}"), kind, HOT, 0.6).await;
    }
    for (name, kind) in CLICKS {
        bench.warm(&format!("hot, {name}"), kind, CLAIMS, 1.1).await;
    }
    for (name, kind) in READS.into_iter().chain(CLICKS) {
        bench.cold(&format!("first call, {name}"), kind, 1.3).await;
    }
}

impl Bench {
    async fn new() -> Self {
        let postgres = Postgres::start_durable().await.unwrap();
        postgres.create_database("bench", None).await.unwrap();
        let secrets = SecretsManager::start().await.unwrap();
        secrets.put("postern/database", postgres.secret_json("bench"));
        store(&secrets).await.migrate().await.unwrap();
        let sql = postgres.connect("bench").await.unwrap();
        for statement in [
            &format!("begin; {FILL} commit"),
            LOGINS,
            "vacuum analyze",
            "checkpoint",
        ] {
            sql.batch_execute(statement).await.unwrap();
        }
        let agents =
            "select sha256(convert_to('placeholder-' || n, 'utf8')), array_agg(e.rules_hash)
            from generate_series(0, 9999) n
            join postern.egress_policies e on e.organization_id = 'org-' || n % 2000
                and (e.agent_id is null or e.agent_id = 'agent-' || n / 2000)
            group by n order by n";
        let agents = sql.query(agents, &[]).await.unwrap();
        let agent = |row: &Row| Agent {
            placeholder: row.get(0),
            known: row.get(1),
        };
        Self {
            postgres,
            agents: agents.iter().map(agent).collect(),
            issued_at: time::OffsetDateTime::now_utc().unix_timestamp() as f64,
            next: 0,
        }
    }

    async fn connect(&self, way: Way, kind: Kind) -> Client {
        let user = match (way, kind) {
            (Way::Former, _) => "bench_former",
            (Way::Function, Kind::Click(_)) => "bench_webhooks",
            (Way::Function, _) => "bench_proxy",
        };
        let mut config = Config::new();
        config
            .host(self.postgres.host())
            .port(self.postgres.port())
            .user(user)
            .password("bench")
            .dbname("bench");
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        // The store asks each new session this.
        let asked = client.simple_query("show transaction_read_only").await;
        asked.unwrap();
        client
    }

    /// One call, and how long it took.
    async fn call(&mut self, client: &Client, way: Way, kind: Kind) -> (Row, Duration) {
        let n = self.next * 7_919;
        self.next += 1;
        let Kind::Click(prefix) = kind else {
            return self.read(client, way, kind, n % AGENTS).await;
        };
        let n = n % INTERACTIONS;
        let of = n % ORGANIZATIONS;
        let (organization, connection) = (format!("org-{of}"), format!("slack-{of}"));
        let id = format!("{prefix}-{n}");
        let card: Option<Value> = None;
        let sql = match way {
            Way::Former => FORMER_CLAIM,
            Way::Function => CLAIM,
        };
        once(
            client,
            sql,
            &[
                (&organization, Type::TEXT),
                (&id, Type::TEXT),
                (&connection, Type::TEXT),
                (&"U1", Type::TEXT),
                (&DAY_MS, Type::FLOAT8),
                (&"abcdef", Type::TEXT),
                (&0_i32, Type::INT4),
                (&id.as_bytes(), Type::BYTEA),
                (&card, Type::JSONB),
                (&60_000.0, Type::FLOAT8),
            ],
        )
        .await
    }

    async fn read(&self, client: &Client, way: Way, kind: Kind, n: usize) -> (Row, Duration) {
        let organization = format!("org-{}", n % ORGANIZATIONS);
        let agent = format!("agent-{}", n / ORGANIZATIONS);
        let Agent { placeholder, known } = &self.agents[n];
        let placeholders: &[&[u8]] = match kind {
            Kind::Token => &[],
            Kind::Placeholder | Kind::Both | Kind::Click(_) => &[placeholder],
        };
        let token = !matches!(kind, Kind::Placeholder);
        let user: Option<&str> = None;
        let sql = match way {
            Way::Former => FORMER_FACTS,
            Way::Function => FACTS,
        };
        once(
            client,
            sql,
            &[
                (&token.then_some(&organization), Type::TEXT),
                (&agent, Type::TEXT),
                (&placeholders, Type::BYTEA_ARRAY),
                (&token.then_some(&agent), Type::TEXT),
                (&token.then_some("jti"), Type::TEXT),
                (&token.then_some(self.issued_at), Type::FLOAT8),
                (&token.then_some("deployment"), Type::TEXT),
                (&"openai", Type::TEXT),
                (&user, Type::TEXT),
                (known, Type::BYTEA_ARRAY),
                (&"host:api.openai.com", Type::TEXT),
            ],
        )
        .await
    }

    /// Calls over two sessions, in turns.
    async fn warm(&mut self, name: &str, kind: Kind, rounds: usize, aim: f64) {
        let former = self.connect(Way::Former, kind).await;
        let function = self.connect(Way::Function, kind).await;
        let mut times = [vec![], vec![]];
        for round in 0..WARM_UP + rounds {
            for way in in_turn(round) {
                let client = match way {
                    Way::Former => &former,
                    Way::Function => &function,
                };
                let (_, took) = self.call(client, way, kind).await;
                if round >= WARM_UP {
                    times[way as usize].push(took);
                }
            }
        }
        print(name, times, Some(aim));
    }

    /// First calls, each over a session of its own.
    async fn cold(&mut self, name: &str, kind: Kind, aim: f64) {
        let (mut times, mut with_connecting) = ([vec![], vec![]], [vec![], vec![]]);
        for round in 0..COLD {
            for way in in_turn(round) {
                let started = Instant::now();
                let client = self.connect(way, kind).await;
                let connecting = started.elapsed();
                let (_, took) = self.call(&client, way, kind).await;
                times[way as usize].push(took);
                with_connecting[way as usize].push(connecting + took);
            }
        }
        print(name, times, Some(aim));
        print("  with connecting", with_connecting, None);
    }
}

/// Both ways; each goes first in every other round.
fn in_turn(round: usize) -> [Way; 2] {
    if round.is_multiple_of(2) {
        [Way::Former, Way::Function]
    } else {
        [Way::Function, Way::Former]
    }
}

/// A call that answers one row.
async fn once(
    client: &Client,
    sql: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> (Row, Duration) {
    let started = Instant::now();
    let mut rows = client.query_typed(sql, parameters).await.unwrap();
    let took = started.elapsed();
    assert_eq!(rows.len(), 1, "{sql} {parameters:?}");
    (rows.remove(0), took)
}

fn print(name: &str, times: [Vec<Duration>; 2], aim: Option<f64>) {
    let [former, function] = times.map(|mut times| {
        times.sort_unstable();
        [2, 4].map(|part| times[times.len() / part].as_secs_f64() * 1e6)
    });
    let [median, quartile] = [0, 1].map(|n| function[n] / former[n]);
    let aim = aim.map_or(String::new(), |aim| format!(" (at most {aim} is the aim)"));
    let [former, function] = [former[0], function[0]];
    println!("  {name:<34} {former:>6.0} {function:>6.0}  {median:.2} {quartile:.2}{aim}");
}

async fn store(secrets: &SecretsManager) -> Store {
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(secrets.url())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .load()
        .await;
    let env = Env::from_pairs([("DATABASE_SECRET_ID", "postern/database")]);
    let secrets = Secrets::from_sdk(&sdk, &SecretsConfig::from_env(&env).unwrap());
    let config = DatabaseConfig::from_env(&env).unwrap();
    Store::new(config, Arc::new(secrets), Schema::Control).unwrap()
}
