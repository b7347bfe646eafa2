//! The ring's keys rotate without a restart, and `reseal` brings the rows under the current one.

use super::{PATH, RING};
use crate::world::checks::{refused, spends};
use crate::world::{World, through};
use postern_stack::Invocation;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_key_that_was_added_a_moment_ago_opens_at_once_and_the_ring_is_read_once_more() {
    let world = World::new().await;
    world.tenants().await;
    world.seal("a", "keys/x", "sk-old-0123456789").await;
    world.profile("a", "sealed:keys/x").await;
    let caller = world.minted("a", "agent-a", json!({})).await;
    spends(&world, through(PATH, &caller), "sk-old-0123456789").await;
    world.ring(&["k2", "k1"]);
    // Still opened with the cached ring.
    spends(&world, through(PATH, &caller), "sk-old-0123456789").await;
    world.seal("a", "keys/x", "sk-new-0123456789").await;
    assert_eq!(world.rows("a").await, "keys/x 2 k2");
    let before = world.secrets.calls(RING);
    spends(&world, through(PATH, &caller), "sk-new-0123456789").await;
    assert_eq!(world.secrets.calls(RING), before + 1);
    // A key that no ring has is not looked for at each request.
    world.sql("update sealed_secrets set key_id = 'gone'").await;
    for _ in 0..3 {
        refused(&world, through(PATH, &caller), 503, "secret_unavailable").await;
    }
    assert_eq!(world.secrets.calls(RING), before + 1);
}

#[tokio::test]
async fn reseal_rewrites_every_row_once_in_batches_although_two_run_at_once() {
    let world = World::new().await;
    world.tenants().await;
    for n in 0..8 {
        for organization in ["a", "b"] {
            let name = format!("keys/x-{n}");
            world
                .seal(organization, &name, &format!("sk-of-{organization}-{n}"))
                .await;
        }
    }
    // One was moved, one is of no key, and one has no name.
    world.seal("a", "keys/a-moved", "x").await;
    world.seal("a", "keys/b-gone", "x").await;
    world
        .sql(
            "update sealed_secrets set version = 7 where name = 'keys/a-moved';
              update sealed_secrets set key_id = 'gone' where name = 'keys/b-gone';
              insert into sealed_secrets values ('a', 'other', 1, 'k1', '')",
        )
        .await;
    world.ring(&["k2", "k1"]);
    let control = world.environments("control", 2).await;
    let run = async || {
        let mut runs: Vec<Value> = Vec::new();
        loop {
            let reseal = json!({"command": "reseal", "limit": 3});
            let invoked = control
                .invoke(reseal, Duration::from_secs(30))
                .await
                .unwrap();
            let Invocation::Ok(answer) = invoked else {
                panic!("{invoked:?}");
            };
            let more = answer["remaining"] == true;
            assert!(runs.len() < 20, "{runs:?}");
            runs.push(answer);
            if !more {
                return runs;
            }
        }
    };
    let (one, two) = tokio::join!(run(), run());
    let all: Vec<&Value> = one.iter().chain(&two).collect();
    let resealed: u64 = all
        .iter()
        .map(|run| run["resealed"].as_u64().unwrap())
        .sum();
    assert_eq!(resealed, 16, "{all:?}");
    assert!(all.iter().all(|run| run["resealed"].as_u64().unwrap() <= 3));
    for last in [one.last(), two.last()] {
        assert_eq!(last.unwrap()["failed"], 3, "{all:?}");
    }
    let good: Vec<String> = (0..8).map(|n| format!("keys/x-{n} 2 k2")).collect();
    assert_eq!(world.rows("b").await, good.join(", "));
    let ours = world.rows("a").await;
    assert!(ours.contains(&good.join(", ")), "{ours}");
    assert!(
        ours.starts_with("keys/a-moved 7 k1, keys/b-gone 1 gone, "),
        "{ours}"
    );
    let lines = control.logs().await;
    for named in ["keys/a-moved", "keys/b-gone", "\"other\""] {
        let failed = |line: &&String| line.contains("reseal_failed") && line.contains(named);
        assert!(lines.iter().any(|line| failed(&line)), "{named}");
    }
    assert!(!lines.iter().any(|line| line.contains("sk-of-")));

    // The old key is no longer needed.
    world.ring(&["k2"]);
    for organization in ["a", "b"] {
        world.profile(organization, "sealed:keys/x-5").await;
        let agent = format!("agent-{organization}");
        let caller = world.minted(organization, &agent, json!({})).await;
        let path = format!("openai/a/{agent}/v1/chat/completions");
        spends(
            &world,
            through(&path, &caller),
            &format!("sk-of-{organization}-5"),
        )
        .await;
    }
}
