//! A click answers only what was shown, where it was shown.

use crate::questions::approvals::grant;
use crate::questions::platforms::{EVERYWHERE, On};
use crate::world::{World, discord_signed, press, question, unix_now};
use serde_json::{Value, json};

const PATTERN: &str = "/mcp/git/tools/push";

fn approval() -> Value {
    json!({"id": "a-1", "kind": "approval", "tool": "git/push", "args": {}})
}

async fn granted(world: &World, token: &str) -> Value {
    grant(world, token, PATTERN).await.json()["status"].clone()
}

#[tokio::test]
async fn the_same_button_on_another_message_of_the_same_bot_decides_nothing() {
    let world = World::new().await;
    world.tenants().await;
    for on in EVERYWHERE {
        world
            .sql("delete from pending_interactions; delete from grants")
            .await;
        let token = on.token(&world).await;
        assert_eq!(world.ask(&token, &approval()).await.status, 201);
        let posted = on.last_card(&world);
        // The agent could post "Lunch at noon?" with a button of the same id for the person to press.
        let button = on.posted(&world).pop().unwrap().button(2);
        let forged = on.press(&world, on.asked(), "424242", &button, "c1");
        let told = on.told(&world, &world.call_webhooks(forged).await);
        assert_eq!(told, "", "{on:?}");
        assert_eq!(world.read(&token, "a-1").await.json()["status"], "pending");
        assert_eq!(granted(&world, &token).await, "none", "{on:?}");
        let real = on.press(&world, on.asked(), &posted, &button, "c2");
        assert_eq!(world.call_webhooks(real).await.status, 200);
        assert_eq!(world.read(&token, "a-1").await.json()["status"], "answered");
        assert_eq!(granted(&world, &token).await, "allowed", "{on:?}");
    }
}

#[tokio::test]
async fn a_button_without_the_rows_own_revision_answers_nothing() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-1")).await;
    let card = world.slack.cards().pop().unwrap();
    let (prefix, _) = card
        .button(0)
        .rsplit_once(':')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let other = format!("{}AAAAAA:0", &prefix[..prefix.len() - 6]);
    for button in [other.as_str(), "q:q-1::0", "q:q-1:0", "question:q-1:0"] {
        let mut press = press("U1", button);
        press.message = Some(&card.message);
        assert_eq!(world.click("slack-a", &press).await.status, 200, "{button}");
        assert_eq!(
            world.read(&token, "q-1").await.json()["status"],
            "pending",
            "{button}"
        );
    }
    // No button answers a row without a revision, such as plain SQL may write.
    world
        .sql("update pending_interactions set revision = null, card = null")
        .await;
    world.click("slack-a", &press("U1", "q-1:0")).await;
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "pending");
}

#[tokio::test]
async fn a_click_on_a_card_of_another_content_is_pointed_to_the_new_one() {
    let world = World::new().await;
    world.tenants().await;
    for on in EVERYWHERE {
        let token = on.token(&world).await;
        let id = format!("q-{}", on.name());
        let mut body = question(&id);
        world.ask(&token, &body).await;
        let first = on.last_card(&world);
        for text in ["Deploy now?", "Deploy?"] {
            body["question"] = text.into();
            assert_eq!(world.ask(&token, &body).await.status, 200);
        }
        // The question reads as it did at first, but its first card is still another card.
        let late = on.press(&world, on.asked(), &first, &format!("{id}:0"), "c1");
        let told = on.told(&world, &world.call_webhooks(late).await);
        assert!(told.contains("answer the new one"), "{on:?}: {told}");
        assert_eq!(world.read(&token, &id).await.json()["status"], "pending");
        let press = on.press_newest(&world, on.asked(), &format!("{id}:0"), "c2");
        world.call_webhooks(press).await;
        assert_eq!(world.read(&token, &id).await.json()["status"], "answered");
    }
}

#[tokio::test]
async fn a_card_names_the_agent_that_asks() {
    let world = World::new().await;
    world.tenants().await;
    for on in EVERYWHERE {
        let token = on.token(&world).await;
        for (id, body) in [("q-1", question("q-1")), ("a-1", approval())] {
            world.sql("delete from pending_interactions").await;
            assert_eq!(world.ask(&token, &body).await.status, 201);
            let shown = on.calls(&world).pop().unwrap().body.to_string();
            let shown = shown.replace('\\', "");
            assert!(shown.contains("agent-a"), "{on:?} {id}: {shown}");
        }
    }
}

#[tokio::test]
async fn a_discord_call_of_another_application_is_refused_though_its_signature_is_right() {
    let world = World::new().await;
    world.tenants().await;
    let token = On::Discord.token(&world).await;
    world.ask(&token, &question("q-1")).await;
    let press = On::Discord.press_newest(&world, "222", "q-1:0", "1");
    let mut interaction: Value = serde_json::from_slice(&press.body).unwrap();
    interaction["application_id"] = "901".into();
    let foreign = interaction.to_string().into_bytes();
    let answer = world
        .call_webhooks(discord_signed("discord-a", foreign, unix_now()))
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (401, "invalid_signature")
    );
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "pending");
    world.call_webhooks(press).await;
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "answered");
}
