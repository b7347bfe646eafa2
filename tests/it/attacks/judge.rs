//! The judge sees what its verdict's key holds, and nothing else.

use crate::world::{World, through};
use postern_stack::HttpRequest;
use serde_json::{Value, json};

const HOST: &str = "127.0.0.1";
const ALLOW: &str = r#"{"verdict": "allow", "reason": "fine"}"#;
const DENY: &str = r#"{"verdict": "deny", "reason": "no"}"#;

async fn world(sees: Option<&str>) -> (World, String) {
    let world = World::new().await;
    world.tenants().await;
    let mut rule = json!({"host": HOST, "action": "judge", "policy": "Only chats."});
    if let Some(sees) = sees {
        rule["judge_sees"] = sees.into();
    }
    world.policy("a", json!([rule])).await;
    let placeholder = world.placeholder("a", "agent-a").await;
    (world, placeholder)
}

fn call(placeholder: &str, body: impl Into<Vec<u8>>) -> HttpRequest {
    through("openai/a/agent-a/v1/chat/completions", placeholder).body(body.into())
}

async fn outcome(world: &World, request: HttpRequest) -> String {
    let answer = world.call_proxy(request).await;
    let code = answer.headers.get("x-postern-error").cloned();
    code.unwrap_or_else(|| "sent".into())
}

#[tokio::test]
async fn where_it_sees_the_body_another_body_is_another_question() {
    let (world, placeholder) = world(Some("body")).await;
    world.judge.say(ALLOW);
    assert_eq!(
        outcome(&world, call(&placeholder, "harmless")).await,
        "sent"
    );
    assert_eq!(
        outcome(&world, call(&placeholder, "harmless")).await,
        "sent"
    );
    assert_eq!(
        world.judge.judged().len(),
        1,
        "the same request is not judged again"
    );
    world.judge.say(DENY);
    let other = outcome(&world, call(&placeholder, "delete everything")).await;
    assert_eq!(other, "judge_denied");
    let shown: Vec<Value> = world
        .judge
        .judged()
        .iter()
        .map(|asked| asked.request()["body"].clone())
        .collect();
    assert_eq!(shown, [json!("harmless"), json!("delete everything")]);
    // Two at once are also judged each by its own body.
    world.judge.say(ALLOW);
    let (a, b) = (call(&placeholder, "a"), call(&placeholder, "b"));
    tokio::join!(outcome(&world, a), outcome(&world, b));
    assert_eq!(world.judge.judged().len(), 4);
}

#[tokio::test]
async fn a_body_that_cannot_be_shown_whole_is_denied_without_asking() {
    let (world, placeholder) = world(Some("body")).await;
    world.judge.say(ALLOW);
    let largest = call(&placeholder, vec![b'x'; 32 * 1024]);
    assert_eq!(outcome(&world, largest).await, "sent");
    let larger = call(&placeholder, vec![b'x'; 32 * 1024 + 1]);
    assert_eq!(outcome(&world, larger).await, "judge_denied");
    assert_eq!(world.judge.judged().len(), 1);
    // A body that is not text is shown whole, in base64.
    assert_eq!(outcome(&world, call(&placeholder, [0, 255])).await, "sent");
    assert_eq!(world.judge.judged()[1].request()["body_base64"], "AP8=");
}

#[tokio::test]
async fn without_permission_it_sees_no_body_and_another_query_is_another_question() {
    for sees in [None, Some("request")] {
        let (world, placeholder) = world(sees).await;
        world.judge.say(ALLOW);
        for query in ["", "a=1", "a=2", "a=1"] {
            let mut request = call(&placeholder, "the secret plan");
            request.query = query.into();
            assert_eq!(outcome(&world, request).await, "sent");
        }
        let judged = world.judge.judged();
        assert_eq!(judged.len(), 3, "{sees:?}");
        for asked in &judged {
            assert!(!asked.body.to_string().contains("the secret plan"));
        }
        assert_eq!(judged[1].request()["query"], "a=1");
    }
}

#[tokio::test]
async fn the_credentials_parameter_is_no_part_of_the_query_that_it_sees() {
    let world = World::new().await;
    world.tenants().await;
    world
        .policy(
            "a",
            json!([{"host": HOST, "action": "judge", "policy": "x"}]),
        )
        .await;
    world.judge.say(ALLOW);
    let placeholder = world
        .minted(
            "a",
            "agent-a",
            json!({"secret_ref": "postern/org/a/keys/openai", "allowed_hosts": [HOST]}),
        )
        .await;
    let mut request = HttpRequest::get("/api/proxy/query/a/agent-a/v1/models");
    request.query = format!("a=1&key={placeholder}&b=2");
    assert_eq!(outcome(&world, request).await, "sent");
    let asked = &world.judge.judged()[0];
    assert_eq!(asked.request()["query"], "a=1&b=2");
    assert!(!asked.body.to_string().contains("postern_secret_"));
}

#[tokio::test]
async fn a_tunnel_hides_the_body_that_it_must_see() {
    let (world, _) = world(Some("body")).await;
    world.judge.say(ALLOW);
    let token = world.token("a", "agent-a", json!({})).await;
    let tunnel = json!({"scheme": "https", "host": HOST, "port": 443});
    let told = world.egress(&token, &tunnel).await.json();
    assert_eq!(told["verdict"], "deny", "{told}");
    assert!(world.judge.judged().is_empty());
}

#[tokio::test]
async fn a_person_who_allowed_a_host_does_not_spare_the_judge() {
    let (world, placeholder) = world(None).await;
    world
        .sql(
            "insert into grants (organization_id, agent_id, pattern, denied, granted_by)
             values ('a', 'agent-a', 'host:127.0.0.1', false, 'U1')",
        )
        .await;
    world.judge.say(DENY);
    assert_eq!(
        outcome(&world, call(&placeholder, "x")).await,
        "judge_denied"
    );
}

#[tokio::test]
async fn only_a_judge_rule_says_what_the_judge_sees() {
    let world = World::new().await;
    world.tenants().await;
    for rule in [
        json!({"host": HOST, "action": "allow", "judge_sees": "body"}),
        json!({"host": HOST, "action": "judge", "policy": "x", "judge_sees": "all"}),
    ] {
        let put = json!({"command": "put_policy", "organization_id": "a", "rules": [rule]});
        let answer = world.command(put).await;
        assert_eq!(answer["error"]["code"], "invalid_request", "{answer}");
        let said = answer["error"]["message"].as_str().unwrap();
        assert!(
            said.contains("judge_sees") || said.contains("all"),
            "{said}"
        );
    }
}
