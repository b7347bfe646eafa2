//! A click answers what its card showed. One on a card whose content was replaced answers nothing.

use crate::questions::approvals::grant;
use crate::questions::platforms::{EVERYWHERE, On};
use crate::world::{Answer, World, question};
use postern_stack::ChatMode;
use serde_json::{Value, json};

/// An approval of a tool. Each platform has a server of its own, so that no platform sees another's grant.
fn approval(on: On, tool: &str) -> Value {
    json!({"id": id(on), "kind": "approval", "tool": format!("{}/{tool}", on.name()), "args": {}})
}

fn id(on: On) -> String {
    format!("a-{}", on.name())
}

/// The asked person's press on "always" of this message.
async fn always(world: &World, on: On, message: &str, click: &str) -> Answer {
    let button = format!("{}:2", id(on));
    world
        .call_webhooks(on.press(world, on.asked(), message, &button, click))
        .await
}

/// The question's status, and the decision about the tool that it now names.
async fn decided(world: &World, on: On, token: &str) -> (Value, Value) {
    let pattern = format!("/mcp/{}/tools/push", on.name());
    let grant = grant(world, token, &pattern).await.json()["status"].clone();
    let read = world.read(token, &id(on)).await.json();
    (read["status"].clone(), grant)
}

/// The question has this status, and its tool this grant.
async fn stands(world: &World, on: On, token: &str, status: &str, grant: &str) {
    let found = decided(world, on, token).await;
    assert_eq!(found, (json!(status), json!(grant)), "{on:?}");
}

/// Nothing is decided yet, and a press on the present card decides.
async fn the_present_card_still_decides(world: &World, on: On, token: &str, card: &str) {
    stands(world, on, token, "pending", "none").await;
    always(world, on, card, "c2").await;
    stands(world, on, token, "answered", "allowed").await;
}

/// Asks; returns where the card is.
async fn asked(world: &World, on: On, token: &str, tool: &str, status: u64) -> String {
    let answer = world.ask(token, &approval(on, tool)).await;
    assert_eq!(answer.status, status, "{on:?}: {answer:?}");
    on.last_card(world)
}

#[tokio::test]
async fn a_click_on_a_replaced_card_decides_nothing_and_one_on_the_new_card_does() {
    let world = World::new().await;
    world.tenants().await;
    for on in EVERYWHERE {
        let token = on.token(&world).await;
        let former = asked(&world, on, &token, "status", 201).await;
        let card = asked(&world, on, &token, "push", 200).await;
        assert_ne!(former, card);
        let late = always(&world, on, &former, "c1").await;
        let told = on.told(&world, &late);
        assert!(told.contains("asked again"), "{on:?}: {told}");
        the_present_card_still_decides(&world, on, &token, &card).await;
    }
}

#[tokio::test]
async fn a_click_on_the_card_of_a_question_that_ended_before_its_id_was_used_again_decides_nothing()
{
    let world = World::new().await;
    world.tenants().await;
    for (on, end) in EVERYWHERE
        .into_iter()
        .flat_map(|on| [(on, "withdrew"), (on, "expired")])
    {
        let token = on.token(&world).await;
        world
            .sql("delete from pending_interactions; delete from grants")
            .await;
        let former = asked(&world, on, &token, "status", 201).await;
        if end == "withdrew" {
            assert_eq!(world.withdraw(&token, &id(on)).await.status, 204);
        } else {
            world
                .sql("update pending_interactions set created_at = now() - interval '25 hours'")
                .await;
            world.sweep(json!({})).await.unwrap();
        }
        let told = on.told(
            &world,
            &always(&world, on, &former, &format!("{end}1")).await,
        );
        assert!(told.contains(end), "{on:?}: {told}");
        let card = asked(&world, on, &token, "push", 201).await;
        always(&world, on, &former, &format!("{end}2")).await;
        assert_eq!(
            decided(&world, on, &token).await,
            (json!("pending"), json!("none")),
            "{on:?} {end}"
        );
        always(&world, on, &card, &format!("{end}3")).await;
        assert_eq!(
            decided(&world, on, &token).await,
            (json!("answered"), json!("allowed")),
            "{on:?} {end}"
        );
    }
}

