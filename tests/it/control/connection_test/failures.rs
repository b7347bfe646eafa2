//! What fails outside of the bot and its channel: the secret, the address, the platform, and whose connection it is.

use super::{EVERYWHERE, On, good, told, wrong};
use postern_stack::{ChatMode, Known, SecretsMode};
use serde_json::json;

#[tokio::test]
async fn a_message_that_cannot_be_taken_back_is_said() {
    let world = good().await;
    for on in EVERYWHERE {
        on.knows(
            &world,
            Known {
                deletes: false,
                ..on.good()
            },
        );
        wrong(
            &on.test(&world).await,
            "take_back",
            "not_taken_back",
            "the message is still there, delete it by hand",
        );
        assert_eq!(on.standing(&world).len(), 1);
    }
}

#[tokio::test]
async fn a_secret_that_is_missing_or_malformed_is_said_and_nothing_is_called() {
    let world = good().await;
    for on in EVERYWHERE {
        let name = format!("postern/org/a/chat/{}", on.name());
        let missing = "cannot be read; check that it exists";
        world.secrets.remove(&name);
        wrong(
            &on.test(&world).await,
            "secret",
            "secret_unavailable",
            missing,
        );
        for text in ["findme", "[]", "{\"bot_token\": \"findme\"}", ""] {
            world.secrets.put(&name, text);
            let form = "must be a JSON object with the texts `bot_token`";
            wrong(&on.test(&world).await, "secret", "secret_malformed", form);
        }
        for token in ["", "find\u{fc}me", "xoxb findme"] {
            let mut secret = on.secret();
            secret["bot_token"] = token.into();
            world.secrets.put(&name, secret.to_string());
            let ascii = "must be visible ASCII";
            wrong(&on.test(&world).await, "secret", "secret_malformed", ascii);
        }
        assert!(on.calls(&world).is_empty());
        // One that was corrected is tested at once.
        world.secrets.put(&name, on.secret().to_string());
        assert_eq!(on.test(&world).await["ok"], true);
    }
    world.secrets.set_mode(SecretsMode::AccessDenied);
    let refused = On::Slack.test(&world).await;
    wrong(&refused, "secret", "secret_unavailable", "AccessDenied");
    world.secrets.set_mode(SecretsMode::Up);
    // A row that names another organization's secret.
    world
        .sql("update connections set secret_ref = 'postern/org/b/chat/slack' where id = 'slack-a'")
        .await;
    let calls = On::Slack.calls(&world).len();
    let refused = On::Slack.test(&world).await;
    wrong(
        &refused,
        "secret",
        "secret_unavailable",
        "postern/org/a/chat/",
    );
    assert_eq!(On::Slack.calls(&world).len(), calls);
}

#[tokio::test]
async fn a_sealed_secret_is_opened_or_said_not_to_open() {
    let (world, on) = (good().await, On::Slack);
    world
        .ok(
            json!({"command": "put_secret", "organization_id": "a", "name": "chat/sealed",
            "value": on.secret().to_string()}),
        )
        .await;
    world
        .ok(json!({"command": "put_connection", "organization_id": "a", "id": "slack-a", "platform": "slack",
            "secret_ref": "sealed:chat/sealed", "config": on.config(&world)}))
        .await;
    assert_eq!(on.test(&world).await["ok"], true);
    assert_eq!(on.calls(&world)[0].token, "xoxb-findme");
    world.sql("update sealed_secrets set version = 9").await;
    let unopened = on.test(&world).await;
    wrong(&unopened, "secret", "secret_unavailable", "it was altered");
    world.sql("delete from sealed_secrets").await;
    let gone = on.test(&world).await;
    wrong(
        &gone,
        "secret",
        "secret_unavailable",
        "there is no such row",
    );
}

#[tokio::test]
async fn a_platform_that_is_down_hangs_or_asks_to_wait_is_said_in_time() {
    let world = good().await;
    let unavailable = "platform_unavailable";
    for on in EVERYWHERE {
        for (mode, problem, words) in [
            (ChatMode::Hang, unavailable, "no answer in time"),
            (ChatMode::Reset, unavailable, "test again"),
            (ChatMode::Status(503), unavailable, "status 503"),
            (ChatMode::Status(404), unavailable, "config.api_base_url"),
            (ChatMode::Garbage, unavailable, "config.api_base_url"),
            (ChatMode::Status(429), "rate_limited", "asks to wait 1 s"),
        ] {
            on.set_mode(&world, mode);
            wrong(&on.test(&world).await, "token", problem, words);
        }
        on.set_mode(&world, ChatMode::Up);
        assert_eq!(on.test(&world).await["ok"], true);
    }
}

