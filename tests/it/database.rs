//! Between the functions and Postgres: poolers, failovers, outages and locks.

use crate::world::{REAL_KEY, World, press, question, through};
use postern_stack::{HttpRequest, PgBouncer, Postgres};
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, SimpleQueryMessage};

/// The functions' sessions in this database.
const SESSIONS: &str =
    "from pg_stat_activity where datname = current_database() and application_name like 'postern%'";
/// Those that wait for a lock.
const WAITING: &str = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
const DATABASE: &str = "own";

/// A world over a server of its own, which may go away.
async fn own_server(env: &[(&str, &str)]) -> (World, Postgres) {
    let (world, postgres) = tokio::join!(World::with_env(env), Postgres::start());
    let postgres = postgres.unwrap();
    postgres.create_database(DATABASE, None).await.unwrap();
    world
        .secrets
        .put("postern/database", postgres.secret_json(DATABASE));
    world.ok(json!({"command": "migrate"})).await;
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

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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

#[tokio::test]
async fn everything_works_behind_a_pooler_that_shares_its_sessions() {
    let world = World::new().await;
    let bouncer = PgBouncer::start(&world.secrets_database()).await.unwrap();
    let port = bouncer.port().to_string();
    // The secret goes on naming the database itself, as one that RDS rotates does.
    let world = world.again(&[("DATABASE_HOST", bouncer.host()), ("DATABASE_PORT", &port)]);
    // A password that was rotated is read again though the pooler does not say what it refused.
    let secret = world.secrets_database();
    let mut former: Value = serde_json::from_str(&secret).unwrap();
    former["password"] = "former".into();
    world.secrets.put("postern/database", former.to_string());
    let put = json!({"command": "put_organization", "id": "a"});
    let refused = world.command(put).await;
    assert_eq!(
        refused["error"]["code"], "database_unavailable",
        "{refused}"
    );
    world.secrets.put("postern/database", secret);
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let token = world.conversing("a", "U1").await;
    let proxy = world.environments("proxy", 2).await;
    for round in 0..5 {
        let send = || World::call_on(&proxy, proxied(&placeholder).v2());
        let id = format!("q-{round}");
        let (one, two, (), swept) = tokio::join!(
            send(),
            send(),
            asked_and_answered(&world, &token, &id),
            world.sweep(json!({}))
        );
        assert_eq!((one.status, two.status), (200, 200), "{one:?} {two:?}");
        assert!(swept.is_ok(), "{swept:?}");
    }
    let seen = world.upstream.seen();
    assert_eq!(seen.len(), 10);
    for request in seen {
        assert_eq!(
            request.headers["authorization"],
            format!("Bearer {REAL_KEY}")
        );
    }
    let database: Value = serde_json::from_str(&world.secrets_database()).unwrap();
    let of_ours = |rows: &Vec<std::collections::BTreeMap<String, String>>, column: &str| {
        rows.iter()
            .filter(|row| row["database"] == database["dbname"].as_str().unwrap())
            .map(|row| row[column].clone())
            .collect::<Vec<_>>()
    };
    let clients = of_ours(&bouncer.show("clients").await.unwrap(), "addr");
    let pids = of_ours(&bouncer.show("servers").await.unwrap(), "remote_pid");
    assert!(clients.len() > pids.len(), "{clients:?} {pids:?}");
    let sessions = column(&world.client().await, &format!("select pid {SESSIONS}")).await;
    assert!(!sessions.is_empty(), "{:?}", bouncer.logs().await);
    assert!(
        sessions.iter().all(|pid| pids.contains(pid)),
        "past the pooler: {sessions:?} {pids:?}"
    );
}

#[tokio::test]
async fn the_database_secret_may_hold_as_little_as_rds_writes_and_what_is_missing_is_named() {
    let world = World::new().await;
    let all: Value = serde_json::from_str(&world.secrets_database()).unwrap();
    let text = |name: &str| all[name].as_str().unwrap();
    let port = all["port"].to_string();
    let mut rotated =
        json!({"username": text("username"), "password": text("password"), "sslmode": "disable"});
    world.secrets.put("postern/database", rotated.to_string());
    let put = json!({"command": "put_organization", "id": "a"});
    let refused = world.command(put.clone()).await;
    assert_eq!(
        refused["error"]["code"], "database_unavailable",
        "{refused}"
    );
    let logs = async || world.control().await.logs().await.join("\n");
    until("what is missing is named", async || {
        let said = logs().await;
        said.contains("`host`") && said.contains("DATABASE_HOST")
    })
    .await;
    let said = logs().await;
    assert!(!said.contains(text("password")), "{said}");
    let elsewhere = [
        ("DATABASE_HOST", text("host")),
        ("DATABASE_PORT", &port),
        ("DATABASE_NAME", text("dbname")),
    ];
    let world = world.again(&elsewhere);
    world.ok(put.clone()).await;
    // What the secret says otherwise does not count.
    rotated["host"] = "db.invalid".into();
    rotated["port"] = "1".into();
    rotated["dbname"] = "elsewhere".into();
    rotated["username"] = "nobody".into();
    world.secrets.put("postern/database", rotated.to_string());
    let world = world.again(&[("DATABASE_USER", text("username"))]);
    world.ok(put).await;
}

#[tokio::test]
async fn a_statement_that_took_too_long_is_cancelled_and_not_applied_when_its_lock_is_free() {
    let world = World::with_env(&[("DATABASE_TIMEOUT_MS", "400")]).await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    let other = world.client().await;
    other
        .batch_execute("begin; select from pending_interactions for update")
        .await
        .unwrap();
    let click = press("U1", "q-1:0");
    let clicked = world.click("slack-a", &click).await;
    assert_eq!(clicked.status, 503, "{}", clicked.text());
    until("the claim is cancelled", async || {
        world.value(WAITING).await == "0"
    })
    .await;
    other.batch_execute("rollback").await.unwrap();
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "pending");
    assert_eq!(world.click("slack-a", &click).await.status, 200);
}

