//! The logins that control prints the SQL for.

use super::{GROUPS, done, run};
use crate::world::World;
use serde_json::json;

#[tokio::test]
async fn a_login_calls_the_functions_of_its_group_within_its_bounds_and_nothing_else() {
    let world = World::new().await;
    world.ok(json!({"command": "migrate"})).await;
    let printed = world.ok(json!({"command": "logins"})).await;
    let client = world.client().await;
    // Roles are the server's, which other tests share.
    done(&client, "begin").await;
    let mut sql = printed["sql"].as_str().unwrap().replace("_login", "_tried");
    // Nobody logs in with a password that was never chosen.
    done(&client, "savepoint trying").await;
    assert!(run(&client, &sql).await.unwrap_err().starts_with("42601"));
    done(&client, "rollback to savepoint trying").await;
    for function in postern_stack::FUNCTIONS {
        let variable = format!(":'{function}_password'");
        assert!(sql.contains(&variable), "{sql}");
        sql = sql.replace(&variable, "'of-its-own'");
    }
    done(&client, &sql).await;
    let bounded = "select rolname from pg_roles where rolname like 'postern\\_%\\_tried' and rolconnlimit between 1 and 99
        and not (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication)
        and array_to_string(rolconfig, ' ') ~ 'statement_timeout=\\d+s .*idle_in_transaction_session_timeout=\\d+s'";
    assert_eq!(done(&client, bounded).await.len(), GROUPS.len());
    let limits =
        "select sum(rolconnlimit) < 100 from pg_roles where rolname like 'postern\\_%\\_tried'";
    assert_eq!(done(&client, limits).await, ["t"]);
    for group in GROUPS {
        let login = format!("{group}_tried");
        let own = format!(
            "select count(*) > 0 and bool_and(pronamespace::regnamespace::text = '{group}') from pg_proc
             where pronamespace::regnamespace::text like 'postern%'
                and has_schema_privilege('{login}', pronamespace, 'usage')
                and has_function_privilege('{login}', oid, 'execute')"
        );
        assert_eq!(done(&client, &own).await, ["t"], "{login}");
        for forbidden in [
            "select * from postern.agents",
            "create table public.t ()",
            "create table t ()",
            "create temporary table t ()",
            "create schema s",
            "set role postern_proxy_owner",
            "select postern_finder.organization_of_placeholders_1('{}')",
        ] {
            done(
                &client,
                &format!("savepoint trying; set local session authorization {login}"),
            )
            .await;
            let refused = run(&client, forbidden).await;
            done(&client, "rollback to savepoint trying").await;
            let code = refused.unwrap_err()[..5].to_owned();
            assert!(
                ["42501", "3F000"].contains(&code.as_str()),
                "{login}: {forbidden}: {code}"
            );
        }
    }
}
