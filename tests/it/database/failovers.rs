//! Failovers: a server that becomes read-only or restarts, and sessions that end.

use super::{
    DATABASE, SESSIONS, asked_and_answered, column, own_server, proxied, set_for_server,
    terminate_sessions,
};
use crate::world::{World, press, question, until};
use std::time::Duration;

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
    let world = world.restarted_with(&[]);
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
    // Like a writer that is demoted in place: sessions stay, and may no longer write.
    let read_only = async |setting: &str| {
        set_for_server(&operator, "default_transaction_read_only", setting).await;
        until("the setting is read", async || {
            let own = column(&operator, "show default_transaction_read_only").await;
            own == [setting]
        })
        .await;
        // Other sessions read it at their next command, once the signal has come.
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let before = sessions().await;
    read_only("on").await;
    let click = press("U1", "q-1:0");
    assert_eq!(world.click("slack-a", &click).await.status, 503);
    read_only("off").await;
    let clicked = world.click("slack-a", &click).await;
    assert_eq!(clicked.status, 200, "{}", clicked.text());
    let fresh = sessions().await;
    assert!(
        fresh.iter().any(|pid| !before.contains(pid)),
        "the session was used again: {before:?} {fresh:?}"
    );
    // A request that only reads must not be answered by a replica that may lag behind.
    assert_eq!(world.call_proxy(proxied(&placeholder)).await.status, 200);
    read_only("on").await;
    tokio::time::sleep(Duration::from_millis(5200)).await;
    let refused = world.call_proxy(proxied(&placeholder)).await;
    assert_eq!(refused.code(), "database_unavailable");
    read_only("off").await;
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
        // Lambda freezes an environment between invocations. After the thaw it sees what happened
        // meanwhile together with the next invocation.
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
