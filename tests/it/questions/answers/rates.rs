//! Many questions at once to one channel, whose platform keeps its rates.

use crate::questions::platforms::{EVERYWHERE, On};
use crate::world::{World, question};
use futures_util::future::join_all;
use postern_stack::{Failure, HttpRequest, Invocation, Kind};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_burst_to_one_channel_becomes_cards_and_no_plain_text() {
    let world = World::with_env(&[("AWS_LAMBDA_MAX_CONCURRENCY", "16")]).await;
    world.tenants().await;
    world.slack.keep_rates();
    world.telegram.keep_rates();
    world.discord.keep_rates();
    let bursts = EVERYWHERE.map(async |on| {
        let token = on.token(&world).await;
        let asked = (0..7).map(async |number| {
            let asked = question(&format!("{}-{number}", on.name()));
            world.ask(&token, &asked).await.status
        });
        assert_eq!(join_all(asked).await, [201; 7], "{on:?}");
        let calls = on.calls(&world);
        assert!(calls.iter().all(|call| call.kind == Kind::Card), "{on:?}");
        assert_eq!(on.posted(&world).len(), 7, "{on:?}");
    });
    join_all(bursts).await;
}

/// As many environments as agents that ask in one second would start, or fewer that take several calls each.
const ENVIRONMENTS: usize = 4;
/// How long an invocation may take. What does not fit into it is the sweep's.
const INVOCATION: Duration = Duration::from_secs(12);

#[tokio::test]
async fn a_hundred_questions_in_one_second_are_posted_one_by_one_and_none_is_lost() {
    let world = World::with_env(&[("AWS_LAMBDA_MAX_CONCURRENCY", "32")]).await;
    world.tenants().await;
    world.slack.keep_rates();
    let token = world.conversing("a", "U1").await;
    let webhooks = world.environments("webhooks", ENVIRONMENTS).await;
    let begun = Instant::now();
    let asked = (0..100).map(async |number| {
        let body = question(&format!("q-{number}"));
        let request = HttpRequest::post_json("/v1/interactions", &body);
        let request = request.header("x-postern-worker-token", &token).v2();
        match webhooks.invoke(request, INVOCATION).await {
            Ok(Invocation::Ok(answer)) => answer["statusCode"].as_u64().unwrap(),
            failed => panic!("{failed:?}"),
        }
    });
    let statuses = join_all(asked).await;
    assert!(begun.elapsed() < INVOCATION + Duration::from_secs(2));
    let posted = statuses.iter().filter(|status| **status == 201).count();
    let later = statuses.iter().filter(|status| **status == 202).count();
    assert_eq!(posted + later, 100, "{statuses:?}");
    assert!(posted >= 5 && later >= 50, "{posted} {later}");
    let due = "select count(*) from pending_interactions where posted_at is null";
    // They are due when their turn comes, one a second, and a sweep posts for some 25 s.
    let mut sweeps = 0;
    while world.value(due).await != "0" {
        assert!(
            begun.elapsed() < Duration::from_secs(200),
            "{sweeps} sweeps"
        );
        world.sweep(json!({})).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        sweeps += 1;
    }
    // The platform never had to refuse one, so each was called for once.
    let calls = world.slack.calls();
    assert_eq!((calls.len(), world.slack.cards().len()), (100, 100));
    // Of any eleven, the last comes ten seconds after the first, however late a busy machine lets one arrive.
    for some in calls.windows(11) {
        let took = some[10].at - some[0].at;
        assert!(took > Duration::from_millis(9500), "{took:?}");
    }
}

#[tokio::test]
async fn a_group_that_became_a_supergroup_is_found_each_time() {
    let world = World::new().await;
    world.tenants().await;
    world.telegram.upgrade(-5, -1_000_000_000_005);
    let token = world.talking("telegram", "111", "-5").await;
    for id in ["q-1", "q-2"] {
        assert_eq!(world.ask(&token, &question(id)).await.status, 201);
        let card = world.telegram.cards().pop().unwrap();
        assert!(card.shows(id) && card.channel == "-1000000000005");
    }
    assert_eq!(world.telegram.calls().len(), 4);
}

#[tokio::test]
async fn a_rate_without_a_body_or_of_the_whole_bot_is_waited_for() {
    let world = World::new().await;
    world.tenants().await;
    world.slack.fail(Failure {
        empty: true,
        ..Failure::of("ratelimited", "C1", Kind::Card).after(1.0)
    });
    world.discord.fail(Failure {
        global: true,
        ..Failure::of("429", "333", Kind::Card).after(0.3)
    });
    for on in [On::Slack, On::Discord] {
        let token = on.token(&world).await;
        let asked = world.ask(&token, &question(on.name())).await;
        assert_eq!(asked.status, 201, "{on:?}");
        let calls = on.calls(&world);
        assert_eq!(calls.len(), 2, "{on:?}");
        let waited = calls[1].at - calls[0].at;
        let asked_for = Duration::from_millis(if on == On::Slack { 1000 } else { 300 });
        assert!(waited >= asked_for, "{on:?}: {waited:?}");
    }
}