#[tokio::test]
async fn a_platform_that_fails_in_the_middle_is_said_in_time() {
    let world = good().await;
    for on in EVERYWHERE {
        let (post, delete) = match on {
            On::Slack => ("chat.postMessage", "chat.delete"),
            On::Telegram => ("sendMessage", "deleteMessage"),
            On::Discord => ("POST ", "DELETE "),
        };
        let (unavailable, gone) = ("platform_unavailable", "delete it by hand");
        for (at, step, problem, words) in [
            ((post, ChatMode::Hang), "post", unavailable, gone),
            ((post, ChatMode::Status(500)), "post", unavailable, gone),
            (
                (post, ChatMode::Status(429)),
                "post",
                "rate_limited",
                "asks to wait 1 s; test again then",
            ),
            (
                (delete, ChatMode::Hang),
                "take_back",
                "not_taken_back",
                gone,
            ),
            (
                (delete, ChatMode::Status(429)),
                "take_back",
                "not_taken_back",
                gone,
            ),
        ] {
            on.knows(
                &world,
                Known {
                    at: Some(at),
                    ..on.good()
                },
            );
            wrong(&on.test(&world).await, step, problem, words);
        }
    }
}

#[tokio::test]
async fn a_message_outside_of_its_thread_is_a_hint() {
    let world = good().await;
    for (on, thread) in [(On::Slack, "1700000000.000100"), (On::Telegram, "7")] {
        let place = json!({"conversation_id": thread});
        assert_eq!(told(&on.test_in(&world, place.clone()).await, "post"), "");
        on.knows(
            &world,
            Known {
                threads: false,
                ..on.good()
            },
        );
        let answer = on.test_in(&world, place).await;
        assert_eq!(answer["ok"], true, "{answer}");
        let told = told(&answer, "post");
        assert!(told.starts_with("it was posted in another way"), "{told}");
        assert!(on.standing(&world).is_empty());
    }
}

#[tokio::test]
async fn an_address_that_may_not_be_called_is_not_called() {
    let (world, on) = (good().await, On::Slack);
    for (address, step, problem, words) in [
        (
            "https://evil.example/api",
            "address",
            "address_forbidden",
            "CHAT_API_HOSTS",
        ),
        (
            "http://127.0.0.2:1/api",
            "token",
            "platform_unavailable",
            "could not be reached",
        ),
    ] {
        let config = json!({"api_base_url": address}).to_string();
        world
            .sql(&format!(
                "update connections set config = '{config}' where id = 'slack-a'"
            ))
            .await;
        wrong(&on.test(&world).await, step, problem, words);
    }
    assert!(on.calls(&world).is_empty());
}

#[tokio::test]
async fn only_a_connection_of_the_organization_is_tested() {
    let world = good().await;
    for (organization, connection) in [
        ("b", "slack-a"),
        ("a", "slack-b"),
        ("a", "c"),
        ("c", "slack-a"),
    ] {
        let answer = world
            .command(
                json!({"command": "test_connection", "organization_id": organization,
                "connection_id": connection, "channel_id": "C1"}),
            )
            .await;
        let code = &answer["error"]["code"];
        assert_eq!(code, "unknown_connection", "{answer}");
    }
    let field = json!({"command": "test_connection", "organization_id": "a", "connection_id": "slack-a",
        "channel_id": "a b"});
    assert_eq!(
        world.command(field).await["error"]["code"],
        "invalid_request"
    );
    assert!(world.slack.calls().is_empty());
    let world = world.restarted_with(&[]);
    world.database_down();
    let down = json!({"command": "test_connection", "organization_id": "a", "connection_id": "slack-a",
        "channel_id": "C1"});
    let down = world.command(down).await;
    assert_eq!(down["error"]["code"], "database_unavailable", "{down}");
    assert!(world.slack.calls().is_empty());
}

/// What stands at an allowed address may repeat the token that it was sent.
#[tokio::test]
async fn an_answer_that_repeats_the_token_is_shown_without_it() {
    let (world, on) = (good().await, On::Slack);
    let about = json!({"team_id": "xoxb-findme", "team": "xoxb-findme"});
    on.knows(&world, Known { about, ..on.good() });
    let answer = on.test(&world).await;
    wrong(&answer, "workspace", "wrong_workspace", "[the bot token]");
}
