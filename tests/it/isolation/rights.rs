//! What each role may do: with each table, as each organization, and with each schema and function.

use super::catalogue::of_the_catalogue;
use super::rows::{self, ROWS, organization_column};
use super::{ACROSS, GROUPS, OWNERS, done, run};
use crate::world::World;
use tokio_postgres::Client;

/// The rows that each owner may select, insert, update and delete. A role that is not named for a table may do nothing
/// with it.
const RIGHTS: &str = "
    postern_proxy_owner    organizations          own        -      -         -
    postern_proxy_owner    agents                 own        -      -         -
    postern_proxy_owner    placeholders           own+legacy -      -         -
    postern_proxy_owner    auth_profiles          own        -      -         -
    postern_proxy_owner    providers              own        -      -         -
    postern_proxy_owner    revoked_tokens         own        -      -         -
    postern_proxy_owner    deployment_revocations own        -      -         -
    postern_proxy_owner    egress_policies        own        -      -         -
    postern_proxy_owner    egress_verdicts        own        own    own       -
    postern_proxy_owner    grants                 own        -      -         -
    postern_proxy_owner    connections            own        -      -         -
    postern_proxy_owner    pending_interactions   own        others approvals approvals
    postern_proxy_owner    sealed_secrets         keys+chats -      -         -
    postern_proxy_owner    chat_turns             own        own    own       -
    postern_webhooks_owner agents                 own        -      -         -
    postern_webhooks_owner revoked_tokens         own        -      -         -
    postern_webhooks_owner deployment_revocations own        -      -         -
    postern_webhooks_owner egress_policies        own        -      -         -
    postern_webhooks_owner connections            own        -      -         -
    postern_webhooks_owner grants                 own        own    own       -
    postern_webhooks_owner ended_interactions     own        own    own       -
    postern_webhooks_owner pending_interactions   own        own    own       own
    postern_webhooks_owner deliveries             own        own    own       -
    postern_webhooks_owner sealed_secrets         chats+sign -      -         -
    postern_webhooks_owner chat_turns             own        own    own       -
    postern_sweep_owner    egress_policies        own        -      -         -
    postern_sweep_owner    sealed_secrets         chats+sign -      -         -
    postern_sweep_owner    deliveries             own        others own       -
    postern_sweep_owner    pending_interactions   own        -      own       unposted
    postern_sweep_owner    chat_turns             own        own    own       -
    postern_control_owner  organizations          own        own    own       own
    postern_control_owner  agents                 own        own    -         own
    postern_control_owner  auth_profiles          own        own    own       own
    postern_control_owner  providers              own        own    own       own
    postern_control_owner  connections            own        own    own       own
    postern_control_owner  revoked_tokens         own        own    own       -
    postern_control_owner  deployment_revocations own        own    own       -
    postern_control_owner  placeholders           own        own    -         own
    postern_control_owner  egress_policies        own        own    own       own
    postern_control_owner  grants                 own        -      -         own
    postern_control_owner  sealed_secrets         own        own    own       own
    postern_control_owner  pending_interactions   own        -      -         own
    postern_control_owner  ended_interactions     own        -      -         own
    postern_control_owner  deliveries             own        -      -         own
    postern_finder         organizations          all        -      -         -
    postern_finder         placeholders           all        -      -         -
    postern_finder         connections            all        -      -         -
    postern_finder         sealed_secrets         all        -      -         -
    postern_remover        placeholders           all        -      lock      all
    postern_remover        grants                 all        -      lock      all
    postern_remover        revoked_tokens         all        -      lock      all
    postern_remover        deployment_revocations all        -      lock      all
    postern_remover        egress_verdicts        all        -      lock      all
    postern_remover        pending_interactions   all        -      lock      all
    postern_remover        ended_interactions     all        others others    all
    postern_remover        deliveries             all        others lock      all
    postern_remover        chat_turns             all        -      lock      all
    postern_courier        organizations          all        -      -         -
    postern_courier        connections            all        -      -         -
    postern_courier        deliveries             due        -      due       -
    postern_courier        pending_interactions   owed       -      owed      -";

