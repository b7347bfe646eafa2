//! Approvals: a person's decision becomes a grant or a denial of that organization's agent.

use crate::world::{Answer, World, press};
use postern_stack::HttpRequest;
use serde_json::{Value, json};

const PATTERN: &str = "/mcp/git/tools/push";

fn approval(id: &str) -> Value {
    json!({"id": id, "kind": "approval", "tool": "git/push", "args": {"branch": "main", "note": "<!channel> *x*"}})
}

/// The decision about a pattern.
pub async fn grant(world: &World, token: &str, pattern: &str) -> Answer {
    let mut request = HttpRequest::get("/v1/grants").header("x-postern-worker-token", token);
    request.query = format!("pattern={pattern}");
    world.call_webhooks(request).await
}

async fn status(world: &World, token: &str) -> Value {
    grant(world, token, PATTERN).await.json()["status"].clone()
}

/// Asks under this id and clicks; returns the answer.
async fn decide(world: &World, token: &str, id: &str, choice: u8) -> Value {
    assert_eq!(world.ask(token, &approval(id)).await.status, 201);
    let button = format!("{id}:{choice}");
    world.click("slack-a", &press("U1", &button)).await;
    world.read(token, id).await.json()["answer"].clone()
}

#[tokio::test]
async fn each_decision_is_a_grant_with_an_end_or_a_denial_without_one() {
    let ends = [
        ("1h", 0, "3600"),
        ("24h", 1, "86400"),
        ("always", 2, ""),
        ("deny", 3, ""),
    ];
    for (value, choice, end) in ends {
        let world = World::new().await;
        world.tenants().await;
        let token = world.conversing("a", "U1").await;
        assert_eq!(status(&world, &token).await, "none");
        let answer = decide(&world, &token, "a-1", choice).await;
        assert_eq!(
            (&answer["value"], &answer["index"]),
            (&json!(value), &json!(choice))
        );
        // echo -n '{"args":{"branch":"main","note":"<!channel> *x*"},"tool":"git/push"}' | sha256sum
        assert_eq!(
            answer["digest"],
            "e38bdf93b0f9d532f3be111c9966b25d2d1f2061205d57f501e33400a165bf36"
        );
        assert_eq!(
            status(&world, &token).await,
            if value == "deny" { "denied" } else { "allowed" }
        );
        let row = "select extract(epoch from expires_at - granted_at)::int from grants";
        assert_eq!(world.value(row).await, end);
        // Another agent of the organization has no grant, nor has the same agent id in another one.
        let second = world.token("a", "second-a", json!({})).await;
        assert_eq!(status(&world, &second).await, "none");
        world
            .ok(json!({"command": "put_agent", "organization_id": "b", "agent_id": "agent-a"}))
            .await;
        let foreign = world.token("b", "agent-a", json!({})).await;
        assert_eq!(status(&world, &foreign).await, "none");
        assert_eq!(
            grant(&world, &token, "/mcp/git/tools/*").await.json()["status"],
            "none"
        );
    }
}

#[tokio::test]
async fn the_card_shows_the_tool_and_its_arguments_and_only_the_asked_decides() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    let opened = world.ask(&token, &approval("a-1")).await;
    assert_eq!(opened.status, 201);
    let card = &world.slack.calls()[0].body;
    let code = &card["blocks"][2]["elements"][0];
    let shown = code["elements"][0]["text"].as_str().unwrap();
    assert!(
        shown.contains("\"branch\": \"main\"") && shown.contains("<!channel>"),
        "{shown}"
    );
    assert_eq!(code["type"], "rich_text_preformatted");
    let asked = &card["blocks"][0]["elements"];
    assert_eq!(asked[0]["text"], "Agent agent-a of a asks");
    let until = asked[1]["text"].as_str().unwrap();
    let expires = opened.json()["expires_at"].as_str().unwrap()[..16].replace('T', " ");
    assert!(
        until.starts_with("<@U1>, until <!date^") && until.contains(&format!("|{expires} UTC>")),
        "{until}"
    );
    assert!(
        !card["text"].as_str().unwrap().contains("<!channel>"),
        "the fallback is markup"
    );
    let labels: Vec<&str> = card["blocks"].as_array().unwrap().last().unwrap()["elements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|button| button["text"]["text"].as_str().unwrap())
        .collect();
    assert_eq!(labels, ["1h", "24h", "always", "deny"]);
    for (user, button) in [
        ("U2", "a-1:2"),
        ("U1", "a-1:4"),
        ("U1", "a-1:9"),
        ("U1", "tool:a-1:approve"),
    ] {
        world.click("slack-a", &press(user, button)).await;
    }
    assert_eq!(world.read(&token, "a-1").await.json()["status"], "pending");
    assert_eq!(status(&world, &token).await, "none");
}

