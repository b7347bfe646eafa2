//! The stand-in for Lambda: what happens to a killed process's invocation, and when a log is complete.

use crate::world::{World, through, until};
use futures_util::future::join_all;
use postern_stack::{Function, HttpRequest};
use std::time::Duration;

/// The invocation that a killed process had asked for goes to its successor.
#[tokio::test]
async fn an_invocation_after_a_kill_goes_to_the_next_process() {
    let world = World::new().await;
    for _ in 0..20 {
        let nowhere = HttpRequest::get("/nowhere");
        assert_eq!(world.call_webhooks(nowhere).await.code(), "not_found");
        world.webhooks().await.kill_all();
    }
}

async fn proxied(proxy: &Function) -> usize {
    let lines = proxy.logs().await;
    let proxied = |line: &&String| line.contains("\"event\":\"proxied\"");
    lines.iter().filter(proxied).count()
}

#[tokio::test]
async fn a_log_holds_every_line_of_what_has_finished() {
    let world = World::with_env(&[("AWS_LAMBDA_MAX_CONCURRENCY", "4")]).await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let proxy = world.environments("proxy", 3).await;
    let event = through("openai/v1/chat/completions", &placeholder).v2();
    for round in 1..=5 {
        let calls = (0..24).map(|_| World::call_on(&proxy, event.clone()));
        for answer in join_all(calls).await {
            assert_eq!(answer.status, 200);
        }
        assert_eq!(proxied(&proxy).await, 24 * round);
    }
    assert_eq!(World::call_on(&proxy, event).await.status, 200);
    proxy.kill_all();
    let known = proxied(&proxy).await;
    assert!((24 * 5..=24 * 5 + 1).contains(&known), "{known}");
}

#[tokio::test]
async fn a_log_waits_for_what_is_in_flight_and_not_for_what_was_killed() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let proxy = world.proxy().await;
    let event = through("openai/v1/slow-headers", &placeholder).v2();
    let hanging = async {
        let _ = proxy.invoke_streaming(event).await;
    };
    let watched = async {
        until("it is in flight", async || {
            !world.upstream.seen().is_empty()
        })
        .await;
        proxy.lines_so_far().await;
        let whole = tokio::time::timeout(Duration::from_millis(300), proxy.logs()).await;
        assert!(whole.is_err(), "it did not wait");
        proxy.kill_all();
        proxy.logs().await;
    };
    tokio::join!(hanging, watched);
}
