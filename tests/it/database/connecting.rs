//! Connecting: through a pooler, with as little as the secret holds, and over TLS.

use super::{
    DATABASE, SESSIONS, WAITING, asked_and_answered, column, own_server, proxied, set_for_server,
    terminate_sessions,
};
use crate::world::{REAL_KEY, World, until};
use postern_stack::PgBouncer;
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use tokio_postgres::Client;

#[tokio::test]
async fn everything_works_behind_a_pooler_that_shares_its_sessions() {
    let world = World::new().await;
    let bouncer = PgBouncer::start(&world.secrets_database()).await.unwrap();
    let port = bouncer.port().to_string();
    // The secret still names the database itself, like one that RDS rotates. One login serves all functions, so that
    // they share the pooler's sessions.
    let one: Value = serde_json::from_str(&world.secrets_database()).unwrap();
    let world = world.restarted_with(&[
        ("DATABASE_HOST", bouncer.host()),
        ("DATABASE_PORT", &port),
        ("DATABASE_USER", one["username"].as_str().unwrap()),
    ]);
    // A rotated password is read again, though the pooler does not say what it refused.
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
    let world = world.restarted_with(&elsewhere);
    world.ok(put.clone()).await;
    // Where the secret disagrees with a variable, it does not count.
    rotated["host"] = "db.invalid".into();
    rotated["port"] = "1".into();
    rotated["dbname"] = "elsewhere".into();
    rotated["username"] = "nobody".into();
    world.secrets.put("postern/database", rotated.to_string());
    let world = world.restarted_with(&[("DATABASE_USER", text("username"))]);
    world.ok(put).await;
}

/// Makes a server speak TLS as well; returns its certificate, which is for `localhost`.
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
    set_for_server(operator, "ssl", "on").await;
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
    let world = world.restarted_with(&[
        // The server listens on one of its addresses only.
        ("DATABASE_HOST", "localhost"),
        ("DATABASE_CA_FILE", roots.to_str().unwrap()),
        ("DATABASE_TIMEOUT_MS", "700"),
    ]);
    let put = json!({"command": "put_organization", "id": "a"});
    world.ok(put.clone()).await;
    // The file is read at cold start, for every later connection too.
    std::fs::remove_file(&roots).unwrap();
    assert_eq!(terminate_sessions(&operator).await, 1);
    world.ok(put.clone()).await;
    let secured = format!("select ssl from pg_stat_ssl where pid in (select pid {SESSIONS})");
    assert_eq!(column(&operator, &secured).await, ["t"]);
    // A statement that takes too long is cancelled over TLS as well.
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
    let world = world.restarted_with(&[("DATABASE_HOST", "127.0.0.1")]);
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
