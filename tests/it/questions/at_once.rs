//! Many clicks or requests at once have one outcome: one answer, one delivery, one card.

use crate::questions::callbacks::with_callback;
use crate::questions::platforms::On;
use crate::world::{ANYWHERE, World, question};
use futures_util::future::join_all;
use postern_stack::Receiver;

#[tokio::test]
async fn of_64_clicks_at_once_one_answers_with_one_receipt_and_one_delivery() {
    let receiver = Receiver::start_on(ANYWHERE).await.unwrap();
    let world = World::with_env(&[("AWS_LAMBDA_MAX_CONCURRENCY", "8")]).await;
    world.tenants().await;
    let on = On::Discord;
    let token = on.token(&world).await;
    let asked = world
        .ask(&token, &with_callback("q-1", &receiver.url()))
        .await;
    assert_eq!(asked.status, 201);
    let card = on.last_card(&world);
    // Every second one is the same click, delivered again.
    let clicks = (0..64).map(|n| {
        let (button, click) = match n % 4 {
            1 => ("q-1:0", n.to_string()),
            3 => ("q-1:1", n.to_string()),
            _ => ("q-1:0", "the same".to_owned()),
        };
        world.call_webhooks(on.press(&world, on.asked(), &card, button, &click))
    });
    let answers = join_all(clicks).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let edits: Vec<_> = answers
        .iter()
        .map(|answer| answer.json())
        .filter(|answer| answer["type"] == 7)
        .collect();
    // The winner gets an edit, and so does the same click again.
    assert!((1..=32).contains(&edits.len()), "{}", edits.len());
    assert!(edits.iter().all(|edit| *edit == edits[0]), "{edits:?}");
    let calls = world.discord.calls();
    assert_eq!(calls.len(), 2, "the card and one receipt");
    let read = world.read(&token, "q-1").await.json();
    let deliveries = "select count(*) || ' ' || count(delivered_at) from deliveries";
    assert_eq!(world.value(deliveries).await, "1 1");
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].json()["data"]["answer"], read["answer"]);
}

#[tokio::test]
async fn of_16_identical_asks_at_once_one_posts_the_card() {
    let world = World::with_env(&[
        ("AWS_LAMBDA_MAX_CONCURRENCY", "8"),
        ("DATABASE_POOL_MAX", "8"),
    ])
    .await;
    world.tenants().await;
    let token = world.conversing("a", "U1").await;
    let body = question("q-1");
    let answers = join_all((0..16).map(|_| world.ask(&token, &body))).await;
    let mut statuses: Vec<u64> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 15].as_slice(), &[201]].concat());
    assert!(
        answers
            .iter()
            .all(|answer| answer.json()["status"] == "pending"
                && answer.json()["created_at"] == answers[0].json()["created_at"])
    );
    assert_eq!(On::Slack.cards(&world).len(), 1);
    assert_eq!(world.slack.calls().len(), 1);
}
