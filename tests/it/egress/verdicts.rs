//! A verdict serves all identical requests of its organization, and no other organization.

use super::judge::{ALLOW, DENY, call, judged, outcome, world};
use crate::world::World;
use futures_util::future::join_all;
use postern_stack::JudgeMode;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn two_organizations_with_the_same_words_and_requests_never_share_a_verdict() {
    let (world, [ours, theirs]) = world(&[]).await;
    world.judge.say(DENY);
    let answer = world.call_proxy(call("a", "v1/x", &ours)).await;
    assert_eq!((answer.status, answer.code()), (403, "judge_denied".into()));
    assert!(
        answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("not \u{2014} fine")
    );
    world.judge.say(ALLOW);
    assert_eq!(
        outcome(&world, call("b", "v1/x", &theirs)).await,
        "sent",
        "a's denial reached b"
    );
    assert_eq!(
        outcome(&world, call("a", "v1/x", &ours)).await,
        "judge_denied",
        "b's verdict reached a"
    );
    assert_eq!(world.judge.judged().len(), 2);
    let kept = "select string_agg(organization_id || ' ' || outcome, ', ' order by organization_id) from egress_verdicts";
    assert_eq!(world.value(kept).await, "a deny, b allow");
    assert_eq!(
        world
            .value("select count(distinct key) from egress_verdicts")
            .await,
        "2"
    );
}

#[tokio::test]
async fn a_verdict_is_reused_for_exactly_the_same_and_misses_when_anything_is_edited() {
    let (world, [placeholder, _]) = world(&[]).await;
    world.judge.say(ALLOW);
    let asked = || world.judge.judged().len();
    for _ in 0..3 {
        assert_eq!(
            outcome(&world, call("a", "v1/x", &placeholder)).await,
            "sent"
        );
    }
    assert_eq!(asked(), 1);
    outcome(&world, call("a", "v1/y", &placeholder)).await;
    let mut get = call("a", "v1/x", &placeholder);
    get.method = "GET".into();
    outcome(&world, get).await;
    assert_eq!(
        asked(),
        3,
        "another path and another method are other questions"
    );
    world
        .policy("a", judged("Only chats about the weather!"))
        .await;
    outcome(&world, call("a", "v1/x", &placeholder)).await;
    assert_eq!(asked(), 4, "an edited policy asks again");
    world
        .policy("a", judged("Only chats about the weather."))
        .await;
    outcome(&world, call("a", "v1/x", &placeholder)).await;
    assert_eq!(
        asked(),
        4,
        "the verdict under the former words is still known"
    );
}

#[tokio::test]
async fn another_environment_knows_the_verdict_until_it_is_five_minutes_old() {
    let (world, [placeholder, _]) = world(&[]).await;
    world.judge.say(ALLOW);
    assert_eq!(
        outcome(&world, call("a", "v1/x", &placeholder)).await,
        "sent"
    );
    let left = "select round(extract(epoch from expires_at - now())) between 270 and 300 from egress_verdicts";
    assert_eq!(world.value(left).await, "t");
    let world = world.restarted_with(&[]);
    assert_eq!(
        outcome(&world, call("a", "v1/x", &placeholder)).await,
        "sent"
    );
    assert_eq!(world.judge.judged().len(), 1);
    world
        .sql("update egress_verdicts set expires_at = now()")
        .await;
    let world = world.restarted_with(&[]);
    world.judge.say(DENY);
    assert_eq!(
        outcome(&world, call("a", "v1/x", &placeholder)).await,
        "judge_denied"
    );
    assert_eq!(world.judge.judged().len(), 2);
    world
        .sql("update egress_verdicts set expires_at = now() - interval '11 minutes'")
        .await;
    assert_eq!(
        world.sweep(json!({})).await.unwrap()["deleted"]["egress_verdicts"],
        1
    );
}

#[tokio::test]
async fn identical_requests_at_once_share_one_call_in_one_environment_and_over_several() {
    for (environments, concurrency) in [(1, "16"), (4, "4")] {
        let (world, [placeholder, theirs]) =
            world(&[("AWS_LAMBDA_MAX_CONCURRENCY", concurrency)]).await;
        world
            .judge
            .set_mode(JudgeMode::Slowly(Duration::from_millis(700), ALLOW.into()));
        let proxy = world.environments("proxy", environments).await;
        let asks = (0..12).map(|n| {
            // A third of them come from the other organization.
            let (org, placeholder) = if n % 3 == 0 {
                ("b", &theirs)
            } else {
                ("a", &placeholder)
            };
            World::call_on(&proxy, call(org, "v1/chat/completions", placeholder).v2())
        });
        let answers = join_all(asks).await;
        assert!(
            answers.iter().all(|answer| answer.status == 200),
            "{answers:?}"
        );
        assert_eq!(world.judge.judged().len(), 2, "{environments} environments");
    }
}

#[tokio::test]
async fn requests_that_wait_for_a_call_that_fails_fail_with_it() {
    let (world, [placeholder, _]) = world(&[
        ("AWS_LAMBDA_MAX_CONCURRENCY", "4"),
        // Long enough for all three environments to start.
        ("JUDGE_TIMEOUT_MS", "6000"),
    ])
    .await;
    world.judge.set_mode(JudgeMode::Hang);
    let proxy = world.environments("proxy", 3).await;
    let event = call("a", "v1/x", &placeholder).v2();
    let answers = join_all((0..9).map(|_| World::call_on(&proxy, event.clone()))).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.code() == "judge_timeout"),
        "{answers:?}"
    );
    assert_eq!(world.judge.judged().len(), 1);
}
