//! Each rule of isolation, taken away: without row-level security, each predicate is needed; with it, none is; and each
//! policy and each right is needed. `cargo test -p postern-it isolation::mutations` runs all and prints the counts.

use super::calls::leaks;
use super::catalogue::of_the_catalogue;
use super::done;
use super::rights::{deviations, filled};
use super::rows::ROWS;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use tokio_postgres::Client;

/// An SQL function: its name with the schema, and the file's text.
struct Function {
    name: String,
    text: String,
}

fn functions() -> Vec<Function> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/functions");
    let folders = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut functions: Vec<Function> = folders
        .filter(|path| path.is_dir())
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|file| {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let name = text
                .split("create function ")
                .nth(1)
                .unwrap()
                .split('(')
                .next()
                .unwrap();
            Function {
                name: name.to_owned(),
                text,
            }
        })
        .collect();
    functions.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(functions.len() > 50, "{}", functions.len());
    functions
}

impl Function {
    /// Where the statement compares a column with the organization.
    fn predicates(&self) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for (end, variable) in ["p_organization", "v_organization"]
            .iter()
            .flat_map(|variable| self.text.match_indices(variable))
        {
            let before = &self.text[..end];
            for operator in [" = ", " is not distinct from "] {
                if let Some(left) = before.strip_suffix(operator) {
                    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
                    let start = left.trim_end_matches(word).len();
                    assert!(start < left.len(), "{}: {left}", self.name);
                    found.push(start..end + variable.len());
                }
            }
        }
        found
    }

    /// The SQL that replaces the function by one in which these places say `true`.
    fn mutated(&self, range: &Range<usize>) -> String {
        let (before, after) = (&self.text[..range.start], &self.text[range.end..]);
        format!("{before}true{after}").replacen("create function", "create or replace function", 1)
    }

    /// Whether calls of `name` run this function.
    fn runs_in(&self, name: &str, all: &[Function]) -> bool {
        let called = format!("{}(", self.name);
        let caller = all.iter().find(|function| function.name == name);
        self.name == name || caller.is_some_and(|caller| caller.text.contains(&called))
    }
}

/// Prints past the test's captured output, so that the counts are in the log of every run.
#[expect(clippy::explicit_write, reason = "`println!` is captured")]
fn print(line: &str) {
    writeln!(std::io::stdout(), "{line}").unwrap();
}

const SECURITY_OFF: &str = "do $$ declare t regclass; begin
    for t in select oid from pg_class where relnamespace = 'postern'::regnamespace and relrowsecurity loop
        execute format('alter table %s disable row level security', t);
    end loop; end $$";

/// The predicates, each with what the matrix notices when it is removed.
async fn removed(client: &Client) -> Vec<(String, Vec<String>)> {
    let all = functions();
    let mut removed = Vec::new();
    for function in &all {
        for range in function.predicates() {
            done(client, "savepoint mutation").await;
            done(client, &function.mutated(&range)).await;
            let noticed = leaks(client, |name| function.runs_in(name, &all)).await;
            done(client, "rollback to savepoint mutation").await;
            let line = function.text[..range.start].lines().count();
            let predicate = format!("{}, line {line}: {}", function.name, &function.text[range]);
            removed.push((predicate, noticed));
        }
    }
    removed
}

#[tokio::test]
async fn without_row_level_security_each_predicate_is_needed() {
    let (_world, client) = filled().await;
    done(&client, SECURITY_OFF).await;
    let unchanged = leaks(&client, |_| true).await;
    assert!(
        unchanged.is_empty(),
        "the statements alone hold: {unchanged:?}"
    );
    let removed = removed(&client).await;
    let survivors = removed.iter().filter(|(_, noticed)| noticed.is_empty());
    let survivors: Vec<&str> = survivors.map(|(predicate, _)| predicate.as_str()).collect();
    assert!(
        survivors.is_empty(),
        "not noticed:\n{}",
        survivors.join("\n")
    );
    let count = removed.len();
    print(&format!(
        "mutations: without row-level security, {count} of {count} removed predicates were noticed"
    ));
}

#[tokio::test]
async fn with_row_level_security_no_removed_predicate_leaks() {
    let (_world, client) = filled().await;
    let removed = removed(&client).await;
    let leaks: Vec<_> = removed
        .iter()
        .filter(|(_, noticed)| !noticed.is_empty())
        .collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    let count = removed.len();
    print(&format!(
        "mutations: with row-level security, 0 of {count} removed predicates leaked"
    ));
}

/// Conditions of the functions that see all organizations. No policy stands behind them.
const ACROSS: [(&str, &str); 10] = [
    (
        "postern_finder.organization_of_placeholders_1",
        "p.token_hash = any (p_placeholders)",
    ),
    ("postern_webhooks.connection_claimed_1", "c.id = p_id"),
    ("postern_control.organization_list_1", "o.id > v_after"),
    ("postern_sweep.deliveries_due_1", "d.organization_id = o.id"),
    (
        "postern_sweep.deliveries_due_1",
        "d.organization_id = due.organization_id",
    ),
    (
        "postern_sweep.deliveries_due_1",
        "o.id <> all (p_busy_organizations)",
    ),
    (
        "postern_sweep.interactions_unsettled_1",
        "u.organization_id = o.id",
    ),
    (
        "postern_sweep.interactions_unsettled_1",
        "o.id <> all (p_busy_organizations)",
    ),
    (
        "postern_sweep.interactions_unposted_1",
        "u.organization_id = o.id",
    ),
    (
        "postern_sweep.interactions_unposted_1",
        "o.id <> all (p_busy_organizations)",
    ),
];

