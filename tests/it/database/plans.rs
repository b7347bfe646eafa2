//! Plans do not rot: with a million rows, each statement of the store reads by the indexes that it is meant to use,
//! and reads no more than it needs.
//!
//! The plans are those that are made inside the functions, under their owners' row-level security: `auto_explain`
//! reports them.

mod batches;

use crate::world::World;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::Client;

const FILL: &str = include_str!("plans/fill.sql");
const CALLS: &str = include_str!("plans/calls.sql");

/// What each session that explains sets first.
const EXPLAIN: &str = "load 'auto_explain';
    set auto_explain.log_min_duration = 0;
    set auto_explain.log_nested_statements = on;
    set auto_explain.log_analyze = on;
    set auto_explain.log_timing = off;
    set auto_explain.log_verbose = on;
    set auto_explain.log_format = json;
    set auto_explain.log_level = notice;";

/// The only tables that may be read from end to end, and by which function.
const WHOLE: [(&str, &str, &str); 4] = [
    (
        "postern_sweep.deliveries_due_1",
        "organizations",
        "organizations take turns: it looks at each once",
    ),
    (
        "postern_sweep.interactions_unsettled_1",
        "organizations",
        "the same",
    ),
    (
        "postern_sweep.interactions_unposted_1",
        "organizations",
        "the same",
    ),
    (
        "postern_control.organization_delete_1",
        "egress_policies",
        "an index by organization alone would be taken by what reads policies",
    ),
];

/// The most rows that one step of a plan may read at a time: a batch, or the open questions that an agent may have.
/// Organization o-1 has more of everything.
const MOST_ROWS: f64 = 1000.0;

/// What requests and clicks wait for. Postgres may plan them at each call, or once for all calls of a session;
/// its choice comes after five calls.
const HOT: [&str; 6] = [
    "postern_proxy.access_facts_1",
    "postern_proxy.policy_facts_1",
    "postern_webhooks.chat_turn_1",
    "postern_webhooks.interaction_claim_1",
    "postern_webhooks.interaction_store_1",
    "postern_webhooks.policy_facts_1",
];

/// A call, and the indexes that it is meant to use.
struct Call {
    function: &'static str,
    sql: String,
    indexes: BTreeSet<&'static str>,
}

/// The calls in the file, each below the comment that names its indexes.
fn calls() -> Vec<Call> {
    let blocks = CALLS
        .split("\n\n")
        .filter(|block| block.contains("select * from"));
    let read = |block: &'static str| {
        let (comment, sql) = block.split_at(block.find("select").unwrap());
        let sql = sql.trim_end().trim_end_matches(';');
        let words = comment.split_whitespace();
        Call {
            function: sql["select * from ".len()..].split('(').next().unwrap(),
            sql: sql.split_whitespace().collect::<Vec<_>>().join(" "),
            indexes: words
                .filter(|word| !["--", "none"].contains(word))
                .collect(),
        }
    };
    blocks.map(read).collect()
}

/// What the plans of a call used, and what is wrong with them.
#[derive(Default)]
struct Used {
    indexes: BTreeSet<String>,
    wrong: BTreeSet<String>,
}

impl Used {
    fn look(&mut self, function: &str, node: &Value, own: bool) {
        let text = |name: &str| node[name].as_str().unwrap_or_default();
        let rows = |name: &str| node[name].as_f64().unwrap_or_default();
        let (kind, table) = (text("Node Type"), text("Relation Name"));
        let of_store = text("Schema") == "postern";
        let allowed = WHOLE
            .iter()
            .any(|(by, of, _)| (*by, *of) == (function, table));
        if kind == "Seq Scan" && of_store && !allowed {
            self.wrong.insert(format!("it reads all of {table}"));
        }
        let read = rows("Actual Rows") + rows("Rows Removed by Filter");
        let stored = !table.is_empty() || kind == "Bitmap Index Scan";
        if stored && kind != "Seq Scan" && read > MOST_ROWS {
            self.wrong
                .insert(format!("{kind} of {table} reads {read} rows"));
        }
        if own && let Some(index) = node["Index Name"].as_str() {
            self.indexes.insert(index.to_owned());
        }
        for inner in node["Plans"].as_array().into_iter().flatten() {
            self.look(function, inner, own);
        }
    }
}