/// Has a server speak TLS as well, with a certificate for `localhost`, which is returned.
async fn with_tls(operator: &Client) -> String {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let data = column(operator, "show data_directory").await;
    let data = std::path::Path::new(&data[0]);
    let owner = std::fs::metadata(data).unwrap();
    let (user, group) = (owner.uid(), owner.gid());
    for (name, pem) in [
        ("server.crt", identity.cert.pem()),
        ("server.key", identity.signing_key.serialize_pem()),
    ] {
        let file = data.join(name);
        std::fs::write(&file, pem).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&file, Some(user), Some(group)).unwrap();
    }
    operator
        .batch_execute("alter system set ssl = on")
        .await
        .unwrap();
    operator
        .batch_execute("select pg_reload_conf()")
        .await
        .unwrap();
    identity.cert.pem()
}

#[tokio::test]
async fn the_databases_certificate_is_verified_with_the_operators_roots() {
    let (world, postgres) = own_server(&[]).await;
    let operator = postgres.connect(DATABASE).await.unwrap();
    let certificate = with_tls(&operator).await;
    let mut secret: Value = serde_json::from_str(&postgres.secret_json(DATABASE)).unwrap();
    secret.as_object_mut().unwrap().remove("sslmode");
    world.secrets.put("postern/database", secret.to_string());
    let roots = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{}.pem", uuid::Uuid::new_v4()));
    std::fs::write(&roots, &certificate).unwrap();
    let world = world.again(&[
        // The server listens on one of its addresses only.
        ("DATABASE_HOST", "localhost"),
        ("DATABASE_CA_FILE", roots.to_str().unwrap()),
        ("DATABASE_TIMEOUT_MS", "700"),
    ]);
    let put = json!({"command": "put_organization", "id": "a"});
    world.ok(put.clone()).await;
    // It was read at cold start, and serves every later connection.
    std::fs::remove_file(&roots).unwrap();
    assert_eq!(terminate_sessions(&operator).await, 1);
    world.ok(put.clone()).await;
    let secured = format!("select ssl from pg_stat_ssl where pid in (select pid {SESSIONS})");
    assert_eq!(column(&operator, &secured).await, ["t"]);
    // What takes too long is cancelled over a connection that is as safe.
    let holder = postgres.connect(DATABASE).await.unwrap();
    let lock = "begin; lock table organizations in access exclusive mode";
    holder.batch_execute(lock).await.unwrap();
    let late = world.command(put.clone()).await;
    assert_eq!(late["error"]["code"], "database_unavailable", "{late}");
    until("the statement is cancelled", async || {
        column(&operator, WAITING).await == ["0"]
    })
    .await;
    holder.batch_execute("rollback").await.unwrap();
    // The certificate is not for this name.
    std::fs::write(&roots, &certificate).unwrap();
    let world = world.again(&[("DATABASE_HOST", "127.0.0.1")]);
    let refused = world.command(put).await;
    assert_eq!(
        refused["error"]["code"], "database_unavailable",
        "{refused}"
    );
    std::fs::remove_file(&roots).unwrap();
    until("the certificate is named", async || {
        let logs = world.control().await.logs().await.join("\n");
        logs.contains("certificate")
    })
    .await;
}

