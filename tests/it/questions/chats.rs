//! What `life` and `webhooks` test with Slack, on the other platforms; and what all platforms share.

use crate::world::{SECRET_TOKEN, World, discord_signed, press, question, unix_now};
use postern_stack::{ChatMode, HttpRequest};
use serde_json::json;

const MARKUP: &str = "*b* _i_ <!channel> @everyone <@1> [x](https://evil.example) `c`";

#[tokio::test]
async fn on_telegram_a_click_is_noted_and_a_call_takes_the_buttons_away() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.talking("telegram", "111", "111").await;
    let mut asked = question("q-1");
    asked["question"] = MARKUP.into();
    assert_eq!(world.ask(&token, &asked).await.status, 201);
    let card = &world.telegram.calls()[0];
    assert_eq!(
        (card.method.as_str(), card.token.as_str()),
        ("sendMessage", "1:a")
    );
    assert_eq!(card.body["chat_id"], 111);
    let shown = card.body["text"].as_str().unwrap();
    assert!(
        shown.starts_with("Agent agent-a of a asks 111, until 20"),
        "{shown}"
    );
    assert!(shown.ends_with(&format!(" UTC\n\n{MARKUP}")), "{shown}");
    assert!(
        card.body.get("parse_mode").is_none(),
        "the text would be read as markup"
    );
    let buttons = &world.telegram.cards()[0].buttons;
    assert!(buttons[1].starts_with("q:q-1:") && buttons[1].ends_with(":1"));

    let stranger = world.telegram_press("telegram-a", 222, "q-1:0", "c0");
    let learned = world.call_webhooks(stranger).await;
    assert_eq!(
        (learned.status, learned.json()),
        (
            200,
            json!({"method": "answerCallbackQuery", "callback_query_id": "c0"})
        )
    );
    let click = world.telegram_press("telegram-a", 111, "q-1:1", "c1");
    let answer = world.call_webhooks(click.clone()).await;
    assert_eq!(
        (answer.status, answer.json()),
        (
            200,
            json!({"method": "answerCallbackQuery", "callback_query_id": "c1"})
        )
    );
    let mut calls = world.telegram.calls()[1..].to_vec();
    calls.sort_by_key(|call| call.method.clone());
    let methods: Vec<&str> = calls.iter().map(|call| call.method.as_str()).collect();
    assert_eq!(methods, ["editMessageText", "sendMessage"]);
    let edit = &calls[0].body;
    assert_eq!(
        (&edit["message_id"], &edit["reply_markup"]),
        (&json!(101), &json!({"inline_keyboard": []}))
    );
    assert!(edit["text"].as_str().unwrap().ends_with("111 answered: No"));
    let read = world.read(&token, "q-1").await.json();
    assert_eq!(
        (&read["answer"]["index"], &read["answer"]["user_id"]),
        (&json!(1), &json!("111"))
    );

    // Telegram delivers an update again when the answer is late.
    let again = world.call_webhooks(click).await;
    assert_eq!(
        (again.status, &again.json()["method"]),
        (200, &json!("answerCallbackQuery"))
    );
    assert_eq!(world.read(&token, "q-1").await.json(), read);
    assert_eq!(world.telegram.calls().len(), 3, "nothing is sent again");
    assert_eq!(
        world
            .value("select unsettled = '{}' and settle_at is null from pending_interactions")
            .await,
        "t"
    );
}

#[tokio::test]
async fn on_discord_the_answer_to_the_click_takes_the_buttons_away() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.talking("discord", "222", "333").await;
    let mut asked = question("q-1");
    asked["question"] = MARKUP.into();
    asked["options"] = json!(["<@1>", "No"]);
    assert_eq!(world.ask(&token, &asked).await.status, 201);
    let card = &world.discord.calls()[0];
    assert_eq!(
        (card.method.as_str(), card.token.as_str()),
        ("POST /channels/333/messages", "a")
    );
    assert_eq!(
        card.body["allowed_mentions"],
        json!({"parse": [], "users": ["222"]})
    );
    let shown = card.body["content"].as_str().unwrap();
    assert!(
        shown.starts_with("Agent agent\\-a of a asks <@222>, until <t:"),
        "{shown}"
    );
    assert!(
        shown.contains(":f>\n\n> \\*b\\* \\_i\\_ \\<!channel\\> \\@everyone"),
        "{shown}"
    );
    let buttons = &world.discord.cards()[0].buttons;
    assert!(buttons[1].starts_with("q:q-1:") && buttons[1].ends_with(":1"));

    let stranger = world
        .call_webhooks(world.discord_press("discord-a", "223", "q-1:0", "1"))
        .await;
    assert_eq!(
        (stranger.status, stranger.json()),
        (200, json!({"type": 6}))
    );
    let answer = world
        .call_webhooks(world.discord_press("discord-a", "222", "q-1:0", "2"))
        .await;
    let edit = answer.json();
    assert_eq!(
        (answer.status, &edit["type"], &edit["data"]["components"]),
        (200, &json!(7), &json!([]))
    );
    let shown = edit["data"]["content"].as_str().unwrap();
    assert!(shown.ends_with("<@222> answered: \\<\\@1\\>"), "{shown}");
    assert_eq!(
        world.discord.calls().len(),
        2,
        "the card and the receipt, without a separate edit"
    );
    assert_eq!(
        world.read(&token, "q-1").await.json()["answer"]["value"],
        "<@1>"
    );
    let second = world
        .call_webhooks(world.discord_press("discord-a", "222", "q-1:1", "3"))
        .await;
    assert_eq!(
        second.json(),
        json!({"type": 6}),
        "a second click learns nothing"
    );
    assert_eq!(
        world.read(&token, "q-1").await.json()["answer"]["value"],
        "<@1>"
    );
}