#[tokio::test]
async fn a_question_that_is_changed_and_changed_back_is_three_cards_and_the_last_has_its_buttons() {
    let world = World::new().await;
    world.tenants().await;
    let on = On::Discord;
    let token = on.token(&world).await;
    let mut other = question("q-1");
    other["question"] = "Deploy now?".into();
    for (body, status) in [(question("q-1"), 201), (other, 200), (question("q-1"), 200)] {
        assert_eq!(world.ask(&token, &body).await.status, status);
    }
    let messages = world.discord.messages();
    let mut nonces: Vec<String> = messages
        .iter()
        .map(|message| message["nonce"].to_string())
        .collect();
    nonces.sort();
    nonces.dedup();
    assert_eq!((messages.len(), nonces.len()), (3, 3), "{messages:?}");
    let mut edited: Vec<String> = world
        .discord
        .calls()
        .into_iter()
        .filter_map(|call| {
            Some(
                call.method
                    .strip_prefix("PATCH /channels/333/messages/")?
                    .into(),
            )
        })
        .collect();
    edited.sort();
    let cards = on.cards(&world);
    assert_eq!(edited, cards[..2]);
    for (card, status) in [(&cards[0], "pending"), (&cards[2], "answered")] {
        let press = on.press(&world, on.asked(), card, "q-1:0", card);
        world.call_webhooks(press).await;
        assert_eq!(world.read(&token, "q-1").await.json()["status"], status);
    }
}

#[tokio::test]
async fn a_click_on_a_card_whose_replacement_could_not_be_posted_at_first_decides_nothing() {
    let world = World::new().await;
    world.tenants().await;
    for on in EVERYWHERE {
        let token = on.token(&world).await;
        let former = asked(&world, on, &token, "status", 201).await;
        on.set_mode(&world, ChatMode::Refuse);
        let refused = world.ask(&token, &approval(on, "push")).await;
        assert_eq!(refused.code(), "post_failed");
        on.set_mode(&world, ChatMode::Up);
        let card = asked(&world, on, &token, "push", 201).await;
        always(&world, on, &former, "c1").await;
        the_present_card_still_decides(&world, on, &token, &card).await;
    }
}

#[tokio::test]
async fn a_click_on_a_replaced_card_whose_place_is_unknown_decides_nothing() {
    let world = World::new().await;
    world.tenants().await;
    for on in EVERYWHERE {
        let token = on.token(&world).await;
        on.set_mode(&world, ChatMode::Reset);
        let lost = world.ask(&token, &approval(on, "status")).await;
        assert_eq!(lost.json()["posted"], "unknown", "{on:?}: {lost:?}");
        on.set_mode(&world, ChatMode::Up);
        let card = asked(&world, on, &token, "push", 200).await;
        let lost = on.cards(&world).remove(0);
        let late = always(&world, on, &lost, "c1").await;
        let told = on.told(&world, &late);
        assert!(told.contains("asked again"), "{on:?}: {told}");
        the_present_card_still_decides(&world, on, &token, &card).await;
    }
}

#[tokio::test]
async fn a_click_proves_a_present_card_whose_place_is_unknown_too() {
    let world = World::new().await;
    world.tenants().await;
    let on = On::Slack;
    let token = on.token(&world).await;
    on.set_mode(&world, ChatMode::Reset);
    for tool in ["status", "push"] {
        let answer = world.ask(&token, &approval(on, tool)).await;
        assert_eq!(answer.status, 202);
    }
    on.set_mode(&world, ChatMode::Up);
    always(&world, on, "77", "c1").await;
    stands(&world, on, &token, "answered", "allowed").await;
}
