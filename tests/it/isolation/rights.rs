//! What each role may do: with each table, as each organization, and with each schema and function.

use super::rows::{self, ROWS, organization_column};
use super::{ACROSS, GROUPS, OWNERS, done, run};
use crate::world::World;
use tokio_postgres::Client;

/// Rows of the declared organization.
const OWN: &str = "@ = current_setting('postern.organization', true)";
/// The same, and legacy rows where it was declared that there is no organization.
const OWN_OR_LEGACY: &str = "@ = current_setting('postern.organization', true)
    or @ is null and current_setting('postern.organization', true) = ''";
/// Approvals that the organization's policies ask for.
const APPROVALS: &str = "@ = current_setting('postern.organization', true) and id like 'egress.%'";
const ALL: &str = "true";
const DUE: &str = "delivered_at is null and given_up_at is null";
const UNSETTLED: &str = "settle_at is not null";
/// Locking a row needs the right to update it. The update itself is refused.
const LOCKS: &str = "lock";
/// Rows of another form than those of the test.
const OTHERS: &str = "other";
const NONE: &str = "";

/// A role, a table, and the rows that it may select, insert, update and delete.
type Right = (&'static str, &'static str, [&'static str; 4]);

const RIGHTS: [Right; 53] = [
    (
        "postern_proxy_owner",
        "organizations",
        [OWN, NONE, NONE, NONE],
    ),
    ("postern_proxy_owner", "agents", [OWN, NONE, NONE, NONE]),
    (
        "postern_proxy_owner",
        "placeholders",
        [OWN_OR_LEGACY, NONE, NONE, NONE],
    ),
    (
        "postern_proxy_owner",
        "auth_profiles",
        [OWN, NONE, NONE, NONE],
    ),
    (
        "postern_proxy_owner",
        "revoked_tokens",
        [OWN, NONE, NONE, NONE],
    ),
    (
        "postern_proxy_owner",
        "deployment_revocations",
        [OWN, NONE, NONE, NONE],
    ),
    (
        "postern_proxy_owner",
        "egress_policies",
        [OWN, NONE, NONE, NONE],
    ),
    (
        "postern_proxy_owner",
        "egress_verdicts",
        [OWN, OWN, OWN, NONE],
    ),
    ("postern_proxy_owner", "grants", [OWN, NONE, NONE, NONE]),
    (
        "postern_proxy_owner",
        "connections",
        [OWN, NONE, NONE, NONE],
    ),
    (
        "postern_proxy_owner",
        "pending_interactions",
        [OWN, OTHERS, APPROVALS, APPROVALS],
    ),
    ("postern_webhooks_owner", "agents", [OWN, NONE, NONE, NONE]),
    (
        "postern_webhooks_owner",
        "revoked_tokens",
        [OWN, NONE, NONE, NONE],
    ),
    (
        "postern_webhooks_owner",
        "deployment_revocations",
        [OWN, NONE, NONE, NONE],
    ),
    (
        "postern_webhooks_owner",
        "egress_policies",
        [OWN, NONE, NONE, NONE],
    ),
    (
        "postern_webhooks_owner",
        "connections",
        [OWN, NONE, NONE, NONE],
    ),
    ("postern_webhooks_owner", "grants", [OWN, OWN, OWN, NONE]),
    (
        "postern_webhooks_owner",
        "ended_interactions",
        [OWN, OWN, OWN, NONE],
    ),
    (
        "postern_webhooks_owner",
        "pending_interactions",
        [OWN, OWN, OWN, OWN],
    ),
    (
        "postern_webhooks_owner",
        "deliveries",
        [OWN, OWN, OWN, NONE],
    ),
    (
        "postern_sweep_owner",
        "egress_policies",
        [OWN, NONE, NONE, NONE],
    ),
    ("postern_sweep_owner", "deliveries", [OWN, NONE, OWN, NONE]),
    (
        "postern_sweep_owner",
        "pending_interactions",
        [OWN, NONE, OWN, NONE],
    ),
    (
        "postern_control_owner",
        "organizations",
        [OWN, OWN, OWN, NONE],
    ),
    ("postern_control_owner", "agents", [OWN, OWN, NONE, NONE]),
    (
        "postern_control_owner",
        "auth_profiles",
        [OWN, OWN, OWN, NONE],
    ),
    (
        "postern_control_owner",
        "connections",
        [OWN, OWN, OWN, NONE],
    ),
    (
        "postern_control_owner",
        "revoked_tokens",
        [OWN, OWN, OWN, NONE],
    ),
    (
        "postern_control_owner",
        "deployment_revocations",
        [OWN, OWN, OWN, NONE],
    ),
    (
        "postern_control_owner",
        "placeholders",
        [OWN, OWN, NONE, OWN],
    ),
    (
        "postern_control_owner",
        "egress_policies",
        [OWN, OWN, OWN, OWN],
    ),
    ("postern_control_owner", "grants", [OWN, NONE, NONE, OWN]),
    ("postern_finder", "placeholders", [ALL, NONE, NONE, NONE]),
    ("postern_finder", "connections", [ALL, NONE, NONE, NONE]),
    ("postern_remover", "placeholders", [ALL, NONE, LOCKS, ALL]),
    ("postern_remover", "grants", [ALL, NONE, LOCKS, ALL]),
    ("postern_remover", "revoked_tokens", [ALL, NONE, LOCKS, ALL]),
    (
        "postern_remover",
        "deployment_revocations",
        [ALL, NONE, LOCKS, ALL],
    ),
    (
        "postern_remover",
        "egress_verdicts",
        [ALL, NONE, LOCKS, ALL],
    ),
    (
        "postern_remover",
        "pending_interactions",
        [ALL, NONE, LOCKS, ALL],
    ),
    // It records how questions expired. The rows of the test ended in another way.
    (
        "postern_remover",
        "ended_interactions",
        [ALL, OTHERS, OTHERS, ALL],
    ),
    ("postern_remover", "deliveries", [ALL, OTHERS, LOCKS, ALL]),
    ("postern_courier", "organizations", [ALL, NONE, NONE, NONE]),
    ("postern_courier", "connections", [ALL, NONE, NONE, NONE]),
    ("postern_courier", "deliveries", [DUE, NONE, DUE, NONE]),
    (
        "postern_courier",
        "pending_interactions",
        [UNSETTLED, NONE, UNSETTLED, NONE],
    ),
    // No function of these needs the table.
    (
        "postern_webhooks_owner",
        "organizations",
        [NONE, NONE, NONE, NONE],
    ),
    (
        "postern_webhooks_owner",
        "placeholders",
        [NONE, NONE, NONE, NONE],
    ),
    (
        "postern_webhooks_owner",
        "auth_profiles",
        [NONE, NONE, NONE, NONE],
    ),
    (
        "postern_sweep_owner",
        "placeholders",
        [NONE, NONE, NONE, NONE],
    ),
    (
        "postern_control_owner",
        "pending_interactions",
        [NONE, NONE, NONE, NONE],
    ),
    ("postern_finder", "auth_profiles", [NONE, NONE, NONE, NONE]),
    ("postern_courier", "placeholders", [NONE, NONE, NONE, NONE]),
];

/// Columns that a role may not read, although it may read others of the table.
const HIDDEN: [(&str, &str, &[&str]); 6] = [
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
        "postern_finder",
        "placeholders",
        &["secret_ref", "agent_id", "deployment_name", "allowed_hosts"],
    ),
    (
        "postern_control_owner",
        "placeholders",
        &["token_hash", "secret_ref"],
    ),
];

/// Writes that a policy allows because of what they write.
const ALLOWED: [(&str, &str, &str); 4] = [
    (
        "postern_proxy_owner",
        "pending_interactions",
        "insert into postern.pending_interactions (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload)
            values ('a', 'egress.new', 'c-a', 'U1', 'shared', '{}')",
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

fn right(role: &str, table: &str) -> [&'static str; 4] {
    let known = RIGHTS
        .iter()
        .find(|right| (right.0, right.1) == (role, table));
    known.map_or([NONE; 4], |right| right.2)
}

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
        let expected = match allowed {
            // Permission denied, for the table or by a policy.
            NONE | LOCKS | OTHERS => Err("42501".to_owned()),
            rows => {
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
        if passed != (allowed == OWN && declared == inserted) {
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

/// What the catalogue says of tables, schemas, functions and roles, where it is not as it should be.
pub(super) async fn of_the_catalogue(client: &Client) -> Vec<String> {
    let roles: Vec<&str> = OWNERS
        .iter()
        .chain(&ACROSS)
        .chain(&GROUPS)
        .copied()
        .collect();
    let groups = GROUPS.join(",");
    let roles = roles.join(",");
    let schemas =
        "postern,postern_finder,postern_proxy,postern_webhooks,postern_sweep,postern_control";
    let deviations = format!(
        r"
select 'row-level security is not forced: ' || c.relname
from pg_class c
where c.relnamespace = 'postern'::regnamespace and c.relkind = 'r' and c.relname <> 'refinery_schema_history'
    and not (c.relrowsecurity and c.relforcerowsecurity)
union all
select 'may do more than log in, or log in: ' || r.rolname
from pg_roles r
where r.rolname = any ('{{{roles}}}')
    and (r.rolcanlogin or r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication)
union all
select m.roleid::regrole || ' has the member ' || m.member::regrole
from pg_auth_members m
where m.roleid::regrole::text = any ('{{{roles}}}')
    and (m.roleid::regrole::text <> all ('{{{groups}}}') or m.member::regrole::text = any ('{{{roles}}}'))
union all
select a.grantee::regrole || ' has ' || a.privilege_type || ' on the schema ' || n.nspname
from pg_namespace n, aclexplode(n.nspacl) a
where (n.nspname = any ('{{{schemas}}}') and a.grantee <> n.nspowner
        and not (a.privilege_type = 'USAGE' and a.grantee::regrole::text = n.nspname)
        and not (a.privilege_type = 'USAGE' and n.nspname = 'postern' and a.grantee::regrole::text = any ('{{{roles}}}')
            and a.grantee::regrole::text <> all ('{{{groups}}}'))
        and not (a.privilege_type = 'USAGE' and n.nspname = 'postern_finder'
            and a.grantee::regrole::text = 'postern_proxy_owner'))
    or (n.nspname = 'public' and a.grantee = 0 and a.privilege_type = 'CREATE')
union all
select a.grantee::regrole || ' has ' || a.privilege_type || ' on the table ' || c.relname
from pg_class c, aclexplode(c.relacl) a
where c.relnamespace = 'postern'::regnamespace and (a.grantee = 0 or a.grantee::regrole::text = any ('{{{groups}}}'))
union all
select a.grantee::regrole || ' has ' || a.privilege_type || ' on a column of ' || t.attrelid::regclass
from pg_attribute t join pg_class c on c.oid = t.attrelid, aclexplode(t.attacl) a
where c.relnamespace = 'postern'::regnamespace and (a.grantee = 0 or a.grantee::regrole::text = any ('{{{groups}}}'))
union all
select 'everybody has ' || a.privilege_type || ' on the database'
from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
where d.datname = current_database() and a.grantee = 0 and a.privilege_type <> 'CONNECT'
union all
select coalesce(nullif(a.grantee, 0)::regrole::text, 'everybody') || ' executes ' || p.oid::regprocedure
from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
where p.pronamespace::regnamespace::text = any ('{{{schemas}}}') and a.grantee <> p.proowner
    and not (a.grantee::regrole::text = p.pronamespace::regnamespace::text)
    and not (p.pronamespace = 'postern'::regnamespace and a.grantee::regrole::text = any ('{{{roles}}}')
        and a.grantee::regrole::text <> all ('{{{groups}}}'))
    and not (p.pronamespace = 'postern_finder'::regnamespace and a.grantee::regrole::text = 'postern_proxy_owner')
union all
select 'not executable by its own group: ' || p.oid::regprocedure
from pg_proc p
where p.pronamespace::regnamespace::text = any ('{{{groups}}}')
    and not has_function_privilege(p.pronamespace::regnamespace::text, p.oid, 'execute')
union all
select 'runs with the rights of its caller, or on the search path of its caller: ' || p.oid::regprocedure
from pg_proc p
where p.pronamespace::regnamespace::text = any ('{{{schemas}}}') and p.pronamespace <> 'postern'::regnamespace
    and not (p.prosecdef and 'search_path=pg_catalog, pg_temp' = any (coalesce(p.proconfig, '{{}}')))
union all
select 'does not declare its organization first: ' || p.oid::regprocedure
from pg_proc p
where p.proowner::regrole::text like 'postern\_%\_owner'
    and p.prosrc !~ $$begin\s+(--[^\n]*\n\s*)?perform set_config\('postern.organization', coalesce\([pv]_organization, ''\), true\);$$
union all
select 'is owned by another role: ' || p.oid::regprocedure || ' ' || p.proowner::regrole
from pg_proc p
where p.pronamespace::regnamespace::text = any ('{{{schemas}}}') and p.pronamespace <> 'postern'::regnamespace
    and p.proowner::regrole::text <> case
        when p.pronamespace = 'postern_finder'::regnamespace then 'postern_finder'
        when p.proname = 'connection_claimed_1' then 'postern_finder'
        when p.proname in ('deliveries_due_1', 'interactions_unsettled_1') then 'postern_courier'
        when p.proname ~ '^delete_' or p.proname = 'oldest_age_1' then 'postern_remover'
        else p.pronamespace::regnamespace::text || '_owner'
    end"
    );
    done(client, &deviations).await
}

#[tokio::test]
async fn every_role_reaches_the_rows_that_it_should_and_no_others() {
    let (_world, client) = filled().await;
    let mut found = deviations(&client, |_, _| true).await;
    found.extend(of_the_catalogue(&client).await);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