#[tokio::test]
async fn an_environment_that_began_while_the_database_was_read_only_recovers() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    let operator = world.client().await;
    let name = column(&operator, "select current_database()").await;
    let writes = async |setting: &str| {
        let alter = format!("alter database \"{}\" {setting}", name[0]);
        operator.batch_execute(&alter).await.unwrap();
    };
    writes("set default_transaction_read_only = on").await;
    let world = world.again(&[]);
    let click = press("U1", "q-1:0");
    assert_eq!(world.click("slack-a", &click).await.status, 503);
    writes("reset default_transaction_read_only").await;
    let clicked = world.click("slack-a", &click).await;
    assert_eq!(clicked.status, 200, "{}", clicked.text());
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "answered");
}

#[tokio::test]
async fn a_session_whose_server_became_read_only_is_not_used_again_and_stale_reads_end() {
    let (world, postgres) = own_server(&[]).await;
    let token = world.conversing("a", "U1").await;
    let placeholder = world.placeholder("a", "agent-a").await;
    world.ask(&token, &question("q-1")).await;
    let operator = postgres.connect(DATABASE).await.unwrap();
    let sessions = async || column(&operator, &format!("select pid {SESSIONS}")).await;
    // As of a writer that is demoted in place: sessions stay, and may no longer write.
    let demoted = async |setting: &str| {
        operator
            .batch_execute(&format!("alter system {setting}"))
            .await
            .unwrap();
        operator
            .batch_execute("select pg_reload_conf()")
            .await
            .unwrap();
        let expected = if setting.starts_with("reset") {
            "off"
        } else {
            "on"
        };
        until("the setting is read", async || {
            let own = column(&operator, "show default_transaction_read_only").await;
            own == [expected]
        })
        .await;
        // The others read it at their next command, once the signal has come.
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let before = sessions().await;
    demoted("set default_transaction_read_only = on").await;
    let click = press("U1", "q-1:0");
    assert_eq!(world.click("slack-a", &click).await.status, 503);
    demoted("reset default_transaction_read_only").await;
    let clicked = world.click("slack-a", &click).await;
    assert_eq!(clicked.status, 200, "{}", clicked.text());
    let fresh = sessions().await;
    assert!(
        fresh.iter().any(|pid| !before.contains(pid)),
        "the session was used again: {before:?} {fresh:?}"
    );
    // A request that only reads must not be answered from a replica that may have fallen behind.
    assert_eq!(world.call_proxy(proxied(&placeholder)).await.status, 200);
    demoted("set default_transaction_read_only = on").await;
    tokio::time::sleep(Duration::from_millis(5200)).await;
    let refused = world.call_proxy(proxied(&placeholder)).await;
    assert_eq!(refused.code(), "database_unavailable");
    demoted("reset default_transaction_read_only").await;
    assert_eq!(world.call_proxy(proxied(&placeholder)).await.status, 200);
}

#[tokio::test]
async fn a_server_that_was_restarted_is_found_again_by_the_next_request() {
    let (world, mut postgres) = own_server(&[]).await;
    let token = world.conversing("a", "U1").await;
    let placeholder = world.placeholder("a", "agent-a").await;
    asked_and_answered(&world, &token, "q-1").await;
    assert_eq!(world.call_proxy(proxied(&placeholder)).await.status, 200);
    postgres.stop().await.unwrap();
    postgres.start_again().await.unwrap();
    asked_and_answered(&world, &token, "q-2").await;
    let answer = world.call_proxy(proxied(&placeholder)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    postgres.stop().await.unwrap();
    let asked = world.ask(&token, &question("q-3")).await;
    assert_eq!(asked.code(), "database_unavailable");
    postgres.start_again().await.unwrap();
    asked_and_answered(&world, &token, "q-3").await;
}

/// Ends the functions' sessions and waits until they are gone.
async fn terminate_sessions(operator: &Client) -> usize {
    let ended = format!("select pg_terminate_backend(pid, 5000) {SESSIONS}");
    column(operator, &ended).await.len()
}

#[tokio::test]
async fn a_session_that_was_ended_between_two_requests_costs_no_error() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let operator = world.client().await;
    for round in 0..5 {
        asked_and_answered(&world, &token, &format!("q-{round}")).await;
        let answer = world.call_proxy(proxied(&placeholder)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_ne!(terminate_sessions(&operator).await, 0);
    }
}

/// The process that holds the client's end of a TCP connection to a local server.
#[cfg(target_os = "linux")]
fn process_of(client_port: &str) -> u32 {
    let port = format!(":{:04X}", client_port.parse::<u16>().unwrap());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let inode = table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let established = fields[3] == "01";
        (established && fields[1].ends_with(&port)).then(|| fields[9].to_owned())
    });
    let socket = format!("socket:[{}]", inode.unwrap());
    let holds = |process: &std::path::Path| {
        let files = std::fs::read_dir(process.join("fd")).into_iter().flatten();
        files.flatten().any(|file| {
            std::fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == &*socket)
        })
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|entry| holds(&entry.path()))
        .find_map(|entry| entry.file_name().to_str()?.parse().ok())
        .unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_session_that_was_ended_while_the_environment_was_frozen_costs_no_error() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    let operator = world.client().await;
    terminate_sessions(&operator).await;
    assert_eq!(world.ask(&token, &question("q")).await.status, 201);
    let port = column(&operator, &format!("select client_port {SESSIONS}")).await;
    let environment = process_of(&port[0]).to_string();
    let signal = |name: &str| {
        let kill = std::process::Command::new("kill")
            .args([name, &environment])
            .status();
        assert!(kill.unwrap().success());
    };
    for round in 0..20 {
        // Lambda freezes an environment between invocations; what happened meanwhile and the next
        // invocation then come to it at once.
        signal("-STOP");
        assert_eq!(terminate_sessions(&operator).await, 1);
        let body = question(&format!("q-{round}"));
        let thaw = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            signal("-CONT");
        };
        let (asked, ()) = tokio::join!(world.ask(&token, &body), thaw);
        assert_eq!(asked.status, 201, "round {round}: {}", asked.text());
    }
}

