//! The database refuses: what each role, SQL function, route and command can reach of another organization. The
//! mutations show that each rule is needed, and that row-level security holds where a statement forgets to ask.

mod calls;
mod cases;
mod catalogue;
mod logins;
mod mutations;
mod rights;
mod routes;
mod rows;

pub(crate) use rows::held;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Owners of SQL functions that see the declared organization.
const OWNERS: [&str; 4] = [
    "postern_proxy_owner",
    "postern_webhooks_owner",
    "postern_sweep_owner",
    "postern_control_owner",
];
/// Owners of SQL functions that see all organizations.
const ACROSS: [&str; 3] = ["postern_finder", "postern_remover", "postern_courier"];
/// The groups of the functions' logins.
const GROUPS: [&str; 4] = [
    "postern_proxy",
    "postern_webhooks",
    "postern_sweep",
    "postern_control",
];

/// The rows of the last query, each with its columns joined by spaces; or the error's code.
async fn run(client: &Client, sql: &str) -> Result<Vec<String>, String> {
    let messages = client.simple_query(sql).await.map_err(|error| {
        let code = error.code().map_or("", |code| code.code());
        format!("{code} {error}")
    })?;
    let mut rows = Vec::new();
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(_) => rows.clear(),
            SimpleQueryMessage::Row(row) => {
                let columns = (0..row.len()).map(|n| row.get(n).unwrap_or("null"));
                rows.push(columns.collect::<Vec<_>>().join(" "));
            }
            _ => {}
        }
    }
    Ok(rows)
}

/// Runs SQL that must succeed.
async fn done(client: &Client, sql: &str) -> Vec<String> {
    run(client, sql)
        .await
        .unwrap_or_else(|error| panic!("{error}: {sql}"))
}
