//! Migrations: code that is older or newer than the schema, an owner that is no superuser, and data that a migration
//! cannot see.

use super::{Agent, DATABASE, SESSIONS, column, own_server, unavailable};
use crate::world::{World, press, through, until};
use postern_stack::Postgres;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls, error::SqlState};

const PASSWORD: &str = "of-the-owner";
/// The tables that hold rows of tenants.
const TABLES: &str =
    "select relname from pg_class where relnamespace = 'postern'::regnamespace and relkind = 'r'
    and relname <> 'refinery_schema_history'";
/// Takes away what the last migration made: the functions.
const WITHOUT_FUNCTIONS: &str = "do $$ begin
        execute (select string_agg(format('drop routine if exists %s cascade;', p.oid::regprocedure), '')
            from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname like 'postern%');
    end $$;
    delete from postern.refinery_schema_history where version = 3";

async fn migrated(world: &World) -> Value {
    world.command(json!({"command": "migrate"})).await
}

#[tokio::test]
async fn new_code_refuses_everything_on_the_former_schema_and_serves_once_it_is_migrated() {
    let (world, postgres) = own_server(&[]).await;
    let agent = Agent::new(&world).await;
    let operator = postgres.connect(DATABASE).await.unwrap();
    agent.is_served(&world, "q-0").await;
    agent.asks(&world, "q-1").await;
    operator.batch_execute(WITHOUT_FUNCTIONS).await.unwrap();
    agent.is_refused(&world, "q-1").await;
    assert_eq!(migrated(&world).await, json!({"ok": true}));
    let clicked = world.click("slack-a", &press("U1", "q-1:0")).await;
    assert_eq!(clicked.status, 200, "{}", clicked.text());
    agent.is_served(&world, "q-2").await;
}

#[tokio::test]
async fn on_an_empty_database_everything_is_refused_until_it_is_migrated() {
    let (world, postgres) = tokio::join!(World::new(), own_server(&[]));
    let (_, postgres) = postgres;
    // The server has the functions' logins, but this database has nothing.
    postgres.create_database("empty", None).await.unwrap();
    let secret = postgres.secret_json("empty");
    world.secrets.put("postern/database", secret);
    let stranger = through(
        "openai/v1/chat/completions",
        "postern_secret_1b4e28ba-2fa1-41d2-883f-0016d3cca427",
    );
    unavailable(&world.call_proxy(stranger.clone()).await);
    let click = press("U1", "q-1:0");
    unavailable(&world.click("slack-a", &click).await);
    assert!(world.sweep(json!({})).await.is_err());
    let put = json!({"command": "put_organization", "id": "a"});
    let refused = world.command(put.clone()).await;
    assert_eq!(
        refused["error"]["code"], "database_unavailable",
        "{refused}"
    );
    assert!(world.upstream.seen().is_empty());
    assert_eq!(migrated(&world).await, json!({"ok": true}));
    world.ok(put).await;
    assert_eq!(world.call_proxy(stranger).await.code(), "unauthorized");
    let clicked = world.click("slack-a", &click).await;
    assert_eq!(clicked.code(), "unknown_connection");
    world.sweep(json!({})).await.unwrap();
}

#[tokio::test]
async fn old_code_goes_on_with_its_sessions_while_a_later_schema_arrives() {
    let (world, postgres) = own_server(&[]).await;
    let agent = Agent::new(&world).await;
    let operator = postgres.connect(DATABASE).await.unwrap();
    // A session keeps the plans of its functions, from the sixth call on for any parameters.
    for round in 0..7 {
        agent.is_served(&world, &format!("q-{round}")).await;
    }
    agent.asks(&world, "before").await;
    let sessions = format!("select pid {SESSIONS} order by pid");
    let before = column(&operator, &sessions).await;
    let later = "
        alter table postern.grants add column note text, add column uses integer not null default 0;
        alter table postern.pending_interactions add column locale text not null default 'en', add column seen jsonb;
        alter table postern.deliveries add column priority integer not null default 1;
        create table postern.later (organization_id text not null references postern.organizations on delete cascade);
        alter table postern.later enable row level security, force row level security;
        do $$
        declare
            v_name text;
        begin
            foreach v_name in array array['interaction_claim', 'interaction_store', 'interaction_status'] loop
                execute replace(
                    pg_get_functiondef(('postern_webhooks.' || v_name || '_1')::regproc), v_name || '_1', v_name || '_2');
                execute format('grant execute on function postern_webhooks.%I to postern_webhooks', v_name || '_2');
            end loop;
        end $$";
    operator.batch_execute(later).await.unwrap();
    let clicked = world.click("slack-a", &press("U1", "before:0")).await;
    assert_eq!(clicked.status, 200, "{}", clicked.text());
    let read = world.read(&agent.token, "before").await.json();
    assert_eq!(read["status"], "answered", "{read}");
    for round in 0..2 {
        agent.is_served(&world, &format!("later-{round}")).await;
    }
    let approval = json!({"id": "approval", "kind": "approval", "tool": "git/push", "args": {}});
    assert_eq!(world.ask(&agent.token, &approval).await.status, 201);
    world.click("slack-a", &press("U1", "approval:2")).await;
    let granted = "select pattern || ' ' || uses from grants";
    assert_eq!(column(&operator, granted).await, ["/mcp/git/tools/push 0"]);
    let after = column(&operator, &sessions).await;
    assert_eq!(after, before, "a session was lost");
}

