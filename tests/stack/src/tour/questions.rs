//! Questions: a person answers in Slack, approves in Telegram, and answers in Discord with a callback.

use super::Tour;
use crate::bundle::Bundle;
use crate::http_client::{Reply, send};
use crate::press::Chat;
use postern_stack::{ReceiverMode, Result};
use serde_json::{Value, json};

async fn status(bundle: &Bundle, token: &str) -> Result<Value> {
    let url = format!("{}/v1/interactions/deploy-1", bundle.base);
    Ok(send("GET", &url, &[("x-postern-worker-token", token)], "")
        .await?
        .json())
}

pub async fn asked(tour: &mut Tour, bundle: &Bundle) -> Result<String> {
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

pub async fn approved(tour: &mut Tour, bundle: &Bundle) -> Result<()> {
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
    let edited = bundle.presser.telegram.calls().iter().any(|call| {
        call.method == "editMessageText"
            && call.body["reply_markup"]["inline_keyboard"] == serde_json::json!([])
    });
    tour.proves(
        click.json()["method"] == "answerCallbackQuery" && edited,
        "the click is acknowledged, and the card loses its buttons",
    );
    let url = format!("{}/v1/grants?pattern=/mcp/git/tools/push", bundle.base);
    tour.sent(&format!("GET {url}"));
    let grant = send("GET", &url, &[("x-postern-worker-token", &token)], "").await?;
    tour.back(&grant);
    tour.proves(
        grant.json()["status"] == "allowed",
        "the decision is a grant for that organization's agent, with an end",
    );
    Ok(())
}

pub async fn called_back(tour: &mut Tour, bundle: &Bundle) -> Result<()> {
    tour.step("Carol answers in Discord, and the agent is called back, though the first try fails");
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
