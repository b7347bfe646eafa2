//! The guided tour: each step prints what was sent, what came back and what that proves, and checks it.

mod egress;
mod proxy;
mod questions;

use crate::bundle::Bundle;
use crate::http_client::{Reply, send};
use postern_stack::Result;
use serde_json::json;

/// Counts the steps that passed.
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

    /// Prints a fact that the step proves, or that it does not hold.
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

/// Plays all steps; returns whether every step passed.
pub async fn play(bundle: &mut Bundle) -> Result<bool> {
    println!("\nA tour of Postern. Two customers share one platform: acme and globex.");
    let mut tour = Tour::default();
    let placeholder = set_up(&mut tour, bundle).await?;
    proxy::proxied(&mut tour, bundle, &placeholder).await?;
    proxy::streamed(&mut tour, bundle, &placeholder).await?;
    proxy::isolated(&mut tour, bundle, &placeholder).await?;
    proxy::outage(&mut tour, bundle, &placeholder).await?;
    let token = questions::asked(&mut tour, bundle).await?;
    questions::approved(&mut tour, bundle).await?;
    questions::called_back(&mut tour, bundle).await?;
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
    tour.step("The operator migrates the database, gives each function its login, and mints a placeholder for acme's agent");
    bundle.command(json!({"command": "migrate"})).await?;
    bundle.create_logins().await?;
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

async fn swept(tour: &mut Tour, bundle: &Bundle) -> Result<()> {
    tour.step("The sweep deletes stale rows, a bounded batch at a time");
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
        "sweep {one}, three times, with 1500 questions from yesterday and 10 from now"
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
