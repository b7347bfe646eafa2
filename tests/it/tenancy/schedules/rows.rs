//! The rows before and after a round, in plain SQL.

use super::plan::{Before, Schedule, revision};
use super::play::{Ground, click_key, payload};
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write, sync::Arc};
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

/// What is stored after a round, by the interaction's id.
#[derive(Debug, Default)]
pub struct Rows {
    pub pending: BTreeMap<String, Value>,
    pub ended: BTreeMap<String, Value>,
    pub deliveries: BTreeMap<String, Vec<Value>>,
}

/// Removes the last round's rows and makes those that the schedules begin with. Returns when those were created, in
/// microseconds.
pub async fn begin(
    operator: &Client,
    ground: &Ground,
    schedules: &[Arc<Schedule>],
) -> BTreeMap<String, i128> {
    let mut sql = String::from(
        "delete from postern.pending_interactions; delete from postern.ended_interactions;
         delete from postern.deliveries;",
    );
    for schedule in schedules {
        let (created, posted, claimed) = match schedule.before {
            Before::Nothing => continue,
            Before::Open { posted } => ("'-10 minutes'".to_owned(), posted, "null"),
            Before::Expiring { after, posted } => {
                (format!("'-24 hours {after} milliseconds'"), posted, "null")
            }
            Before::Answered => ("'-25 hours'".to_owned(), true, "now() - interval '2 hours'"),
        };
        let scope = ground.workers[schedule.worker]
            .conversation()
            .unwrap()
            .scope();
        let (id, revision) = (schedule.id.as_str(), revision(0));
        let (posted, due) = if posted {
            ("now()", "null::timestamptz")
        } else {
            ("null::timestamptz", "now()")
        };
        let content = serde_json::to_string(&payload(0)).unwrap();
        let key: String = click_key(9)
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        write!(
            sql,
            "insert into postern.pending_interactions (organization_id, id, connection_id, expected_user_id, agent_id,
                 entry_payload, created_at, stored_at, revision, posted_at, post_at, claimed_at, answer, claimed_click)
             select '{}', '{id}', '{}', '{}', 'x', '{content}', t.created, t.created, '{}', {posted}, {due}, c.claimed,
                 case when c.claimed is not null then
                     '{{\"value\": \"Yes\", \"index\": 0, \"user_id\": \"U1\", \"answered_at\": \"2026-01-01T00:00:00.000Z\"}}'::jsonb
                 end,
                 case when c.claimed is not null then '\\x{key}'::bytea end
             from (select now() + interval {created} as created) t, (select ({claimed})::timestamptz as claimed) c;",
            scope.organization().as_str(),
            scope.connection().as_str(),
            scope.user().as_str(),
            revision.as_str(),
        )
        .unwrap();
    }
    sql += "select id, (extract(epoch from created_at) * 1000000)::bigint from postern.pending_interactions";
    let begun = rows(operator, &sql).await;
    let created = |row: &SimpleQueryRow| {
        (
            row.get(0).unwrap().to_owned(),
            row.get(1).unwrap().parse().unwrap(),
        )
    };
    begun.iter().map(created).collect()
}

async fn rows(operator: &Client, sql: &str) -> Vec<SimpleQueryRow> {
    let messages = operator.simple_query(sql).await.unwrap();
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

/// Lets everything that was not delivered be due.
pub async fn end_leases(operator: &Client) {
    let sql = "update postern.deliveries set next_attempt_at = now() - interval '1 second' where delivered_at is null";
    operator.batch_execute(sql).await.unwrap();
}

pub async fn read(operator: &Client) -> Rows {
    const READ: &str = "
        select 'pending', i.id, to_jsonb(i) || jsonb_build_object(
            'created', (extract(epoch from i.created_at) * 1000000)::bigint)
        from postern.pending_interactions i
        union all
        select 'ended', e.id, to_jsonb(e) from postern.ended_interactions e
        union all
        select 'delivery', d.interaction_id, to_jsonb(d) from postern.deliveries d";
    let mut found = Rows::default();
    for row in rows(operator, READ).await {
        let id = row.get(1).unwrap().to_owned();
        let value: Value = serde_json::from_str(row.get(2).unwrap()).unwrap();
        match row.get(0).unwrap() {
            "pending" => drop(found.pending.insert(id, value)),
            "ended" => drop(found.ended.insert(id, value)),
            _ => found.deliveries.entry(id).or_default().push(value),
        }
    }
    found
}
