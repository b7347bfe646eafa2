//! A card's post happened, or did not happen, or nobody knows.

use crate::questions::platforms::{EVERYWHERE, On};
use crate::world::{Answer, World, question};
use futures_util::future::join_all;
use postern_stack::ChatMode;
use serde_json::{Value, json};

/// Asks while the platform behaves like this; returns the answer to the agent.
async fn asked(world: &World, on: On, token: &str, id: &str, mode: ChatMode) -> Answer {
    on.set_mode(world, mode);
    let answer = world.ask(token, &question(id)).await;
    on.set_mode(world, ChatMode::Up);
    answer
}

/// The question is pending, and a click on its card answers it.
async fn a_click_proves_it(world: &World, on: On, token: &str, id: &str) {
    assert_eq!(world.read(token, id).await.json()["status"], "pending");
    let press = on.press(world, on.asked(), "77", &format!("{id}:1"), id);
    assert_eq!(world.call_webhooks(press).await.status, 200);
    let read = world.read(token, id).await.json();
    assert_eq!(
        (&read["status"], &read["answer"]["value"]),
        (&json!("answered"), &json!("No")),
        "{on:?} {id}"
    );
}

fn unknown(answer: &Answer) -> bool {
    let body = answer.json();
    (answer.status, &body["posted"], &body["status"]) == (202, &json!("unknown"), &json!("pending"))
}

#[tokio::test]
async fn a_post_that_gets_no_answer_or_nonsense_may_have_happened() {
    let world = World::with_env(&[("AWS_LAMBDA_MAX_CONCURRENCY", "8")]).await;
    world.tenants().await;
    let outcomes = EVERYWHERE.map(async |on| {
        let token = on.token(&world).await;
        for (mode, kind) in [(ChatMode::Garbage, "garbage"), (ChatMode::Hang, "hang")] {
            let id = format!("{kind}-{}", on.name());
            let answer = asked(&world, on, &token, &id, mode).await;
            assert!(unknown(&answer), "{on:?} {mode:?}: {answer:?}");
            a_click_proves_it(&world, on, &token, &id).await;
        }
    });
    join_all(outcomes).await;
}

#[tokio::test]
async fn a_post_that_never_left_did_not_happen() {
    let world = World::new().await;
    world.tenants().await;
    world
        .sql(r#"update connections set config = '{"api_base_url": "http://127.0.0.2:1"}'"#)
        .await;
    for on in EVERYWHERE {
        let token = on.token(&world).await;
        let answer = world.ask(&token, &question("q-1")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (502, "post_failed"),
            "{on:?}"
        );
        let rows = "select count(*) from pending_interactions";
        assert_eq!(world.value(rows).await, "0", "{on:?}");
    }
}

#[tokio::test]
async fn a_refused_card_whose_text_is_accepted_is_reported_as_text() {
    let world = World::new().await;
    world.tenants().await;
    for on in EVERYWHERE {
        let token = on.token(&world).await;
        let id = format!("text-{}", on.name());
        let answer = asked(&world, on, &token, &id, ChatMode::RefuseCards).await;
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["posted"], &body["status"]),
            (201, &json!("text"), &json!("pending")),
            "{on:?}"
        );
        let whole = asked(
            &world,
            on,
            &token,
            &format!("card-{}", on.name()),
            ChatMode::Up,
        )
        .await;
        assert_eq!(
            (whole.status, &whole.json()["posted"]),
            (201, &Value::Null),
            "{on:?}"
        );
    }
}

#[tokio::test]
async fn the_refusal_of_a_repeat_says_nothing_about_the_post_before_it() {
    let world = World::new().await;
    world.tenants().await;
    let token = On::Discord.token(&world).await;
    let mode = ChatMode::ResetThenRefuse;
    let answer = asked(&world, On::Discord, &token, "q-1", mode).await;
    assert!(unknown(&answer), "{answer:?}");
    let calls = On::Discord.calls(&world);
    assert_eq!((calls.len(), &calls[0].body), (2, &calls[1].body));
    a_click_proves_it(&world, On::Discord, &token, "q-1").await;
}

#[tokio::test]
async fn a_lost_answer_to_discord_is_asked_for_again_and_makes_no_second_card() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.talking("discord", "222", "333").await;
    world.discord.set_mode(ChatMode::ResetOnce);
    let asked = world.ask(&token, &question("q-1")).await;
    assert_eq!(asked.status, 201, "{asked:?}");
    assert_eq!(
        (world.discord.calls().len(), world.discord.messages().len()),
        (2, 1)
    );
}

#[tokio::test]
async fn what_telegram_and_discord_refuse_is_sent_as_plain_text_or_not_kept() {
    let world = World::new().await;
    world.tenants().await;
    let telegram = world.talking("telegram", "111", "111").await;
    let discord = world.talking("discord", "222", "333").await;
    let set = |mode| {
        world.telegram.set_mode(mode);
        world.discord.set_mode(mode);
    };
    set(ChatMode::RefuseCards);
    for (token, id) in [(&telegram, "t-1"), (&discord, "d-1")] {
        assert_eq!(world.ask(token, &question(id)).await.status, 201);
    }
    assert!(world.telegram.calls()[1].body.get("reply_markup").is_none());
    assert!(world.discord.calls()[1].body.get("components").is_none());
    set(ChatMode::Refuse);
    for (token, id) in [(&telegram, "t-2"), (&discord, "d-2")] {
        assert_eq!(world.ask(token, &question(id)).await.code(), "post_failed");
    }
    set(ChatMode::Reset);
    for (token, id) in [(&telegram, "t-3"), (&discord, "d-3")] {
        let asked = world.ask(token, &question(id)).await;
        assert_eq!(
            (asked.status, &asked.json()["posted"]),
            (202, &json!("unknown"))
        );
    }
    assert_eq!(
        world
            .value("select string_agg(id, ' ' order by id) from pending_interactions")
            .await,
        "d-1 d-3 t-1 t-3"
    );
}

#[tokio::test]
async fn once_its_card_is_posted_nothing_undoes_a_question() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    // Every write after the post fails.
    world
        .sql(
            "create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
             create trigger refuse before update on pending_interactions for each row execute function refuse()",
        )
        .await;
    assert_eq!(world.ask(&token, &question("q-1")).await.status, 201);
    assert_eq!(world.read(&token, "q-1").await.json()["status"], "pending");
}