/// A session that calls functions and collects their plans.
struct Explained {
    client: Client,
    notices: UnboundedReceiver<String>,
}

impl Explained {
    async fn start(world: &World, plan_cache_mode: &str) -> Self {
        let (client, notices) = world.noticing().await;
        let set = format!("{EXPLAIN} set plan_cache_mode = {plan_cache_mode}");
        client.batch_execute(&set).await.unwrap();
        Self { client, notices }
    }

    /// Makes a call, which changes nothing.
    async fn call(&mut self, function: &str, sql: &str, used: &mut Used) {
        while self.notices.try_recv().is_ok() {}
        let sql = format!("begin; {sql}; rollback");
        if let Err(error) = self.client.batch_execute(&sql).await {
            panic!("{sql}: {error:?}");
        }
        let mut plans = 0;
        while let Ok(notice) = self.notices.try_recv() {
            let Some((_, plan)) = notice.split_once("plan:\n") else {
                continue;
            };
            let plan: Value = serde_json::from_str(plan).unwrap();
            // Postgres itself writes `only`, when it checks a foreign key.
            let own = !plan["Query Text"].as_str().unwrap().contains(" FROM ONLY ");
            used.look(function, &plan["Plan"], own);
            plans += 1;
        }
        assert!(plans > 1, "{function} shows no plan of its own");
    }
}

#[tokio::test]
async fn every_function_reads_by_its_indexes_at_a_million_rows() {
    let world = World::new().await;
    world.sql(FILL).await;
    let rows = "select sum(reltuples)::bigint >= 1000000 from pg_class
        where relnamespace = 'postern'::regnamespace and relkind = 'r'";
    assert_eq!(world.value(rows).await, "t");
    let calls = calls();
    let named: BTreeSet<&str> = calls.iter().map(|call| call.function).collect();
    let functions = "select string_agg(nspname || '.' || proname, ' ' order by 1)
        from pg_proc join pg_namespace n on n.oid = pronamespace where nspname like 'postern\\_%'";
    let functions = world.value(functions).await;
    let all: BTreeSet<&str> = functions.split(' ').collect();
    assert_eq!(
        named, all,
        "tests/it/database/plans/calls.sql calls each once"
    );
    let mut used: BTreeMap<usize, Used> = BTreeMap::new();
    for (mode, times) in [
        ("force_custom_plan", 1),
        ("force_generic_plan", 1),
        ("auto", 8),
    ] {
        let mut session = Explained::start(&world, mode).await;
        // The largest organization, and one of the others.
        for organization in ["o-1'", "o-77'"] {
            for (at, call) in calls.iter().enumerate() {
                if times > 1 && !HOT.contains(&call.function) {
                    continue;
                }
                let sql = call.sql.replace("o-1'", organization);
                for _ in 0..times {
                    let used = used.entry(at).or_default();
                    session.call(call.function, &sql, used).await;
                }
            }
        }
    }
    let mut wrong = Vec::new();
    for (call, used) in calls.iter().zip(used.values()) {
        let found: BTreeSet<&str> = used.indexes.iter().map(String::as_str).collect();
        for other in found.symmetric_difference(&call.indexes) {
            let how = if found.contains(other) {
                "uses"
            } else {
                "does not use"
            };
            wrong.push(format!("{} {how} {other}", call.sql));
        }
        let what = used.wrong.iter();
        wrong.extend(what.map(|what| format!("{}: {what}", call.sql)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    emptied(&world).await;
}

/// Frees the disk and whatever vacuums it.
async fn emptied(world: &World) {
    world.sql("drop schema postern cascade").await;
}
