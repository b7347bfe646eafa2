//! What an operator learns about a policy before it counts: from observing, and from `explain`.

use super::rules::{HOST, outcome};
use crate::world::{World, through};
use serde_json::{Value, json};

/// The `egress_observed` lines of the log, or those of the metrics.
async fn observed(world: &World, metrics: bool) -> Vec<Value> {
    let lines = world.proxy().await.logs().await;
    let lines = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &Value| line["event"] == "egress_observed")
        .filter(|line| line.get("_aws").is_some() == metrics)
        .collect()
}

#[tokio::test]
async fn a_policy_that_only_observes_lets_everything_pass_and_logs_what_it_would_have_decided() {
    let world = World::new().await;
    world.tenants().await;
    world.judge.say(r#"{"verdict": "deny", "reason": "no"}"#);
    let placeholder = world.placeholder("a", "agent-a").await;
    let ask = json!({"connection_id": "slack-a", "user_id": "U1", "channel_id": "C1"});
    let all = [
        (json!({"host": HOST, "action": "deny"}), "deny"),
        (json!({"host": HOST, "action": "allow"}), "allow"),
        (
            json!({"host": HOST, "action": "judge", "policy": "never"}),
            "deny",
        ),
        (json!({"host": HOST, "action": "ask", "ask": ask}), "ask"),
    ];
    for (n, (rule, would)) in all.into_iter().enumerate() {
        world
            .ok(json!({"command": "put_policy", "organization_id": "a", "rules": [rule], "observe": true}))
            .await;
        assert_eq!(
            outcome(&world, through("openai/a/agent-a/v1/x", &placeholder)).await,
            "sent"
        );
        let told = observed(&world, false).await;
        assert_eq!(told.len(), n + 1);
        let told = told.last().unwrap();
        assert_eq!(
            (&told["verdict"], &told["host"]),
            (&json!(would), &json!(HOST)),
            "{told}"
        );
        assert!(told.get("path").is_none());
    }
    assert!(
        world.slack.calls().is_empty(),
        "a policy that only observes asks nobody"
    );
    let counted = observed(&world, true).await;
    let verdicts: Vec<_> = counted
        .iter()
        .map(|line| (line["verdict"].clone(), line["egress"].as_f64()))
        .collect();
    let once = |verdict: &str| (json!(verdict), Some(1.0));
    assert_eq!(
        verdicts,
        [once("deny"), once("allow"), once("deny"), once("ask")]
    );
}

#[tokio::test]
async fn explain_names_the_rule_that_decides() {
    let world = World::new().await;
    world.tenants().await;
    let explain = async |method: &str, url: &str| {
        world
            .ok(json!({"command": "explain", "organization_id": "a", "agent_id": "agent-a", "method": method, "url": url}))
            .await
    };
    let own = format!("http://127.0.0.1:{}/v1/x", world.upstream.port());
    assert_eq!(explain("GET", &own).await["verdict"], "allow");
    for other in [
        "https://a.example/",
        "https://127.0.0.1/",
        "http://127.0.0.1:2/",
    ] {
        assert_eq!(explain("GET", other).await["verdict"], "deny", "{other}");
    }
    let deny = json!({"host": "a.example", "path_prefix": "/admin", "action": "deny"});
    let ask = json!({"connection_id": "slack-a", "user_id": "U1", "channel_id": "C1"});
    world
        .policy(
            "a",
            json!([deny, {"host": "a.example", "methods": ["POST"], "action": "ask", "ask": ask},
            {"host": "*.a.example", "action": "judge", "policy": "only reads"}]),
        )
        .await;
    let told = explain("GET", "https://A.example/admin/x?y").await;
    assert_eq!(
        told["by"],
        json!({"policy": "organization", "index": 0, "rule": deny})
    );
    assert_eq!(told["verdict"], "deny");
    assert_eq!(
        explain("POST", "https://a.example/x").await["verdict"],
        "ask"
    );
    assert_eq!(
        explain("POST", "https://b.a.example/x").await["verdict"],
        "judge"
    );
    let none = explain("GET", "https://other.example/x").await;
    assert!(
        none["verdict"] == "deny" && none.get("by").is_none(),
        "{none}"
    );
    assert!(
        explain("POST", "https://a.example/x/..%2fadmin").await["reason"]
            .as_str()
            .unwrap()
            .contains("more than one way")
    );
    world.sql("insert into grants (organization_id, agent_id, pattern, denied, granted_by) values ('a', 'agent-a', 'host:a.example', false, 'U1')").await;
    assert_eq!(
        explain("POST", "https://a.example/x").await["verdict"],
        "allow"
    );
    world
        .ok(json!({"command": "put_policy", "organization_id": "a", "agent_id": "agent-a", "rules": [], "observe": true}))
        .await;
    let told = explain("GET", "https://a.example/").await;
    assert_eq!(
        (&told["verdict"], &told["observed"]["verdict"]),
        (&json!("deny"), &json!("deny"))
    );
    let error = world
        .command(json!({"command": "explain", "organization_id": "a", "agent_id": "nobody", "method": "GET", "url": "https://a.example/"}))
        .await;
    assert_eq!(error["error"]["code"], "unknown_agent");
    assert!(
        world.judge.judged().is_empty() && world.slack.calls().is_empty(),
        "explaining asks nobody"
    );
}

#[tokio::test]
async fn what_explain_says_is_what_the_proxy_does() {
    let world = World::new().await;
    world.tenants().await;
    world.judge.say(r#"{"verdict": "allow", "reason": "fine"}"#);
    let token = world.token("a", "agent-a", json!({})).await;
    let ask = json!({"connection_id": "slack-a", "user_id": "U1", "channel_id": "C1"});
    let rules = |action: &str| match action {
        "judge" => json!([{"host": "a.example", "action": action, "policy": "only reads"}]),
        "ask" => json!([{"host": "a.example", "action": action, "ask": ask}]),
        _ => json!([{"host": "a.example", "action": action}]),
    };
    let (enforced, observed) = (false, true);
    let (allowed, denied) = (Some(false), Some(true));
    let upstream = (HOST, world.upstream.port());
    let other = ("a.example", 80);
    for (policy, grant, (host, port), verdict) in [
        (None, None, upstream, "allow"),
        (None, None, other, "deny"),
        (None, allowed, other, "deny"),
        (Some(("allow", enforced)), denied, other, "allow"),
        (Some(("deny", enforced)), allowed, other, "deny"),
        (Some(("allow", enforced)), None, upstream, "deny"),
        (Some(("deny", observed)), None, other, "allow"),
        (Some(("judge", enforced)), denied, other, "judge"),
        (Some(("ask", enforced)), allowed, other, "allow"),
        (Some(("ask", enforced)), denied, other, "deny"),
        (Some(("ask", enforced)), None, other, "ask"),
    ] {
        let case = format!("{policy:?} {grant:?} {host}");
        world
            .command(json!({"command": "delete_policy", "organization_id": "a"}))
            .await;
        if let Some((action, observe)) = policy {
            world
                .ok(json!({"command": "put_policy", "organization_id": "a", "rules": rules(action), "observe": observe}))
                .await;
        }
        world.sql("delete from grants").await;
        if let Some(denied) = grant {
            world.sql(&format!("insert into grants (organization_id, agent_id, pattern, denied, granted_by) values ('a', 'agent-a', 'host:{host}', {denied}, 'U1')")).await;
        }
        let url = format!("http://{host}:{port}/x");
        let explained = world
            .ok(json!({"command": "explain", "organization_id": "a", "agent_id": "agent-a", "method": "GET", "url": url}))
            .await;
        assert_eq!(explained["verdict"], verdict, "{case}: {explained}");
        let request =
            json!({"scheme": "http", "host": host, "port": port, "method": "GET", "path": "/x"});
        let decided = world.egress(&token, &request).await.json();
        if verdict == "judge" {
            assert_eq!(decided["source"], "judge", "{case}: {decided}");
        } else {
            assert_eq!(
                (&decided["verdict"], &decided["reason"]),
                (&explained["verdict"], &explained["reason"]),
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn an_observing_policy_decides_nothing_beside_an_enforced_one_and_goes_live_at_once() {
    let world = World::new().await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let chat = || through("openai/a/agent-a/v1/chat/completions", &placeholder);
    let (allow, deny) = (
        json!([{"host": HOST, "action": "allow"}]),
        json!([{"host": HOST, "action": "deny"}]),
    );
    let own = |rules: &Value, observe: bool| json!({"command": "put_policy", "organization_id": "a", "agent_id": "agent-a", "rules": rules, "observe": observe});
    let both = [
        (&allow, &deny, "sent", "deny"),
        (&deny, &allow, "egress_denied", "allow"),
    ];
    for (n, (organization, agent, said, would)) in both.into_iter().enumerate() {
        world.policy("a", organization.clone()).await;
        world.ok(own(agent, true)).await;
        assert_eq!(outcome(&world, chat()).await, said);
        let told = observed(&world, false).await;
        assert_eq!(told.len(), n + 1);
        let told = told.last().unwrap();
        assert_eq!(told["verdict"], would);
    }
    world.policy("a", allow).await;
    world.ok(own(&deny, true)).await;
    assert_eq!(outcome(&world, chat()).await, "sent");
    world.ok(own(&deny, false)).await;
    assert_eq!(
        outcome(&world, chat()).await,
        "egress_denied",
        "the same rules, no longer only observing"
    );
}