#[tokio::test]
async fn each_condition_of_the_functions_that_see_all_organizations_is_needed() {
    let (_world, client) = filled().await;
    let all = functions();
    for (name, condition) in ACROSS {
        let function = all.iter().find(|function| function.name == name).unwrap();
        let start = function.text.find(condition).unwrap();
        done(&client, "savepoint mutation").await;
        done(
            &client,
            &function.mutated(&(start..start + condition.len())),
        )
        .await;
        let noticed = leaks(&client, |called| called == name).await;
        done(&client, "rollback to savepoint mutation").await;
        assert!(!noticed.is_empty(), "{name}: {condition}");
    }
    let count = ACROSS.len();
    print(&format!(
        "mutations: {count} of {count} removed conditions across organizations were noticed"
    ));
}

/// Rows of a query, each as one text per column.
async fn table<const N: usize>(client: &Client, sql: &str) -> Vec<[String; N]> {
    let rows = done(client, sql).await;
    let cells = |row: String| {
        let cells: Vec<String> = row.split(' ').map(str::to_owned).collect();
        <[String; N]>::try_from(cells).unwrap()
    };
    rows.into_iter().map(cells).collect()
}

#[tokio::test]
async fn each_policy_is_needed() {
    let (_world, client) = filled().await;
    let policies = "select tablename, policyname, array_to_string(roles, ','), coalesce(qual, 'true') <> 'true',
            coalesce(with_check, 'true') <> 'true'
        from pg_policies where schemaname = 'postern' order by 1, 2";
    let policies: Vec<[String; 5]> = table(&client, policies).await;
    let mut counts = [0, 0];
    let mut unnoticed = Vec::new();
    for [table, policy, roles, limits, checks] in policies {
        let mut mutations = vec![format!("drop policy {policy} on postern.{table}")];
        if limits == "t" {
            mutations.push(format!(
                "alter policy {policy} on postern.{table} using (true)"
            ));
        }
        if checks == "t" {
            mutations.push(format!(
                "alter policy {policy} on postern.{table} with check (true)"
            ));
        }
        for (at, mutation) in mutations.iter().enumerate() {
            counts[at.min(1)] += 1;
            done(&client, &format!("savepoint mutation; {mutation}")).await;
            let concerned =
                |role: &str, of: &str| of == table && roles.split(',').any(|one| one == role);
            if deviations(&client, concerned).await.is_empty() {
                unnoticed.push(mutation.clone());
            }
            done(&client, "rollback to savepoint mutation").await;
        }
    }
    assert!(
        unnoticed.is_empty(),
        "not noticed:\n{}",
        unnoticed.join("\n")
    );
    let [dropped, opened] = counts;
    print(&format!(
        "mutations: {dropped} of {dropped} dropped policies and {opened} of {opened} opened ones were noticed"
    ));
}

#[tokio::test]
async fn each_revoke_is_needed() {
    let (_world, client) = filled().await;
    let named = "select p.pronamespace::regnamespace || '|' || p.oid::regprocedure from pg_proc p
        where p.pronamespace::regnamespace::text like 'postern%' order by 1";
    let named = done(&client, named).await;
    let mut mutations = Vec::new();
    for named in &named {
        let (schema, function) = named.split_once('|').unwrap();
        mutations.push(format!("grant execute on function {function} to public"));
        if schema != "postern" {
            mutations.push(format!("alter function {function} security invoker"));
            mutations.push(format!("alter function {function} reset search_path"));
            mutations.push(format!("alter function {function} owner to postern"));
        }
    }
    for (table, _) in ROWS {
        mutations.push(format!(
            "alter table postern.{table} disable row level security"
        ));
        mutations.push(format!(
            "alter table postern.{table} no force row level security"
        ));
    }
    for schema in [
        "postern",
        "postern_finder",
        "postern_proxy",
        "postern_webhooks",
        "postern_sweep",
        "postern_control",
    ] {
        mutations.push(format!(
            "grant create on schema {schema} to postern_sweep_owner"
        ));
        mutations.push(format!("grant usage on schema {schema} to public"));
    }
    mutations.push("grant create on schema public to public".into());
    for right in ["temporary", "create"] {
        mutations.push(format!(
            "do $$ begin execute format('grant {right} on database %I to public', current_database()); end $$"
        ));
    }
    for owner in super::OWNERS.iter().chain(&super::ACROSS) {
        mutations.push(format!("grant {owner} to postern_proxy"));
        mutations.push(format!("alter role {owner} login"));
        mutations.push(format!("alter role {owner} bypassrls"));
    }
    for (table, _) in ROWS {
        for group in super::GROUPS {
            for right in [
                "select",
                "insert",
                "update",
                "delete",
                "truncate",
                "references",
                "trigger",
            ] {
                mutations.push(format!("grant {right} on postern.{table} to {group}"));
            }
        }
        mutations.push(format!("grant select on postern.{table} to public"));
    }
    mutations.push("grant select (id) on postern.connections to postern_proxy".into());
    let mut unnoticed = Vec::new();
    for mutation in &mutations {
        done(&client, &format!("savepoint mutation; {mutation}")).await;
        if of_the_catalogue(&client).await.is_empty() {
            unnoticed.push(mutation.clone());
        }
        done(&client, "rollback to savepoint mutation").await;
    }
    assert!(
        unnoticed.is_empty(),
        "not noticed:\n{}",
        unnoticed.join("\n")
    );
    let count = mutations.len();
    print(&format!(
        "mutations: {count} of {count} undone revokes and granted rights were noticed"
    ));
}
