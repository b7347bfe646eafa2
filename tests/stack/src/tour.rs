//! The guided tour: each step says what was sent, what came back and what it proves, and checks it.

mod egress;

use crate::bundle::{Bundle, REAL_KEY};
use crate::http_client::{Reply, send};
use crate::press::Chat;
use postern_stack::{ReceiverMode, Result};
use serde_json::{Value, json};

/// Counts what passed.
#[derive(Default)]
struct Tour {
    steps: usize,
    failed: usize,
    sound: bool,
}

impl Tour {
    fn step(&mut self, title: &str) {
        self.end_step();
        self.steps += 1;
        self.sound = true;
        println!("\n{}. {title}", self.steps);
    }

    fn sent(&self, what: &str) {
        println!("   sent    {what}");
    }

    fn back(&self, reply: &Reply) {
        let body: String = reply.text().chars().take(180).collect();
        println!(
            "   back    {} {}",
            reply.status,
            body.trim_end().replace('\n', " ")
        );
    }

    /// What the step proves, if the facts are so.
    fn proves(&mut self, holds: bool, what: &str) {
        println!("   {}  {what}", if holds { "proved" } else { "FAILED" });
        self.sound &= holds;
    }

    fn end_step(&mut self) {
        if self.steps > 0 && !self.sound {
            self.failed += 1;
        }
    }
}

const CHAT: &str = r#"{"model":"sample","messages":[{"role":"user","content":"hello"}]}"#;

/// Plays it all; whether every step passed.
pub async fn play(bundle: &mut Bundle) -> Result<bool> {
    println!("\nA tour of Postern. Two customers share one platform: acme and globex.");
    let mut tour = Tour::default();
    let placeholder = set_up(&mut tour, bundle).await?;
    proxied(&mut tour, bundle, &placeholder).await?;
    streamed(&mut tour, bundle, &placeholder).await?;
    isolated(&mut tour, bundle, &placeholder).await?;
    outage(&mut tour, bundle, &placeholder).await?;
    let token = asked(&mut tour, bundle).await?;
    approved(&mut tour, bundle).await?;
    called_back(&mut tour, bundle).await?;
    egress::by_rules(&mut tour, bundle, &placeholder).await?;
    egress::by_a_judge(&mut tour, bundle, &placeholder).await?;
    egress::by_a_person(&mut tour, bundle, &placeholder).await?;
    swept(&mut tour, bundle).await?;
    tour.end_step();
    println!(
        "\n{} passed, {} failed",
        tour.steps - tour.failed,
        tour.failed
    );
    println!(
        "
To try it yourself:

  curl {base}/api/proxy/openai/a/coder/v1/chat/completions \\
    -H 'authorization: Bearer {placeholder}' \\
    -H 'content-type: application/json' -d '{CHAT}'

  curl {base}/v1/interactions -H 'x-postern-worker-token: {token}' \\
    -H 'content-type: application/json' \\
    -d '{{\"id\":\"deploy-2\",\"kind\":\"question\",\"question\":\"Again?\",\"options\":[\"Yes\",\"No\"]}}'

  curl '{base}/v1/interactions/deploy-2?wait=20' -H 'x-postern-worker-token: {token}'",
        base = bundle.base,
    );
    Ok(tour.failed == 0)
}