/// A session that keeps everybody from the table that every migration reads first.
async fn in_the_way(world: &World) -> Client {
    let holder = world.client().await;
    let history = "select oid::regclass from pg_class where relname = 'refinery_schema_history'";
    let history = column(&holder, history).await;
    holder
        .batch_execute(&format!(
            "begin; lock table {} in access exclusive mode",
            history[0]
        ))
        .await
        .unwrap();
    holder
}

#[tokio::test]
async fn a_migration_waits_for_a_lock_in_short_pieces_and_succeeds_when_it_is_free() {
    let world = World::new().await;
    let operator = world.client().await;
    let holder = in_the_way(&world).await;
    let released = async {
        let mut longest: f64 = 0.0;
        let end = Instant::now() + Duration::from_secs(6);
        while Instant::now() < end {
            let waits = "select coalesce(max(extract(epoch from clock_timestamp() - waitstart)), 0) from pg_locks
                join pg_database on pg_database.oid = database
                where datname = current_database() and locktype = 'relation' and not granted";
            longest = longest.max(column(&operator, waits).await[0].parse().unwrap());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        holder.batch_execute("rollback").await.unwrap();
        longest
    };
    let (answer, longest) = tokio::join!(world.command(json!({"command": "migrate"})), released);
    assert_eq!(answer, json!({"ok": true}));
    // Whoever asks for the table meanwhile stands behind the one that waits.
    assert!(longest > 0.5, "it never waited");
    assert!(longest < 2.7, "it waited for {longest} s at a stretch");
}

#[tokio::test]
async fn a_migration_that_takes_too_long_is_given_up_on_the_server_too() {
    let world = World::new().await;
    let holder = in_the_way(&world).await;
    let store = world.store().await;
    let migrated = store.migrate_within(Duration::from_millis(500)).await;
    assert!(migrated.is_err());
    // Less than its lock's own time-out has left.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let left = format!(
        "{WAITING} or (datname = current_database() and query like '%advisory_lock%' and pid <> pg_backend_pid())"
    );
    assert_eq!(world.value(&left).await, "0");
    holder.batch_execute("rollback").await.unwrap();
    store.migrate().await.unwrap();
}