/// A world on an empty database of this server. The database belongs to a login of its own, which is no superuser and
/// serves all functions.
async fn owned(postgres: &Postgres, name: &str) -> World {
    let operator = postgres.connect("postgres").await.unwrap();
    for sql in [
        format!("create role {name} login createrole password '{PASSWORD}'"),
        format!("create database {name} owner {name}"),
    ] {
        operator.batch_execute(&sql).await.unwrap();
    }
    let mut secret: Value = serde_json::from_str(&postgres.secret_json(name)).unwrap();
    secret["username"] = name.into();
    secret["password"] = PASSWORD.into();
    // An empty variable counts as absent.
    let world = World::with_env(&[("DATABASE_USER", "")]).await;
    world.secrets.put("postern/database", secret.to_string());
    world
}

/// A session of the owner's.
async fn as_owner(postgres: &Postgres, name: &str) -> Client {
    let mut config = tokio_postgres::Config::new();
    config.host(postgres.host()).port(postgres.port());
    config.user(name).password(PASSWORD).dbname(name);
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn two_owners_that_are_no_superusers_migrate_at_once_and_each_serves_every_function() {
    let postgres = Postgres::start().await.unwrap();
    let names = ["first_owner", "second_owner"];
    let worlds = [
        owned(&postgres, names[0]).await,
        owned(&postgres, names[1]).await,
    ];
    let (one, two) = tokio::join!(migrated(&worlds[0]), migrated(&worlds[1]));
    assert_eq!((one, two), (json!({"ok": true}), json!({"ok": true})));
    for (world, name) in worlds.iter().zip(names) {
        assert_eq!(migrated(world).await, json!({"ok": true}));
        world.tenants().await;
        let agent = Agent::new(world).await;
        agent.is_served(world, "q-1").await;
        let operator = postgres.connect(name).await.unwrap();
        let logins = format!("select distinct usename::text {SESSIONS}");
        assert_eq!(column(&operator, &logins).await, [name]);
        let owner = as_owner(&postgres, name).await;
        let mut seen = Vec::new();
        for table in column(&operator, TABLES).await {
            let count = format!("select count(*) from postern.{table}");
            assert_eq!(column(&owner, &count).await, ["0"], "{table}");
            if column(&operator, &count).await != ["0"] {
                seen.push(table);
            }
        }
        seen.sort();
        assert_eq!(
            seen.join(" "),
            "agents chat_turns connections organizations pending_interactions placeholders"
        );
        // It keeps no role that sees more.
        let kept =
            "select rolname::text from pg_roles where rolname like 'postern%' and not rolsuper
            and pg_has_role(current_user, oid, 'member') order by rolname";
        assert_eq!(
            column(&owner, kept).await,
            [
                "postern_control",
                "postern_proxy",
                "postern_sweep",
                "postern_webhooks"
            ]
        );
    }
}

/// Takes away what the migrations after the first made. The tables keep their rows, and row-level security.
const WITHOUT_POLICIES: &str = "do $$ begin
        execute (select string_agg(format('drop policy %I on %I.%I;', policyname, schemaname, tablename), '')
            from pg_policies where schemaname = 'postern');
        execute (select string_agg(format('drop schema %I cascade;', nspname), '')
            from pg_namespace where nspname like 'postern\\_%');
    end $$;
    delete from postern.refinery_schema_history where version = 2";

/// Makes a data migration the beginning of the second migration: before its first change of a table, the migrating
/// session runs it.
async fn with_data_migration(operator: &Client, sql: &str) {
    let sql = format!(
        "create or replace function public.data_migration() returns event_trigger language plpgsql as $body$
            begin
                if current_setting('test.data_migration', true) is distinct from 'begun' then
                    perform set_config('test.data_migration', 'begun', true);
                    {sql};
                end if;
            end $body$;
         drop event trigger if exists data_migration;
         create event trigger data_migration on ddl_command_start when tag in ('ALTER TABLE')
            execute function public.data_migration()"
    );
    operator.batch_execute(&sql).await.unwrap();
}

/// Postgres deletes what belongs to a row past row-level security, even where that is forced on the tables' owner.
#[tokio::test]
async fn what_is_deleted_takes_its_own_along_although_the_owner_sees_no_rows() {
    const OWNER: &str = "blind_owner";
    let postgres = Postgres::start().await.unwrap();
    let world = owned(&postgres, OWNER).await;
    assert_eq!(migrated(&world).await, json!({"ok": true}));
    world.tenants().await;
    let agent = Agent::new(&world).await;
    agent.asks(&world, "q-1").await;
    let operator = postgres.connect(OWNER).await.unwrap();
    let owner = as_owner(&postgres, OWNER).await;
    let count = "select (select count(*) from postern.agents) || ' ' ||
        (select count(*) from postern.pending_interactions where organization_id = 'a') || ' ' ||
        (select count(*) from postern.placeholders where organization_id = 'a')";
    assert_eq!(column(&owner, count).await, ["0 0 0"], "it is forced");
    assert_eq!(column(&operator, count).await, ["6 1 1"]);
    for (command, left) in [
        (
            json!({"command": "delete_connection", "organization_id": "a", "id": "slack-a"}),
            "6 0 1",
        ),
        (
            json!({"command": "delete_agent", "organization_id": "a", "agent_id": "agent-a"}),
            "5 0 0",
        ),
        (
            json!({"command": "delete_organization", "id": "a"}),
            "3 0 0",
        ),
    ] {
        world.ok(command).await;
        assert_eq!(column(&operator, count).await, [left]);
    }
}

#[tokio::test]
async fn a_data_migration_that_would_silently_change_nothing_fails_and_is_undone() {
    const OWNER: &str = "careless_owner";
    let postgres = Postgres::start().await.unwrap();
    let world = owned(&postgres, OWNER).await;
    assert_eq!(migrated(&world).await, json!({"ok": true}));
    world.tenants().await;
    let agent = Agent::new(&world).await;
    let update = "update postern.agents set created_at = created_at - interval '1 year'";
    let operator = postgres.connect(OWNER).await.unwrap();
    let changed = async || {
        let changed =
            "select count(*) from postern.agents where created_at < now() - interval '1 month'";
        column(&operator, changed).await.remove(0)
    };
    // This is what the setting is against.
    let owner = as_owner(&postgres, OWNER).await;
    assert_eq!(owner.execute(update, &[]).await.unwrap(), 0);
    owner.batch_execute("set row_security = off").await.unwrap();
    let failed = owner.execute(update, &[]).await.unwrap_err();
    assert_eq!(failed.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));

    for sql in [WITHOUT_FUNCTIONS, WITHOUT_POLICIES] {
        operator.batch_execute(sql).await.unwrap();
    }
    with_data_migration(&operator, update).await;
    let failed = migrated(&world).await;
    assert_eq!(failed["error"]["code"], "database_unavailable", "{failed}");
    until("the log names the cause", async || {
        let logs = world.control().await.logs().await.join("\n");
        logs.contains("affected by row-level security policy for table")
    })
    .await;
    let versions = "select max(version) from postern.refinery_schema_history";
    assert_eq!(column(&operator, versions).await, ["1"]);
    assert_eq!(changed().await, "0");
    // Lifted for the statement, as the rules say, it changes the rows.
    let lifted = format!(
        "alter table postern.agents no force row level security;
         {update};
         alter table postern.agents force row level security"
    );
    with_data_migration(&operator, &lifted).await;
    assert_eq!(migrated(&world).await, json!({"ok": true}));
    assert_eq!(changed().await, "6");
    assert_eq!(column(&operator, versions).await, ["3"]);
    owner.batch_execute("set row_security = on").await.unwrap();
    let hidden = owner.execute(update, &[]).await.unwrap();
    assert_eq!(hidden, 0, "it is no longer forced");
    agent.is_served(&world, "q-1").await;
}