/// The rows that a word above stands for, as a condition; `@` is the column of the organization. `None` if the role is
/// refused: it has no right; `lock` needs the right to update, to lock rows, and may change none; `others` are rows of
/// another form than the test's.
fn condition(word: &str) -> Option<&'static str> {
    match word {
        "own" => Some("@ = current_setting('postern.organization', true)"),
        // Where it was declared that there is no organization, rows from before organizations were recorded.
        "own+legacy" => Some(
            "@ = current_setting('postern.organization', true)
                or @ is null and current_setting('postern.organization', true) = ''",
        ),
        "approvals" => {
            Some("@ = current_setting('postern.organization', true) and id like 'egress.%'")
        }
        "keys+chats" => Some(
            "@ = current_setting('postern.organization', true) and (name like 'keys/%' or name like 'chat/%')",
        ),
        "chats+sign" => Some(
            "@ = current_setting('postern.organization', true) and (name like 'chat/%' or name = 'callback-signing')",
        ),
        "all" => Some("true"),
        "due" => Some("delivered_at is null and given_up_at is null"),
        "owed" => Some("settle_at is not null or post_at is not null"),
        "unposted" => Some(
            "@ = current_setting('postern.organization', true) and claimed_at is null
                and (post_at is not null or id like 'egress.%')",
        ),
        "lock" | "others" | "-" => None,
        other => panic!("{other}"),
    }
}

/// The four words of a role and a table.
fn right(role: &str, table: &str) -> [&'static str; 4] {
    let lines = RIGHTS
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let known = lines
        .into_iter()
        .find(|words| words.starts_with(&[role, table]));
    known.map_or(["-"; 4], |words| {
        <[&str; 4]>::try_from(&words[2..]).unwrap()
    })
}

/// Columns that a role may not read, although it may read others of the table.
const HIDDEN: [(&str, &str, &[&str]); 11] = [
    (
        "postern_proxy_owner",
        "pending_interactions",
        &["entry_payload", "answer", "claimed_click", "digest"],
    ),
    (
        "postern_remover",
        "pending_interactions",
        &[
            "entry_payload",
            "answer",
            "claimed_click",
            "options",
            "card",
        ],
    ),
    (
        "postern_remover",
        "placeholders",
        &["token_hash", "secret_ref", "organization_id"],
    ),
    ("postern_remover", "deliveries", &["payload", "url"]),
    (
        "postern_remover",
        "chat_turns",
        &["organization_id", "connection_id", "channel"],
    ),
    (
        "postern_sweep_owner",
        "pending_interactions",
        &["entry_payload", "answer", "claimed_click", "options"],
    ),
    ("postern_sweep_owner", "deliveries", &["payload", "url"]),
    (
        "postern_finder",
        "placeholders",
        &["secret_ref", "agent_id", "deployment_name", "allowed_hosts"],
    ),
    ("postern_finder", "sealed_secrets", &["sealed", "version"]),
    (
        "postern_control_owner",
        "pending_interactions",
        &[
            "entry_payload",
            "answer",
            "claimed_click",
            "options",
            "card",
        ],
    ),
    ("postern_control_owner", "deliveries", &["payload", "url"]),
];

/// Writes that a policy allows because of what they write.
const ALLOWED: [(&str, &str, &str); 5] = [
    (
        "postern_proxy_owner",
        "pending_interactions",
        "insert into postern.pending_interactions (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload)
            values ('a', 'egress.new', 'c-a', 'U1', 'shared', '{}')",
    ),
    (
        "postern_sweep_owner",
        "deliveries",
        r#"insert into postern.deliveries (organization_id, id, interaction_id, url, payload)
            values ('a', 'new', 'q', 'https://a', '{"type": "interaction.expired"}')"#,
    ),
    (
        "postern_remover",
        "ended_interactions",
        "insert into postern.ended_interactions (organization_id, id, connection_id, expected_user_id, expired)
            values ('a', 'new', 'c-a', 'U1', true)",
    ),
    (
        "postern_remover",
        "ended_interactions",
        "update postern.ended_interactions set expired = true",
    ),
    (
        "postern_remover",
        "deliveries",
        r#"insert into postern.deliveries (organization_id, id, interaction_id, url, payload)
            values ('a', 'new', 'q', 'https://a', '{"type": "interaction.expired"}')"#,
    ),
];

