//! Egress policies: allow, deny, judge, ask a person.

use super::{CHAT, Tour, call, chat, code};
use crate::bundle::Bundle;
use crate::http_client::{Reply, send};
use crate::press::Chat;
use postern_stack::Result;
use serde_json::{Value, json};

const HOST: &str = "127.0.0.1";

async fn put_policy(bundle: &Bundle, rules: Value) -> Result<()> {
    let put = json!({"command": "put_policy", "organization_id": "acme", "rules": rules});
    println!("   policy  {}", put["rules"]);
    bundle.command(put).await.map(drop)
}

async fn get(tour: &Tour, bundle: &Bundle, rest: &str, placeholder: &str) -> Result<Reply> {
    tour.sent(&format!("GET .../api/proxy/openai/a/coder/{rest}"));
    let rest = format!("a/coder/{rest}");
    let reply = call(bundle, "GET", &rest, placeholder, "").await?;
    tour.back(&reply);
    Ok(reply)
}

pub async fn by_rules(tour: &mut Tour, bundle: &Bundle, placeholder: &str) -> Result<()> {
    tour.step("The operator says where acme's agents may spend its key: chat, and no files");
    put_policy(
        bundle,
        json!([
            {"host": HOST, "path_prefix": "/v1/files", "action": "deny"},
            {"host": HOST, "path_prefix": "/v1", "action": "allow"},
        ]),
    )
    .await?;
    let reply = chat(bundle, "coder", placeholder, CHAT).await?;
    tour.back(&reply);
    tour.proves(reply.status == 200, "what a rule allows passes");
    bundle.upstream.clear();
    let denied = get(tour, bundle, "v1/files", placeholder).await?;
    tour.proves(
        denied.status == 403 && code(&denied) == "egress_denied",
        "what a rule denies does not pass",
    );
    let disguised = get(tour, bundle, "v1/x/%2e%2e/FILES", placeholder).await?;
    tour.proves(
        code(&disguised) == "egress_denied" && bundle.upstream.seen().is_empty(),
        "nor does it pass in disguise; the provider saw no request",
    );
    let explain = json!({"command": "explain", "organization_id": "acme", "agent_id": "coder",
        "method": "GET", "url": "https://127.0.0.1/v1/files"});
    let explained = bundle.command(explain).await?;
    println!("   explain {explained}");
    tour.proves(
        explained["by"]["index"] == 0,
        "the operator learns which rule decides",
    );
    Ok(())
}

pub async fn by_a_judge(tour: &mut Tour, bundle: &Bundle, placeholder: &str) -> Result<()> {
    tour.step("A model judges what rules cannot express, under a policy in plain words");
    let policy = "Agents may read. They may change nothing.";
    put_policy(
        bundle,
        json!([{"host": HOST, "action": "judge", "policy": policy}]),
    )
    .await?;
    bundle.upstream.clear();
    let read = get(tour, bundle, "v1/models", placeholder).await?;
    tour.proves(
        !read.headers.contains_key("x-postern-error") && bundle.upstream.seen().len() == 1,
        "the judge lets a read pass",
    );
    let reply = chat(bundle, "coder", placeholder, CHAT).await?;
    tour.back(&reply);
    tour.proves(
        reply.status == 403 && code(&reply) == "judge_denied",
        "it denies a write, in its own words",
    );
    get(tour, bundle, "v1/models", placeholder).await?;
    tour.proves(
        bundle.judge.judged().len() == 2,
        "the same request again costs no call: its verdict is known",
    );
    Ok(())
}

pub async fn by_a_person(tour: &mut Tour, bundle: &Bundle, placeholder: &str) -> Result<()> {
    tour.step("Alice is asked in Slack about what no rule should decide alone");
    let ask =
        json!({"connection_id": "acme-slack", "user_id": "U-ALICE", "channel_id": "C-DEPLOYS"});
    put_policy(bundle, json!([{"host": HOST, "action": "ask", "ask": ask}])).await?;
    let first = chat(bundle, "coder", placeholder, CHAT).await?;
    tour.back(&first);
    let id = first.json()["error"]["interaction_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let again = chat(bundle, "coder", placeholder, CHAT).await?;
    let cards = bundle.slack.cards();
    let cards = cards.iter().filter(|card| card.shows(&id));
    tour.proves(
        code(&first) == "approval_required"
            && again.json()["error"]["interaction_id"] == id.as_str()
            && cards.count() == 1,
        "the agent learns what to wait for; asking twice posts one card",
    );
    bundle.presser.press(Chat::Slack, "U-ALICE", &id, 0).await?;
    println!("   click   Alice clicks 1h");
    let reply = chat(bundle, "coder", placeholder, CHAT).await?;
    tour.back(&reply);
    tour.proves(
        reply.status == 200,
        "her click lets the agent's retry pass, for an hour",
    );
    let minted = bundle
        .command(json!({"command": "mint_worker_token", "organization_id": "acme", "agent_id": "coder", "deployment_name": "coder-1"}))
        .await?;
    let token = minted["token"].as_str().unwrap_or_default();
    let tunnel = json!({"scheme": "http", "host": HOST, "port": 80}).to_string();
    let url = format!("{}/v1/egress/decide", bundle.base);
    tour.sent(&format!("POST {url}  {tunnel}"));
    let told = send("POST", &url, &[("x-postern-worker-token", token)], &tunnel).await?;
    tour.back(&told);
    tour.proves(
        told.json()["verdict"] == "allow" && told.json()["source"] == "grant",
        "a CONNECT proxy beside the agents gets the same decision",
    );
    bundle
        .command(json!({"command": "delete_policy", "organization_id": "acme"}))
        .await
        .map(drop)
}
