//! Between the functions and Postgres: poolers and time-outs.

use crate::support::{REAL_KEY, World, press, question, through};
use postern_stack::{HttpRequest, PgBouncer};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, SimpleQueryMessage};

/// The functions' sessions in this database.
const SESSIONS: &str =
    "from pg_stat_activity where datname = current_database() and application_name like 'postern%'";
/// Those that wait for a lock.
const WAITING: &str = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";

/// The first column of a query's rows, as text.
async fn column(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await.unwrap();
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    });
    rows.collect()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn proxied(placeholder: &str) -> HttpRequest {
    through("openai/v1/chat/completions", placeholder)
}

/// Asks the question `id` and answers it.
async fn asked_and_answered(world: &World, token: &str, id: &str) {
    let asked = world.ask(token, &question(id)).await;
    assert_eq!(asked.status, 201, "{}", asked.text());
    let click = format!("{id}:0");
    let clicked = world.click("slack-a", &press("U1", &click)).await;
    assert_eq!(clicked.status, 200, "{}", clicked.text());
    let read = world.read(token, id).await.json();
    assert_eq!(read["status"], "answered", "{read}");
}

#[tokio::test]
async fn everything_works_behind_a_pooler_that_shares_its_sessions() {
    let world = World::new().await;
    let bouncer = PgBouncer::start(&world.secrets_database()).await.unwrap();
    let port = bouncer.port().to_string();
    // The secret goes on naming the database itself, as one that RDS rotates does.
    let world = world.again(&[("DATABASE_HOST", bouncer.host()), ("DATABASE_PORT", &port)]);
    // A password that was rotated is read again though the pooler does not say what it refused.
    let secret = world.secrets_database();
    let mut former: Value = serde_json::from_str(&secret).unwrap();
    former["password"] = "former".into();
    world.secrets.put("postern/database", former.to_string());
    let put = json!({"command": "put_organization", "id": "a"});
    let refused = world.command(put).await;
    assert_eq!(
        refused["error"]["code"], "database_unavailable",
        "{refused}"
    );
    world.secrets.put("postern/database", secret);
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let token = world.conversing("a", "U1").await;
    let proxy = world.environments("proxy", 2).await;
    for round in 0..5 {
        let send = || World::call_on(&proxy, proxied(&placeholder).v2());
        let id = format!("q-{round}");
        let (one, two, (), swept) = tokio::join!(
            send(),
            send(),
            asked_and_answered(&world, &token, &id),
            world.sweep(json!({}))
        );
        assert_eq!((one.status, two.status), (200, 200), "{one:?} {two:?}");
        assert!(swept.is_ok(), "{swept:?}");
    }
    let seen = world.upstream.seen();
    assert_eq!(seen.len(), 10);
    for request in seen {
        assert_eq!(
            request.headers["authorization"],
            format!("Bearer {REAL_KEY}")
        );
    }
    let database: Value = serde_json::from_str(&world.secrets_database()).unwrap();
    let of_ours = |rows: &Vec<std::collections::BTreeMap<String, String>>, column: &str| {
        rows.iter()
            .filter(|row| row["database"] == database["dbname"].as_str().unwrap())
            .map(|row| row[column].clone())
            .collect::<Vec<_>>()
    };
    let clients = of_ours(&bouncer.show("clients").await.unwrap(), "addr");
    let pids = of_ours(&bouncer.show("servers").await.unwrap(), "remote_pid");
    assert!(clients.len() > pids.len(), "{clients:?} {pids:?}");
    let sessions = column(&world.client().await, &format!("select pid {SESSIONS}")).await;
    assert!(!sessions.is_empty(), "{:?}", bouncer.logs().await);
    assert!(
        sessions.iter().all(|pid| pids.contains(pid)),
        "past the pooler: {sessions:?} {pids:?}"
    );
}

#[tokio::test]
async fn the_database_secret_may_hold_as_little_as_rds_writes_and_what_is_missing_is_named() {
    let world = World::new().await;
    let all: Value = serde_json::from_str(&world.secrets_database()).unwrap();
    let text = |name: &str| all[name].as_str().unwrap();
    let port = all["port"].to_string();
    let mut rotated =
        json!({"username": text("username"), "password": text("password"), "sslmode": "disable"});
    world.secrets.put("postern/database", rotated.to_string());
    let put = json!({"command": "put_organization", "id": "a"});
    let refused = world.command(put.clone()).await;
    assert_eq!(
        refused["error"]["code"], "database_unavailable",
        "{refused}"
    );
    let logs = async || world.control().await.logs().await.join("\n");
    until("what is missing is named", async || {
        let said = logs().await;
        said.contains("`host`") && said.contains("DATABASE_HOST")
    })
    .await;
    let said = logs().await;
    assert!(!said.contains(text("password")), "{said}");
    let elsewhere = [
        ("DATABASE_HOST", text("host")),
        ("DATABASE_PORT", &port),
        ("DATABASE_NAME", text("dbname")),
    ];
    let world = world.again(&elsewhere);
    world.ok(put.clone()).await;
    // What the secret says otherwise does not count.
    rotated["host"] = "db.invalid".into();
    rotated["port"] = "1".into();
    rotated["dbname"] = "elsewhere".into();
    rotated["username"] = "nobody".into();
    world.secrets.put("postern/database", rotated.to_string());
    let world = world.again(&[("DATABASE_USER", text("username"))]);
    world.ok(put).await;
}

#[tokio::test]
async fn a_statement_that_took_too_long_is_cancelled_and_not_applied_when_its_lock_is_free() {
    let world = World::with_env(&[("DATABASE_TIMEOUT_MS", "400")]).await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    let other = world.client().await;
    other
        .batch_execute("begin; select from pending_interactions for update")
        .await
        .unwrap();
    let click = press("U1", "q-1:0");
    let clicked = world.click("slack-a", &click).await;
    assert_eq!(clicked.status, 503, "{}", clicked.text());
    until("the claim is cancelled", async || {
        world.value(WAITING).await == "0"
    })
    .await;
    other.batch_execute("rollback").await.unwrap();
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "pending");
    assert_eq!(world.click("slack-a", &click).await.status, 200);
}