/// Where the database allows more or less than the tables above say, to these roles with these tables.
pub(super) async fn deviations(
    client: &Client,
    concerned: impl Fn(&str, &str) -> bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for role in OWNERS.iter().chain(&ACROSS).chain(&GROUPS) {
        for (table, row) in ROWS.iter().filter(|(table, _)| concerned(role, table)) {
            for declared in [Some("a"), Some("b"), Some(""), None] {
                rows_of(client, role, table, declared, &mut found).await;
            }
            inserts(client, role, table, row, &mut found).await;
        }
    }
    for (role, table, columns) in HIDDEN
        .iter()
        .filter(|(role, table, _)| concerned(role, table))
    {
        for column in *columns {
            let sql = format!(
                "select has_column_privilege('{role}', 'postern.{table}', '{column}', 'select')"
            );
            if done(client, &sql).await != ["f"] {
                found.push(format!("{role} reads {table}.{column}"));
            }
        }
    }
    for (role, _, sql) in ALLOWED
        .iter()
        .filter(|(role, table, _)| concerned(role, table))
    {
        if let Err(error) = as_role(client, role, Some("a"), sql).await {
            found.push(format!("{role} may not {sql}: {error}"));
        }
    }
    found
}

/// Runs SQL as a role that has declared an organization, and rolls it back.
async fn as_role(
    client: &Client,
    role: &str,
    declared: Option<&str>,
    sql: &str,
) -> Result<Vec<String>, String> {
    let declare = declared.map_or_else(
        || "reset postern.organization".to_owned(),
        |organization| format!("select set_config('postern.organization', '{organization}', true)"),
    );
    done(
        client,
        &format!("savepoint trying; {declare}; set local role {role}"),
    )
    .await;
    let answer = run(client, sql).await;
    done(client, "rollback to savepoint trying").await;
    answer
}

/// Compares the rows that a role selects, updates and deletes with those that it should.
async fn rows_of(
    client: &Client,
    role: &str,
    table: &str,
    declared: Option<&str>,
    found: &mut Vec<String>,
) {
    let [select, _, update, delete] = right(role, table);
    // One that it may read and update, if there is one.
    let column = format!(
        "select a.attname from pg_attribute a
         where a.attrelid = 'postern.{table}'::regclass and a.attnum > 0 and a.attgenerated = ''
         order by has_column_privilege('{role}', a.attrelid, a.attnum, 'update')
            and has_column_privilege('{role}', a.attrelid, a.attnum, 'select') desc, a.attnum limit 1"
    );
    let column = done(client, &column).await.concat();
    for (what, allowed, sql) in [
        (
            "select",
            select,
            format!("select count(*) from postern.{table}"),
        ),
        (
            "update",
            update,
            format!(
                "with x as (update postern.{table} set {column} = {column} returning 1) select count(*) from x"
            ),
        ),
        (
            "delete",
            delete,
            format!("with x as (delete from postern.{table} returning 1) select count(*) from x"),
        ),
    ] {
        let answer = as_role(client, role, declared, &sql).await;
        let answer = answer.map_err(|error| error[..5].to_owned());
        let expected = match condition(allowed) {
            // Permission denied, for the table or by a policy.
            None => Err("42501".to_owned()),
            Some(rows) => {
                let rows = rows.replace('@', organization_column(table));
                let count = format!("select count(*) from postern.{table} where {rows}");
                // The superuser, for whom no policy counts.
                as_role(client, "none", declared, &count).await
            }
        };
        if answer != expected {
            found.push(format!(
                "{role} as {declared:?} may {what} of {table}: {answer:?}, not {expected:?}"
            ));
        }
    }
}

/// Compares what a role may insert for its own and for another organization with what it should.
async fn inserts(client: &Client, role: &str, table: &str, row: &str, found: &mut Vec<String>) {
    let [_, allowed, ..] = right(role, table);
    for (declared, inserted) in [("a", "a"), ("a", "b"), ("", "b")] {
        let sql = format!("insert into postern.{table} {}", row.replace('@', inserted));
        let answer = as_role(client, role, Some(declared), &sql).await;
        // The row is there already, which is noticed after the policies have allowed it.
        let passed = match answer {
            Ok(_) => true,
            Err(error) => error.starts_with("23505"),
        };
        if passed != (allowed == "own" && declared == inserted) {
            found.push(format!(
                "{role} as {declared:?} inserts a row of {inserted} into {table}: {passed}"
            ));
        }
    }
}

/// A database with two organizations, and a transaction that is open.
pub(super) async fn filled() -> (World, Client) {
    let world = World::new().await;
    // It does not inherit all settings from its template.
    world.ok(serde_json::json!({"command": "migrate"})).await;
    let client = world.client().await;
    rows::fill(&client).await;
    done(&client, "begin").await;
    (world, client)
}

#[tokio::test]
async fn every_role_reaches_the_rows_that_it_should_and_no_others() {
    let (_world, client) = filled().await;
    let mut found = deviations(&client, |_, _| true).await;
    found.extend(of_the_catalogue(&client).await);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
