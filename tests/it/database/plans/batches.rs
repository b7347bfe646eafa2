//! A batch of the sweep costs the same, however many rows there are.
//!
//! `POSTERN_TEST_ROWS=10000000 cargo test -p postern-it batch_costs_the_same -- --nocapture` does it with ten million.

use super::emptied;
use crate::world::World;
use serde_json::Value;
use tokio_postgres::{Client, SimpleQueryMessage};

const FEW: u64 = 10_000;
const MANY: u64 = 1_000_000;
/// The bound on the many's cost, as a multiple of the few's.
const BOUND: f64 = 1.2;
/// Another test may take the processor from any round, so the best round of each counts. They go on until the bound
/// holds, but not for ever.
const ROUNDS: (usize, usize) = (5, 200);

/// How rows are made, and what deletes the oldest 1,000 of them. All are stale.
const TABLES: [(&str, &str, &str); 2] = [
    (
        "revoked_tokens",
        "insert into postern.revoked_tokens (organization_id, jti, expires_at)
         select 'o-' || n % 100, 'j-' || n, now() - interval '1 year' + n * interval '1 second'
         from generate_series(1::bigint, {rows}) n",
        "postern_sweep.delete_revoked_tokens_1(1000)",
    ),
    (
        "pending_interactions",
        "insert into postern.pending_interactions (organization_id, id, connection_id, expected_user_id, agent_id,
             entry_payload, created_at)
         select 'o-' || n % 100, 'q-' || n, 'c-' || n % 100, 'u', 'x',
             '{\"kind\": \"question\", \"options\": [], \"callback_url\": \"https://x\"}',
             now() - interval '1 year' + n * interval '1 second'
         from generate_series(1::bigint, {rows}) n",
        "postern_sweep.delete_pending_interactions_1(1000, 86400000)",
    ),
];

/// The least that a batch cost so far.
#[derive(Debug)]
struct Cost {
    blocks: f64,
    milliseconds: f64,
}

impl Cost {
    const MOST: Self = Self {
        blocks: f64::MAX,
        milliseconds: f64::MAX,
    };

    /// Deletes a batch and undoes it.
    async fn measure(&mut self, client: &Client, batch: &str) {
        let explained = format!("explain (analyze, buffers, format json) select * from {batch}");
        client.batch_execute("begin").await.unwrap();
        let messages = client.simple_query(&explained).await.unwrap();
        client.batch_execute("rollback").await.unwrap();
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        let plan: Value = serde_json::from_str(row.unwrap()).unwrap();
        let number = |value: &Value| value.as_f64().unwrap();
        let node = &plan[0]["Plan"];
        let blocks = number(&node["Shared Hit Blocks"]) + number(&node["Shared Read Blocks"]);
        self.blocks = self.blocks.min(blocks);
        let milliseconds = number(&plan[0]["Execution Time"]);
        self.milliseconds = self.milliseconds.min(milliseconds);
    }
}

/// A world whose tables have this many rows.
async fn filled(rows: u64) -> World {
    let world = World::new().await;
    world
        .sql(
            "insert into organizations (id) select 'o-' || n from generate_series(0, 99) n;
             insert into agents (organization_id, id) select 'o-' || n, 'x' from generate_series(0, 99) n;
             insert into connections (id, organization_id, platform, secret_ref)
             select 'c-' || n, 'o-' || n, 'slack', 'x' from generate_series(0, 99) n",
        )
        .await;
    for (table, fill, _) in TABLES {
        let fill = fill.replace("{rows}", &rows.to_string());
        // The foreign keys hold by construction.
        let fill = format!("set session_replication_role = replica; {fill}; analyze {table}");
        world.sql(&fill).await;
    }
    world
}

#[tokio::test]
async fn a_batch_costs_the_same_in_a_small_table_and_in_a_large_one() {
    let many = std::env::var_os("POSTERN_TEST_ROWS");
    let many = many.map_or(MANY, |rows| rows.to_str().unwrap().parse().unwrap());
    let worlds = [filled(FEW).await, filled(many).await];
    let clients = [worlds[0].client().await, worlds[1].client().await];
    for (table, _, batch) in TABLES {
        for client in &clients {
            let deleted = format!("begin; select deleted from {batch}");
            let deleted = super::super::column(client, &deleted).await;
            client.batch_execute("rollback").await.unwrap();
            assert_eq!(deleted, ["1000"], "{table}");
        }
        let mut costs = [Cost::MOST, Cost::MOST];
        let (at_least, at_most) = ROUNDS;
        for round in 1..=at_most {
            for (cost, client) in costs.iter_mut().zip(&clients) {
                cost.measure(client, batch).await;
            }
            let slower = costs[1].milliseconds / costs[0].milliseconds;
            if round >= at_least && slower <= BOUND {
                break;
            }
        }
        let [few, many] = &costs;
        println!("{table}: {few:?}, {many:?}");
        assert!(many.blocks <= few.blocks * BOUND, "{table}: {costs:?}");
        let slow = few.milliseconds * BOUND;
        assert!(many.milliseconds <= slow, "{table}: {costs:?}");
    }
    for world in &worlds {
        emptied(world).await;
    }
}
