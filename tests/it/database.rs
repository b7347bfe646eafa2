//! What may happen between the functions and Postgres: poolers, failovers, outages, locks and many
//! rows.

mod connecting;
mod failovers;
mod faults;
mod locks;
mod migrations;
mod plans;
mod round_trips;
mod server_faults;
mod turns;

use crate::world::{Answer, World, press, question, through};
use postern_stack::{HttpRequest, Postgres};
use serde_json::json;
use tokio_postgres::{Client, SimpleQueryMessage};

/// The functions' sessions in this database.
const SESSIONS: &str =
    "from pg_stat_activity where datname = current_database() and application_name like 'postern%'";
/// How many sessions wait for a lock.
const WAITING: &str = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
const DATABASE: &str = "own";

/// A world with a database server of its own, which a test may stop.
async fn own_server(env: &[(&str, &str)]) -> (World, Postgres) {
    let (world, postgres) = tokio::join!(World::with_env(env), Postgres::start());
    let postgres = postgres.unwrap();
    postgres.create_database(DATABASE, None).await.unwrap();
    world
        .secrets
        .put("postern/database", postgres.secret_json(DATABASE));
    world.ok(json!({"command": "migrate"})).await;
    world.create_logins(&postgres).await;
    world.tenants().await;
    (world, postgres)
}

/// The first column of a query's rows, as text.
async fn column(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await.unwrap();
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    });
    rows.collect()
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

/// Ends the functions' sessions and waits until they are gone.
async fn terminate_sessions(operator: &Client) -> usize {
    let ended = format!("select pg_terminate_backend(pid, 5000) {SESSIONS}");
    column(operator, &ended).await.len()
}

/// Changes a setting of the whole server.
async fn set_for_server(operator: &Client, name: &str, value: &str) {
    for sql in [
        &format!("alter system set {name} = {value}"),
        "select pg_reload_conf()",
    ] {
        operator.batch_execute(sql).await.unwrap();
    }
}

/// The database could not answer, and the client may try again.
fn unavailable(answer: &Answer) {
    let text = answer.text();
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "database_unavailable"),
        "{text}"
    );
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
}

/// What an agent of organization a holds.
struct Agent {
    placeholder: String,
    token: String,
}

impl Agent {
    async fn new(world: &World) -> Self {
        Self {
            placeholder: world.placeholder("a", "agent-a").await,
            token: world.conversing("a", "U1").await,
        }
    }

    async fn asks(&self, world: &World, id: &str) {
        let asked = world.ask(&self.token, &question(id)).await;
        assert_eq!(asked.status, 201, "{}", asked.text());
    }

    /// All four functions serve. `id` is of a new question.
    async fn is_served(&self, world: &World, id: &str) {
        asked_and_answered(world, &self.token, id).await;
        let answer = world.call_proxy(proxied(&self.placeholder)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let swept = world.sweep(json!({})).await;
        assert!(swept.is_ok(), "{swept:?}");
        world
            .ok(json!({"command": "put_organization", "id": "a"}))
            .await;
    }

    /// All four functions say that the database is unavailable, and nothing leaves them. `open` is of an unanswered
    /// question.
    async fn is_refused(&self, world: &World, open: &str) {
        world.upstream.clear();
        let calls = world.slack.calls().len();
        unavailable(&world.call_proxy(proxied(&self.placeholder)).await);
        unavailable(&world.ask(&self.token, &question("never")).await);
        let click = format!("{open}:0");
        unavailable(&world.click("slack-a", &press("U1", &click)).await);
        let swept = world.sweep(json!({})).await;
        assert!(swept.is_err(), "{swept:?}");
        let put = json!({"command": "put_organization", "id": "never"});
        let put = world.command(put).await;
        assert_eq!(put["error"]["code"], "database_unavailable", "{put}");
        assert!(world.upstream.seen().is_empty());
        assert_eq!(world.slack.calls().len(), calls);
    }
}