async fn set_up(tour: &mut Tour, bundle: &Bundle) -> Result<String> {
    tour.step("The operator migrates the database and mints a placeholder for acme's agent");
    bundle.command(json!({"command": "migrate"})).await?;
    for (org, agent) in [("acme", "coder"), ("globex", "helper")] {
        bundle
            .command(json!({"command": "put_organization", "id": org}))
            .await?;
        bundle
            .command(json!({"command": "put_agent", "organization_id": org, "agent_id": agent}))
            .await?;
    }
    for (chat, api) in [
        ("slack", bundle.slack.api_base_url()),
        ("telegram", bundle.presser.telegram.api_base_url()),
        ("discord", bundle.presser.discord.api_base_url()),
    ] {
        bundle
            .command(json!({"command": "put_connection", "organization_id": "acme", "id": format!("acme-{chat}"), "platform": chat,
                "secret_ref": format!("postern/org/acme/chat/{chat}"), "config": {"api_base_url": api}}))
            .await?;
    }
    let mint = json!({"command": "mint_placeholder", "organization_id": "acme", "agent_id": "coder",
        "env_var_name": "OPENAI_API_KEY", "deployment_name": "coder-1",
        "secret_ref": "postern/org/acme/keys/openai", "allowed_hosts": ["127.0.0.1"]});
    tour.sent(&format!("control {mint}"));
    let minted = bundle.command(mint).await?;
    println!("   back    {minted}");
    let placeholder = minted["placeholder"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let hex = bundle
        .count(&format!(
            "select count(*) from placeholders where token_hash = sha256('{placeholder}')"
        ))
        .await?;
    tour.proves(
        hex == 1,
        "the agent gets a random placeholder; the database holds only its SHA-256",
    );
    Ok(placeholder)
}

async fn chat(bundle: &Bundle, agent: &str, placeholder: &str, body: &str) -> Result<Reply> {
    let rest = format!("a/{agent}/v1/chat/completions");
    call(bundle, "POST", &rest, placeholder, body).await
}

/// A call of the provider through the proxy.
async fn call(
    bundle: &Bundle,
    method: &str,
    rest: &str,
    placeholder: &str,
    body: &str,
) -> Result<Reply> {
    let url = format!("{}/api/proxy/openai/{rest}", bundle.base);
    let bearer = format!("Bearer {placeholder}");
    send(
        method,
        &url,
        &[
            ("authorization", &bearer),
            ("content-type", "application/json"),
        ],
        body,
    )
    .await
}

fn code(reply: &Reply) -> String {
    reply.json()["error"]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

async fn proxied(tour: &mut Tour, bundle: &Bundle, placeholder: &str) -> Result<()> {
    tour.step("acme's agent calls the provider with its placeholder as the key");
    tour.sent(&format!(
        "POST {}/api/proxy/openai/a/coder/v1/chat/completions  authorization: Bearer {placeholder}",
        bundle.base
    ));
    let reply = chat(bundle, "coder", placeholder, CHAT).await?;
    tour.back(&reply);
    let seen = bundle.upstream.seen();
    let key = seen
        .last()
        .and_then(|request| request.headers.get("authorization")?.to_str().ok())
        .unwrap_or_default();
    println!("   there   the provider received authorization: {key}");
    tour.proves(
        reply.status == 200 && key == format!("Bearer {REAL_KEY}"),
        "the placeholder became the real key, at the provider only",
    );
    tour.proves(
        !reply.text().contains(REAL_KEY),
        "the real key did not come back",
    );
    Ok(())
}

async fn streamed(tour: &mut Tour, bundle: &Bundle, placeholder: &str) -> Result<()> {
    tour.step("The same, streamed");
    tour.sent("the same with \"stream\": true");
    let reply = chat(
        bundle,
        "coder",
        placeholder,
        &CHAT.replacen('{', "{\"stream\":true,", 1),
    )
    .await?;
    let first = reply.pieces.first().copied().unwrap_or_default();
    let last = reply.pieces.last().copied().unwrap_or_default();
    println!(
        "   back    {} in {} pieces, the first after {} ms, the last after {} ms",
        reply.status,
        reply.pieces.len(),
        first.as_millis(),
        last.as_millis()
    );
    tour.proves(
        reply.pieces.len() > 2 && first < last,
        "pieces arrive as the provider sends them; nothing is buffered",
    );
    Ok(())
}

async fn isolated(tour: &mut Tour, bundle: &Bundle, placeholder: &str) -> Result<()> {
    tour.step("globex's agent got hold of acme's placeholder");
    bundle.upstream.clear();
    tour.sent("POST .../api/proxy/openai/a/helper/v1/chat/completions  with acme's placeholder");
    let reply = chat(bundle, "helper", placeholder, CHAT).await?;
    tour.back(&reply);
    tour.proves(
        reply.status == 401 && code(&reply) == "unauthorized",
        "another organization's placeholder is worth nothing",
    );
    tour.proves(
        bundle.upstream.seen().is_empty(),
        "the provider saw no request",
    );
    Ok(())
}

async fn outage(tour: &mut Tour, bundle: &mut Bundle, placeholder: &str) -> Result<()> {
    tour.step("The database goes away, and comes back");
    bundle.postgres.stop().await?;
    tour.sent("the agent's usual call, with Postgres stopped");
    let reply = chat(bundle, "coder", placeholder, CHAT).await?;
    tour.back(&reply);
    tour.proves(
        reply.status == 503 && code(&reply) == "agent_org_unresolved",
        "who cannot be proven is not served: it fails closed",
    );
    tour.proves(
        reply.headers.contains_key("retry-after") && bundle.upstream.seen().is_empty(),
        "the client is told to retry, and the provider saw no request",
    );
    bundle.postgres.start_again().await?;
    let reply = chat(bundle, "coder", placeholder, CHAT).await?;
    tour.proves(
        reply.status == 200,
        "with Postgres back, the next call passes",
    );
    Ok(())
}

async fn status(bundle: &Bundle, token: &str) -> Result<Value> {
    let url = format!("{}/v1/interactions/deploy-1", bundle.base);
    Ok(send("GET", &url, &[("x-postern-worker-token", token)], "")
        .await?
        .json())
}

async fn asked(tour: &mut Tour, bundle: &Bundle) -> Result<String> {
    tour.step("acme's agent asks Alice a question in Slack, and one click answers it");
    let minted = bundle
        .command(
            json!({"command": "mint_worker_token", "organization_id": "acme", "agent_id": "coder",
            "deployment_name": "coder-1", "connection_id": "acme-slack", "user_id": "U-ALICE",
            "channel_id": "C-DEPLOYS", "conversation_id": "release-42"}),
        )
        .await?;
    let token = minted["token"].as_str().unwrap_or_default().to_owned();
    let question = r#"{"id":"deploy-1","kind":"question","question":"Deploy release 42?","options":["Yes","No"]}"#;
    tour.sent(&format!("POST {}/v1/interactions  {question}", bundle.base));
    let url = format!("{}/v1/interactions", bundle.base);
    let reply = send(
        "POST",
        &url,
        &[
            ("x-postern-worker-token", &token),
            ("content-type", "application/json"),
        ],
        question,
    )
    .await?;
    tour.back(&reply);
    let card = bundle
        .slack
        .cards()
        .iter()
        .any(|card| card.shows("deploy-1"));
    tour.proves(
        reply.status == 201 && card,
        "the question is stored, then its card is posted",
    );

    let stranger = bundle
        .presser
        .press(Chat::Slack, "U-MALLORY", "deploy-1", 0)
        .await?;
    println!(
        "   click   Mallory clicks Yes: Slack gets {}",
        stranger.status
    );
    tour.proves(
        status(bundle, &token).await?["status"] == "pending",
        "somebody else's click changes nothing, and learns nothing",
    );
    bundle
        .presser
        .press(Chat::Slack, "U-ALICE", "deploy-1", 0)
        .await?;
    let answered = status(bundle, &token).await?;
    println!("   click   Alice clicks Yes\n   back    {answered}");
    tour.proves(
        answered["answer"]["value"] == "Yes" && answered["answer"]["user_id"] == "U-ALICE",
        "Alice's click claims it, and the agent reads her answer",
    );
    bundle
        .presser
        .press(Chat::Slack, "U-ALICE", "deploy-1", 1)
        .await?;
    println!("   click   Alice clicks No as well");
    tour.proves(
        status(bundle, &token).await? == answered,
        "the second click is ignored",
    );
    Ok(token)
}

/// A worker token of acme's agent in a conversation.
async fn talking(bundle: &Bundle, chat: &str, user: &str, channel: &str) -> Result<String> {
    let minted = bundle
        .command(
            json!({"command": "mint_worker_token", "organization_id": "acme", "agent_id": "coder",
            "deployment_name": "coder-1", "connection_id": format!("acme-{chat}"), "user_id": user,
            "channel_id": channel, "conversation_id": channel}),
        )
        .await?;
    Ok(minted["token"].as_str().unwrap_or_default().to_owned())
}

async fn ask(tour: &Tour, bundle: &Bundle, token: &str, question: &str) -> Result<Reply> {
    let url = format!("{}/v1/interactions", bundle.base);
    tour.sent(&format!("POST {url}  {question}"));
    let headers = [
        ("x-postern-worker-token", token),
        ("content-type", "application/json"),
    ];
    let reply = send("POST", &url, &headers, question).await?;
    tour.back(&reply);
    Ok(reply)
}

async fn approved(tour: &mut Tour, bundle: &Bundle) -> Result<()> {
    tour.step("The agent wants to call a tool: Bob approves it in Telegram for an hour");
    let token = talking(bundle, "telegram", "111", "111").await?;
    let approval = r#"{"id":"push-1","kind":"approval","tool":"git/push","args":{"branch":"main","force":false}}"#;
    let reply = ask(tour, bundle, &token, approval).await?;
    let shown = bundle.presser.telegram.calls().iter().any(|call| {
        call.body["text"]
            .as_str()
            .is_some_and(|text| text.contains("\"branch\": \"main\""))
    });
    tour.proves(
        reply.status == 201 && shown,
        "the card shows the tool, its arguments and the four decisions",
    );
    let click = bundle
        .presser
        .press(Chat::Telegram, "111", "push-1", 0)
        .await?;
    println!(
        "   click   Bob clicks 1h: Telegram gets {} {}",
        click.status,
        click.json()["method"]
    );
    tour.proves(
        click.json()["method"] == "editMessageText",
        "the answer to the click takes the card's buttons away, without a call of its own",
    );
    let url = format!("{}/v1/grants?pattern=/mcp/git/tools/push", bundle.base);
    tour.sent(&format!("GET {url}"));
    let grant = send("GET", &url, &[("x-postern-worker-token", &token)], "").await?;
    tour.back(&grant);
    tour.proves(
        grant.json()["status"] == "allowed",
        "the decision is a grant of that organization's agent, with its end",
    );
    Ok(())
}

async fn called_back(tour: &mut Tour, bundle: &Bundle) -> Result<()> {
    tour.step("Carol answers in Discord, and the agent is called back, though its first try fails");
    let token = talking(bundle, "discord", "222", "333").await?;
    let question = json!({"id": "name-1", "kind": "question", "question": "Which *name*? @everyone", "options": ["postern", "gate"],
        "callback_url": bundle.receiver.url()});
    ask(tour, bundle, &token, &question.to_string()).await?;
    bundle.receiver.set_mode(ReceiverMode::Status(500));
    let click = bundle
        .presser
        .press(Chat::Discord, "222", "name-1", 0)
        .await?;
    println!(
        "   click   Carol clicks postern, while the agent answers 500: Discord gets {} type {}",
        click.status,
        click.json()["type"]
    );
    tour.proves(
        click.status == 200 && click.json()["type"] == 7,
        "the click is acknowledged, and its answer is kept whatever the agent does",
    );
    bundle.receiver.set_mode(ReceiverMode::Up);
    bundle
        .sql("update deliveries set next_attempt_at = now()")
        .await?;
    let report = bundle.sweep(json!({})).await?;
    let received = bundle.receiver.received();
    for one in &received {
        println!(
            "   there   webhook-id {} signed {}",
            one.id(),
            one.header("webhook-signature")
        );
    }
    tour.proves(
        report["delivered"] == 1 && received.len() == 2 && received[0].id() == received[1].id(),
        "the sweep delivered it, signed, under the same webhook-id",
    );
    Ok(())
}

async fn swept(tour: &mut Tour, bundle: &Bundle) -> Result<()> {
    tour.step("The sweep drains what is stale, a bounded batch at a time");
    bundle
        .sql(
            "delete from pending_interactions;
             insert into pending_interactions
                 (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload, created_at)
             select 'acme', 'old-' || n, 'acme-slack', 'U-ALICE', 'coder', '{}'::jsonb, now() - interval '25 hours' from generate_series(1, 1500) n
             union all
             select 'acme', 'new-' || n, 'acme-slack', 'U-ALICE', 'coder', '{}'::jsonb, now() from generate_series(1, 10) n",
        )
        .await?;
    let one = json!({"limit": 1000, "max_batches": 1});
    tour.sent(&format!(
        "sweep {one}, three times, with 1500 questions of yesterday and 10 of now"
    ));
    let mut taken = Vec::new();
    for _ in 0..3 {
        let report = bundle.sweep(one.clone()).await?;
        taken.push(
            report["deleted"]["pending_interactions"]
                .as_u64()
                .unwrap_or_default(),
        );
    }
    println!("   back    deleted {taken:?}");
    tour.proves(
        taken == [1000, 500, 0],
        "the sweep took 1000 of 1500, then the rest, then nothing",
    );
    tour.proves(
        bundle
            .count("select count(*) from pending_interactions")
            .await?
            == 10,
        "the 10 fresh ones stay",
    );
    Ok(())
}