#[tokio::test]
async fn a_denial_beats_a_grant_whichever_came_first_and_an_operator_takes_it_back() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    decide(&world, &token, "a-1", 2).await;
    decide(&world, &token, "a-2", 3).await;
    assert_eq!(status(&world, &token).await, "denied");
    decide(&world, &token, "a-3", 0).await;
    assert_eq!(status(&world, &token).await, "denied");
    let revoke = json!({"command": "revoke_grant", "organization_id": "a", "agent_id": "agent-a", "pattern": PATTERN});
    assert_eq!(world.ok(revoke.clone()).await, json!({"revoked": 1}));
    assert_eq!(world.ok(revoke).await, json!({"revoked": 0}));
    assert_eq!(status(&world, &token).await, "none");
}

#[tokio::test]
async fn a_denial_ends_a_running_grant_for_good_and_names_who_denied() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    decide(&world, &token, "a-1", 0).await;
    let second = world.conversing("a", "U2").await;
    assert_eq!(world.ask(&second, &approval("a-2")).await.status, 201);
    world.click("slack-a", &press("U2", "a-2:3")).await;
    assert_eq!(status(&world, &token).await, "denied");
    let row = "select denied || ' ' || (expires_at is null) || ' ' || granted_by from grants";
    assert_eq!(world.value(row).await, "true true U2");
}

#[tokio::test]
async fn an_expired_denial_does_not_stop_a_later_grant() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world
        .sql(&format!(
            "insert into grants (organization_id, agent_id, pattern, denied, expires_at, granted_by)
             values ('a', 'agent-a', '{PATTERN}', true, now() - interval '1 second', 'an operator')"
        ))
        .await;
    assert_eq!(status(&world, &token).await, "none");
    decide(&world, &token, "a-1", 0).await;
    assert_eq!(status(&world, &token).await, "allowed");
    let row = "select round(extract(epoch from expires_at - now()) / 60) || ' ' || granted_by from grants";
    assert_eq!(world.value(row).await, "60 U1");
}

#[tokio::test]
async fn a_grant_lengthens_another_and_never_shortens_it() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    let hours = "select coalesce(round(extract(epoch from expires_at - now()) / 3600)::text, 'forever') from grants";
    for (id, choice, left) in [
        ("a-1", 0, "1"),
        ("a-2", 1, "24"),
        ("a-3", 0, "24"),
        ("a-4", 2, "forever"),
        ("a-5", 0, "forever"),
    ] {
        decide(&world, &token, id, choice).await;
        assert_eq!(world.value(hours).await, left, "{id}");
    }
}

#[tokio::test]
async fn an_expired_grant_does_not_count_and_is_swept() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    decide(&world, &token, "a-1", 0).await;
    world
        .sql("update grants set expires_at = now() - interval '1 second'")
        .await;
    assert_eq!(status(&world, &token).await, "none");
    assert_eq!(
        world.sweep(json!({})).await.unwrap()["deleted"]["grants"],
        1
    );
}

#[tokio::test]
async fn decision_and_grant_stand_or_fall_together() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &approval("a-1")).await;
    world.sql("alter table grants rename to away").await;
    let click = world.click("slack-a", &press("U1", "a-1:2")).await;
    assert_eq!(click.code(), "database_unavailable");
    assert_eq!(world.read(&token, "a-1").await.json()["status"], "pending");
    world.sql("alter table away rename to grants").await;
    world.click("slack-a", &press("U1", "a-1:2")).await;
    assert_eq!(status(&world, &token).await, "allowed");
}

#[tokio::test]
async fn a_bad_approval_or_pattern_is_named() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    for (field, value) in [
        ("tool", json!("git/*")),
        ("tool", json!("git")),
        ("tool", json!(1)),
        ("args", json!("x".repeat(70_000))),
    ] {
        let mut body = approval("a-1");
        body[field] = value;
        let answer = world.ask(&token, &body).await;
        assert!(
            answer.code() == "invalid_request" && answer.text().contains(field),
            "{answer:?}"
        );
    }
    for pattern in ["", "%00", "%ff", "a+b"] {
        assert_eq!(
            grant(&world, &token, pattern).await.code(),
            "invalid_request",
            "{pattern}"
        );
    }
    let bare = HttpRequest::get("/v1/grants").header("x-postern-worker-token", &token);
    assert_eq!(world.call_webhooks(bare).await.code(), "invalid_request");
    assert_eq!(
        grant(&world, "nonsense", PATTERN).await.code(),
        "invalid_worker_token"
    );
    let post = HttpRequest::new("POST", "/v1/grants").header("x-postern-worker-token", &token);
    assert_eq!(world.call_webhooks(post).await.code(), "method_not_allowed");
    let mut large = approval("a-2");
    large["args"] = json!({"x": "y".repeat(20_000)});
    assert_eq!(world.ask(&token, &large).await.status, 201);
    assert!(
        world.slack.calls()[0]
            .body
            .to_string()
            .contains("more characters are not shown")
    );
}
