//! An `ask` rule asks a person in chat, once, and the person's decision stands.

use crate::world::{Answer, World, press, through};
use futures_util::future::join_all;
use postern_stack::{ChatMode, PostedCard};
use serde_json::{Value, json};

const HOST: &str = "127.0.0.1";

fn ask_of(connection: &str, user: &str) -> Value {
    json!([{"host": HOST, "action": "ask",
        "ask": {"connection_id": connection, "user_id": user, "channel_id": "C1", "conversation_id": "1700000000.000100"}}])
}

async fn world() -> (World, String) {
    let world = World::new().await;
    world.tenants().await;
    world.policy("a", ask_of("slack-a", "U1")).await;
    let placeholder = world.placeholder("a", "agent-a").await;
    (world, placeholder)
}

async fn call(world: &World, placeholder: &str) -> Answer {
    world
        .call_proxy(through("openai/v1/chat/completions", placeholder))
        .await
}

/// The interaction that the agent must wait for.
fn waits_for(answer: &Answer) -> String {
    assert_eq!(
        (answer.status, answer.code()),
        (403, "approval_required".into())
    );
    answer.json()["error"]["interaction_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn click(world: &World, user: &str, id: &str, choice: u8, at: &str) {
    let card = world.slack.cards().pop().unwrap();
    click_on(world, &card, user, id, choice, at).await;
}

/// A click on a card that may be an older one.
async fn click_on(world: &World, card: &PostedCard, user: &str, id: &str, choice: u8, at: &str) {
    let option = format!("{id}:{choice}");
    let mut press = press(user, &option);
    press.action_ts = at;
    press.message = Some(&card.message);
    assert_eq!(world.click("slack-a", &press).await.status, 200);
}

/// Approval cards that were posted.
fn cards(world: &World) -> usize {
    let calls = world.slack.calls();
    let posts = calls
        .iter()
        .filter(|call| call.method == "chat.postMessage");
    posts
        .filter(|call| call.body["blocks"].to_string().contains("\"actions\""))
        .count()
}

#[tokio::test]
async fn the_first_request_asks_the_person_and_a_click_lets_the_retry_pass_until_the_grant_ends() {
    let (world, placeholder) = world().await;
    let id = waits_for(&call(&world, &placeholder).await);
    assert!(world.upstream.seen().is_empty());
    let card = world.slack.calls()[0].body.to_string();
    assert!(
        card.contains("send requests to 127.0.0.1")
            && card.contains("/v1/chat/completions")
            && card.contains("<@U1>"),
        "{card}"
    );

    let token = world.token("a", "agent-a", json!({})).await;
    assert_eq!(world.read(&token, &id).await.json()["status"], "pending");
    assert_eq!(
        waits_for(&call(&world, &placeholder).await),
        id,
        "the person is already asked"
    );
    click(&world, "U2", &id, 2, "1").await;
    assert_eq!(
        waits_for(&call(&world, &placeholder).await),
        id,
        "a stranger decides nothing"
    );
    click(&world, "U1", &id, 0, "2").await;
    let answer = world.read(&token, &id).await.json()["answer"].clone();
    assert!(
        answer["value"] == "1h" && answer["digest"].as_str().unwrap().len() == 64,
        "{answer}"
    );
    assert_eq!(call(&world, &placeholder).await.status, 200);
    assert_eq!(cards(&world), 1);

    world
        .sql("update grants set expires_at = now(); update pending_interactions set claimed_at = now() - interval '1 hour'")
        .await;
    assert_eq!(
        waits_for(&call(&world, &placeholder).await),
        id,
        "when it ends, the person is asked again"
    );
    assert_eq!(cards(&world), 2);
    assert_eq!(world.read(&token, &id).await.json()["status"], "pending");
    assert_eq!(
        world
            .value("select now() - created_at < interval '1 minute' from pending_interactions")
            .await,
        "t"
    );
    let first = world.slack.cards().remove(0);
    click_on(&world, &first, "U1", &id, 0, "2").await;
    assert_eq!(
        waits_for(&call(&world, &placeholder).await),
        id,
        "the former click is not taken again"
    );
    click(&world, "U1", &id, 2, "3").await;
    assert_eq!(call(&world, &placeholder).await.status, 200);
}

#[tokio::test]
async fn a_denial_stands_without_asking_again_until_an_operator_takes_it_back() {
    let (world, placeholder) = world().await;
    let id = waits_for(&call(&world, &placeholder).await);
    click(&world, "U1", &id, 3, "1").await;
    for _ in 0..2 {
        let answer = call(&world, &placeholder).await;
        assert_eq!(
            (answer.status, answer.code()),
            (403, "egress_denied".into())
        );
    }
    assert_eq!((cards(&world), world.upstream.seen().len()), (1, 0));
    let revoke = json!({"command": "revoke_grant", "organization_id": "a", "agent_id": "agent-a", "pattern": "host:127.0.0.1"});
    assert_eq!(world.ok(revoke).await["revoked"], 1);
    world
        .sql("update pending_interactions set claimed_at = now()")
        .await;
    assert_eq!(waits_for(&call(&world, &placeholder).await), id);
    assert_eq!(
        cards(&world),
        1,
        "a retry that raced the click opens nothing"
    );
    world
        .sql("update pending_interactions set claimed_at = now() - interval '11 seconds'")
        .await;
    waits_for(&call(&world, &placeholder).await);
    assert_eq!(cards(&world), 2);
}

#[tokio::test]
async fn requests_at_once_find_the_same_open_approval_and_one_card() {
    let world = World::with_env(&[("AWS_LAMBDA_MAX_CONCURRENCY", "8")]).await;
    world.tenants().await;
    world.policy("a", ask_of("slack-a", "U1")).await;
    let placeholder = world.placeholder("a", "agent-a").await;
    let proxy = world.environments("proxy", 3).await;
    let event = through("openai/a/agent-a/v1/x", &placeholder).v2();
    let all = join_all((0..16).map(|_| World::call_on(&proxy, event.clone()))).await;
    let mut ids: Vec<String> = all.iter().map(waits_for).collect();
    ids.dedup();
    assert_eq!((ids.len(), cards(&world)), (1, 1));
    assert_eq!(
        world
            .value("select count(*) from pending_interactions")
            .await,
        "1"
    );
}

#[tokio::test]
async fn a_decision_is_that_agents_and_that_organizations_alone() {
    let (world, placeholder) = world().await;
    world.secrets.put("postern/org/b/keys/openai", "sk-b");
    world.policy("b", ask_of("slack-b", "U1")).await;
    world
        .ok(json!({"command": "put_agent", "organization_id": "b", "agent_id": "agent-a"}))
        .await;
    let id = waits_for(&call(&world, &placeholder).await);
    click(&world, "U1", &id, 2, "1").await;
    assert_eq!(call(&world, &placeholder).await.status, 200);
    let second = json!({"secret_ref": "postern/org/a/keys/openai", "allowed_hosts": [HOST]});
    let second = world.minted("a", "second-a", second).await;
    let other = waits_for(
        &world
            .call_proxy(through("openai/a/second-a/v1/x", &second))
            .await,
    );
    assert_ne!(other, id);
    let theirs = world.placeholder("b", "agent-a").await;
    let foreign = waits_for(&world.call_proxy(through("openai/v1/x", &theirs)).await);
    assert_ne!(foreign, id);
    let stranger = world.token("b", "agent-a", json!({})).await;
    assert_eq!(
        world.read(&stranger, &id).await.code(),
        "unknown_interaction"
    );
}

#[tokio::test]
async fn a_request_is_denied_when_nobody_can_be_asked() {
    let (world, placeholder) = world().await;
    let denied = async || {
        let answer = call(&world, &placeholder).await;
        assert_eq!(
            (answer.status, answer.code()),
            (403, "egress_denied".into())
        );
        answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    // Another organization's connection counts as unknown.
    world.policy("a", ask_of("slack-b", "U1")).await;
    assert!(denied().await.contains("no connection of this id"));
    world.policy("a", ask_of("slack-a", "U1")).await;
    world.slack.set_mode(ChatMode::Refuse);
    assert!(denied().await.contains("chat platform refused"));
    world.slack.set_mode(ChatMode::RefuseCards);
    denied().await;
    assert_eq!(
        world
            .value("select count(*) from pending_interactions")
            .await,
        "0"
    );
    world.slack.set_mode(ChatMode::Reset);
    waits_for(&call(&world, &placeholder).await);
    world.slack.set_mode(ChatMode::Up);
    waits_for(&call(&world, &placeholder).await);
    assert_eq!(
        cards(&world),
        3,
        "a card that may have been posted is not posted again"
    );
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn an_agent_cannot_make_an_approval_of_a_host_nor_take_its_place() {
    let (world, placeholder) = world().await;
    let token = world.conversing("a", "U1").await;
    let id = waits_for(&call(&world, &placeholder).await);
    for (id, tool) in [
        ("mine", "host:127.0.0.1"),
        ("mine", "host:*"),
        (&*id, "git/push"),
        ("egress.x", "git/push"),
    ] {
        let asked = world
            .ask(&token, &json!({"id": id, "kind": "approval", "tool": tool}))
            .await;
        assert_eq!(asked.code(), "invalid_request", "{id} {tool}");
    }
    // A question makes no grant, whatever it holds.
    let question = json!({"id": "q-1", "kind": "question", "question": "?", "options": ["a", "b", "always"], "tool": "host:127.0.0.1"});
    assert_eq!(world.ask(&token, &question).await.status, 201);
    click(&world, "U1", "q-1", 2, "9").await;
    assert_eq!(world.value("select count(*) from grants").await, "0");
}

#[tokio::test]
async fn an_expired_approval_is_asked_for_again() {
    let (world, placeholder) = world().await;
    let id = waits_for(&call(&world, &placeholder).await);
    world
        .sql("update pending_interactions set created_at = now() - interval '25 hours'")
        .await;
    let token = world.token("a", "agent-a", json!({})).await;
    assert_eq!(world.read(&token, &id).await.json()["status"], "expired");
    assert_eq!(waits_for(&call(&world, &placeholder).await), id);
    assert_eq!(world.read(&token, &id).await.json()["status"], "pending");
    assert_eq!(cards(&world), 2);
}

#[tokio::test]
async fn a_tunnel_waits_and_then_gets_what_the_person_decided() {
    let (world, _) = world().await;
    let token = world.token("a", "agent-a", json!({})).await;
    let tunnel = json!({"scheme": "https", "host": HOST, "port": 443});
    let told = world.egress(&token, &tunnel).await.json();
    assert_eq!(
        (&told["verdict"], &told["source"]),
        (&json!("ask"), &json!("rule"))
    );
    click(
        &world,
        "U1",
        told["interaction_id"].as_str().unwrap(),
        1,
        "1",
    )
    .await;
    let told = world.egress(&token, &tunnel).await.json();
    assert_eq!(
        (&told["verdict"], &told["source"]),
        (&json!("allow"), &json!("grant"))
    );
    world.sql("update grants set denied = true").await;
    let told = world.egress(&token, &tunnel).await.json();
    assert_eq!(
        (&told["verdict"], &told["source"]),
        (&json!("deny"), &json!("grant"))
    );
}

#[tokio::test]
async fn an_approval_whose_card_was_never_posted_is_posted_by_whoever_asks_next() {
    let (world, placeholder) = world().await;
    let id = waits_for(&call(&world, &placeholder).await);
    // This is the state after a function died before it posted.
    world
        .sql("update pending_interactions set posted_at = null, card = null")
        .await;
    assert_eq!(waits_for(&call(&world, &placeholder).await), id);
    assert_eq!(cards(&world), 1, "somebody may be posting it");
    world
        .sql("update pending_interactions set stored_at = now() - interval '31 seconds', post_at = now() - interval '1 second'")
        .await;
    assert_eq!(waits_for(&call(&world, &placeholder).await), id);
    assert_eq!(cards(&world), 2);
    // The first card was posted after all, but it is not the one that answers now.
    let first = world.slack.cards().remove(0);
    click_on(&world, &first, "U1", &id, 2, "1").await;
    let token = world.token("a", "agent-a", json!({})).await;
    assert_eq!(world.read(&token, &id).await.json()["status"], "pending");
}

#[tokio::test]
async fn the_answer_is_bound_to_what_the_card_showed() {
    let (world, placeholder) = world().await;
    let mut request = through("openai/v1/chat/completions", &placeholder);
    request.query = "secret=marker".into();
    let id = waits_for(
        &world
            .call_proxy(request.header("x-http-method-override", "DELETE"))
            .await,
    );
    click(&world, "U1", &id, 0, "1").await;
    let token = world.token("a", "agent-a", json!({})).await;
    let answer = world.read(&token, &id).await.json()["answer"].clone();
    let port = world.upstream.port();
    let canonical = format!(
        r#"{{"args":{{"method":"POST or DELETE","path":"/v1/chat/completions","port":{port},"scheme":"http"}},"tool":"host:127.0.0.1"}}"#
    );
    let sql = format!("select encode(sha256('{canonical}'), 'hex')");
    assert_eq!(answer["digest"], world.value(&sql).await);
    let calls = world.slack.calls();
    assert!(
        calls
            .iter()
            .all(|call| !call.body.to_string().contains("marker"))
    );
}