#[tokio::test]
async fn discords_check_of_the_address_is_answered_only_with_a_signature() {
    let world = World::new().await;
    world.tenants().await;
    let ping = br#"{"type":1,"id":"1","version":1}"#.to_vec();
    let answer = world
        .call_webhooks(discord_signed("discord-a", ping.clone(), unix_now()))
        .await;
    assert_eq!((answer.status, answer.json()), (200, json!({"type": 1})));
    let click = world.discord_press("discord-a", "222", "q-1:0", "1");
    let forged = [
        discord_signed("discord-a", ping.clone(), unix_now()).body(b"{\"type\":1}".to_vec()),
        discord_signed("discord-a", ping.clone(), unix_now() - 301),
        discord_signed("discord-a", ping.clone(), unix_now() + 310),
        HttpRequest::new("POST", "/webhooks/discord-a").body(ping),
        HttpRequest {
            body: click.body[1..].to_vec(),
            ..click
        },
    ];
    for request in forged {
        let answer = world.call_webhooks(request).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "invalid_signature")
        );
    }
}

#[tokio::test]
async fn telegrams_secret_token_is_required_and_a_former_one_still_counts() {
    let world = World::new().await;
    world.tenants().await;
    let bare = |token: Option<&str>| {
        let mut request = world.telegram_press("telegram-a", 111, "q-1:0", "c");
        request
            .headers
            .retain(|(name, _)| !name.starts_with("x-telegram"));
        match token {
            Some(token) => request.header("x-telegram-bot-api-secret-token", token),
            None => request,
        }
    };
    for wrong in [None, Some(""), Some("telegram_secret-token"), Some("x")] {
        assert_eq!(
            world.call_webhooks(bare(wrong)).await.code(),
            "invalid_signature",
            "{wrong:?}"
        );
    }
    for right in [SECRET_TOKEN, "Former"] {
        assert_eq!(world.call_webhooks(bare(Some(right))).await.status, 200);
    }
}

