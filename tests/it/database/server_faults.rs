//! Faults of the server itself: it ends statements, has no connection left, has a full disk, or is replaced.

use super::{
    Agent, DATABASE, SESSIONS, column, own_server, proxied, terminate_sessions, unavailable,
};
use crate::world::{ANYWHERE, World, merged, press};
use postern_stack::{FUNCTIONS, Receiver, Relay, login_of};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// Whether the question is open, as its agent reads it.
async fn is_open(world: &World, agent: &Agent, id: &str) -> bool {
    world.read(&agent.token, id).await.json()["status"] == "pending"
}

/// Changes something about each function's login.
async fn alter_logins(operator: &Client, change: &str) {
    for function in FUNCTIONS {
        let alter = format!("alter role {} {change}", login_of(function));
        operator.batch_execute(&alter).await.unwrap();
    }
}

#[tokio::test]
async fn a_statement_that_the_server_ends_does_nothing_and_its_session_goes_on() {
    let (world, postgres) = own_server(&[]).await;
    let agent = Agent::new(&world).await;
    let operator = postgres.connect(DATABASE).await.unwrap();
    alter_logins(&operator, "set statement_timeout = '500ms'").await;
    // The setting is read where a session begins.
    terminate_sessions(&operator).await;
    agent.is_served(&world, "q-0").await;
    agent.asks(&world, "q-1").await;
    let sessions = format!("select pid {SESSIONS} order by pid");
    let before = column(&operator, &sessions).await;
    let holder = postgres.connect(DATABASE).await.unwrap();
    let lock =
        "begin; lock table organizations, agents, placeholders, connections, pending_interactions
        in access exclusive mode";
    holder.batch_execute(lock).await.unwrap();
    let began = Instant::now();
    agent.is_refused(&world, "q-1").await;
    let took = began.elapsed();
    holder.batch_execute("rollback").await.unwrap();
    assert!(
        took < Duration::from_secs(15),
        "DATABASE_TIMEOUT_MS ended it: {took:?}"
    );
    assert!(is_open(&world, &agent, "q-1").await);
    agent.is_served(&world, "q-2").await;
    let after = column(&operator, &sessions).await;
    let lost = before.iter().filter(|pid| !after.contains(pid));
    assert_eq!(lost.count(), 0, "{before:?} {after:?}");
}

#[tokio::test]
async fn when_the_server_has_no_connection_left_the_next_request_with_one_is_served() {
    let (world, postgres) = own_server(&[]).await;
    let agent = Agent::new(&world).await;
    let operator = postgres.connect(DATABASE).await.unwrap();
    agent.is_served(&world, "q-0").await;
    agent.asks(&world, "q-1").await;
    alter_logins(&operator, "connection limit 0").await;
    terminate_sessions(&operator).await;
    agent.is_refused(&world, "q-1").await;
    let logs = world.webhooks().await.logs().await.join("\n");
    assert!(logs.contains("(53300)"), "{logs}");
    // One is enough: a function that wants more waits for it.
    alter_logins(&operator, "connection limit 1").await;
    assert!(is_open(&world, &agent, "q-1").await);
    let clicked = world.click("slack-a", &press("U1", "q-1:0")).await;
    assert_eq!(clicked.status, 200, "{}", clicked.text());
    alter_logins(&operator, "connection limit -1").await;
    agent.is_served(&world, "q-2").await;
}