#[tokio::test]
async fn a_verified_body_of_another_shape_changes_nothing() {
    let world = World::new().await;
    world.tenants().await;
    let bodies = [
        "{}",
        "[]",
        "null",
        "7",
        r#"{"type":2}"#,
        r#"{"callback_query":{"data":{}}}"#,
        r#"{"type":99,"data":[]}"#,
    ];
    for body in bodies {
        let mut telegram = world.telegram_press("telegram-a", 1, "x", "c");
        telegram.body = body.into();
        for request in [
            telegram,
            discord_signed("discord-a", body.into(), unix_now()),
        ] {
            let answer = world.call_webhooks(request).await;
            assert_eq!(
                (answer.status, answer.text()),
                (200, String::new()),
                "{body}"
            );
        }
    }
    // A button that is not Postern's is acknowledged, so that it does not spin.
    for button in ["other", "q-1:100", "q::abcdef:0", "q:q-1:abcdef:-1"] {
        let telegram = world
            .call_webhooks(world.telegram_press("telegram-a", 1, button, "c"))
            .await;
        assert_eq!(telegram.json()["method"], "answerCallbackQuery", "{button}");
        let discord = world
            .call_webhooks(world.discord_press("discord-a", "1", button, "1"))
            .await;
        assert_eq!(discord.json(), json!({"type": 6}), "{button}");
    }
    for body in ["{", "", "\u{0}"] {
        let mut telegram = world.telegram_press("telegram-a", 1, "x", "c");
        telegram.body = body.into();
        for request in [
            telegram,
            discord_signed("discord-a", body.into(), unix_now()),
        ] {
            assert_eq!(
                world.call_webhooks(request).await.code(),
                "invalid_json",
                "{body:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_withdrawn_card_says_so_and_a_late_click_learns_why() {
    let world = World::new().await;
    world.tenants().await;
    let slack = world.conversing("a", "U1").await;
    let telegram = world.talking("telegram", "111", "111").await;
    let discord = world.talking("discord", "222", "333").await;
    for (token, id) in [(&slack, "s-1"), (&telegram, "t-1"), (&discord, "d-1")] {
        assert_eq!(world.ask(token, &question(id)).await.status, 201);
        assert_eq!(world.withdraw(token, id).await.status, 204);
        assert_eq!(world.read(token, id).await.code(), "unknown_interaction");
    }
    let update = &world.slack.calls()[1];
    assert_eq!(
        (update.method.as_str(), &update.body["ts"]),
        ("chat.update", &json!("1700000000.000001"))
    );
    assert!(update.body.to_string().contains("withdrew"));
    let edit = &world.telegram.calls()[1];
    assert_eq!(
        (edit.method.as_str(), &edit.body["message_id"]),
        ("editMessageText", &json!(101))
    );
    let patch = &world.discord.calls()[1];
    assert_eq!(
        patch.method,
        "PATCH /channels/333/messages/700000000000000000"
    );
    assert_eq!(patch.body["components"], json!([]));

    let late = world.click("slack-a", &press("U1", "s-1:0")).await;
    assert_eq!((late.status, late.text()), (200, String::new()));
    let note = world.slack.calls().pop().unwrap();
    assert_eq!(
        (note.method.as_str(), &note.body["user"]),
        ("chat.postEphemeral", &json!("U1"))
    );
    let late = world
        .call_webhooks(world.telegram_press("telegram-a", 111, "t-1:0", "c"))
        .await
        .json();
    assert_eq!(late["method"], "answerCallbackQuery");
    assert!(
        late["text"].as_str().unwrap().contains("withdrew")
            && late["text"].as_str().unwrap().len() <= 200
    );
    let late = world
        .call_webhooks(world.discord_press("discord-a", "222", "d-1:0", "1"))
        .await
        .json();
    assert_eq!(
        (&late["type"], &late["data"]["flags"]),
        (&json!(4), &json!(64))
    );
    // Somebody else's late click still learns nothing.
    let other = world
        .call_webhooks(world.discord_press("discord-a", "223", "d-1:0", "2"))
        .await;
    assert_eq!(other.json(), json!({"type": 6}));

    world.ask(&discord, &question("d-2")).await;
    world
        .sql("update pending_interactions set created_at = now() - interval '25 hours'")
        .await;
    let late = world
        .call_webhooks(world.discord_press("discord-a", "222", "d-2:0", "3"))
        .await
        .json();
    assert!(
        late["data"]["content"]
            .as_str()
            .unwrap()
            .contains("expired"),
        "{late}"
    );
    assert_eq!(
        world.read(&discord, "d-2").await.json()["status"],
        "expired"
    );
}

#[tokio::test]
async fn a_card_whose_question_is_asked_again_loses_its_buttons() {
    let world = World::new().await;
    world.tenants().await;
    let token = world.talking("discord", "222", "333").await;
    world.ask(&token, &question("q-1")).await;
    let mut changed = question("q-1");
    changed["options"] = json!(["No", "Yes"]);
    assert_eq!(world.ask(&token, &changed).await.status, 200);
    let calls = world.discord.calls();
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert_eq!(
        calls[2].method,
        "PATCH /channels/333/messages/700000000000000000"
    );
    assert_eq!(
        (&calls[2].body["components"], world.discord.messages().len()),
        (&json!([]), 2)
    );
}

#[tokio::test]
async fn a_receipt_that_was_refused_is_sent_by_the_sweep() {
    let world = World::new().await;
    world.tenants().await;
    let slack = world.conversing("a", "U1").await;
    world.ask(&slack, &question("q-1")).await;
    world.slack.set_mode(ChatMode::Refuse);
    world.click("slack-a", &press("U1", "q-1:0")).await;
    world.slack.set_mode(ChatMode::Up);
    let before = world.slack.calls().len();
    world
        .sql("update pending_interactions set settle_at = now()")
        .await;
    world.sweep(json!({})).await.unwrap();
    let mut methods: Vec<String> = world.slack.calls()[before..]
        .iter()
        .map(|call| call.method.clone())
        .collect();
    methods.sort();
    assert_eq!(methods, ["chat.postMessage", "chat.update"]);
}