/// Puts a device that is always full in the place of an empty table's file, or takes it away.
#[cfg(target_os = "linux")]
async fn fill_disk(operator: &Client, table: &str, full: bool) {
    let path = format!(
        "select current_setting('data_directory') || '/' || pg_relation_filepath('{table}')"
    );
    let file = column(operator, &path).await.remove(0);
    let kept = format!("{file}.kept");
    if full {
        std::fs::rename(&file, &kept).unwrap();
        std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    } else {
        std::fs::rename(&kept, &file).unwrap();
    }
    // Sessions hold files open.
    terminate_sessions(operator).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn on_a_full_disk_nothing_is_half_written_and_what_only_reads_is_served() {
    let (world, postgres) = own_server(&[]).await;
    let agent = Agent::new(&world).await;
    let receiver = Receiver::start_on(ANYWHERE).await.unwrap();
    let operator = postgres.connect(DATABASE).await.unwrap();
    let body = merged(
        json!({"id": "q-1", "kind": "approval", "tool": "git/push", "args": {}}),
        json!({"callback_url": receiver.url()}),
    );
    let wrote = "select concat_ws(' ', (select count(*) from pending_interactions),
        (select count(*) from pending_interactions where claimed_at is not null),
        (select count(*) from deliveries), (select count(*) from grants))";
    let wrote = async || column(&operator, wrote).await.remove(0);
    fill_disk(&operator, "pending_interactions", true).await;
    unavailable(&world.ask(&agent.token, &body).await);
    assert!(world.slack.calls().is_empty());
    assert_eq!(
        world.call_proxy(proxied(&agent.placeholder)).await.status,
        200
    );
    fill_disk(&operator, "pending_interactions", false).await;
    assert_eq!(wrote().await, "0 0 0 0");
    let asked = world.ask(&agent.token, &body).await;
    assert_eq!(asked.status, 201, "{}", asked.text());
    let click = press("U1", "q-1:2");
    for table in ["deliveries", "grants"] {
        fill_disk(&operator, table, true).await;
        unavailable(&world.click("slack-a", &click).await);
        assert!(is_open(&world, &agent, "q-1").await);
        fill_disk(&operator, table, false).await;
        assert_eq!(wrote().await, "1 0 0 0", "{table}");
    }
    let logs = world.webhooks().await.logs().await.join("\n");
    assert_eq!(logs.matches("(53100)").count(), 3, "{logs}");
    let clicked = world.click("slack-a", &click).await;
    assert_eq!(clicked.status, 200, "{}", clicked.text());
    assert_eq!(wrote().await, "1 1 1 1");
    assert_eq!(receiver.received().len(), 1);
}

/// Copies the rows of a database to another server, as replication does.
async fn replicate(from: &Client, to: &Client) {
    let tables = "select relname from pg_class where relnamespace = 'postern'::regnamespace and relkind = 'r'
        and relname <> 'refinery_schema_history'";
    // The replica has rows of its own from before, and they go.
    let empty = "truncate postern.organizations cascade; set session_replication_role = replica";
    to.batch_execute(empty).await.unwrap();
    for table in column(from, tables).await {
        let columns = format!(
            "select string_agg(attname, ', ') from pg_attribute where attrelid = 'postern.{table}'::regclass
                and attnum > 0 and not attisdropped and attgenerated = ''"
        );
        let columns = column(from, &columns).await.remove(0);
        let rows = format!("select coalesce(jsonb_agg(t), '[]') from postern.{table} t");
        let rows = column(from, &rows).await.remove(0).replace('\'', "''");
        let copy = format!(
            "insert into postern.{table} ({columns})
             select {columns} from jsonb_populate_recordset(null::postern.{table}, '{rows}')"
        );
        to.batch_execute(&copy).await.unwrap();
    }
}

#[tokio::test]
async fn a_fresh_server_with_another_password_takes_over() {
    let (world, mut first) = own_server(&[]).await;
    let (_, second) = own_server(&[]).await;
    let agent = Agent::new(&world).await;
    let relay = Relay::start(first.port()).await.unwrap();
    let port = relay.port().to_string();
    let world = world.restarted_with(&[
        ("DATABASE_HOST", relay.host()),
        ("DATABASE_PORT", &port),
        ("DATABASE_TIMEOUT_MS", "1500"),
    ]);
    agent.is_served(&world, "q-0").await;
    agent.asks(&world, "q-1").await;
    let from = first.connect(DATABASE).await.unwrap();
    let to = second.connect(DATABASE).await.unwrap();
    replicate(&from, &to).await;
    // The former server is gone before the new one has its place.
    first.stop().await.unwrap();
    agent.is_refused(&world, "q-1").await;
    relay.move_to(second.port());
    // The functions still hold the former password.
    let secret = second.secret_json(DATABASE);
    world.secrets.put("postern/database", secret);
    let clicked = world.click("slack-a", &press("U1", "q-1:0")).await;
    assert_eq!(clicked.status, 200, "{}", clicked.text());
    let read = world.read(&agent.token, "q-1").await.json();
    assert_eq!(read["status"], "answered", "{read}");
    agent.is_served(&world, "q-2").await;
    let answered = "select count(*) from pending_interactions where claimed_at is not null";
    assert_eq!(column(&to, answered).await, ["3"]);
}
