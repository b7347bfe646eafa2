//! `test_connection` on each platform: what a good connection is told, what is wrong in words, that the message is
//! gone afterwards, that it ends in time, and that no answer and no log holds a token.

mod failures;

use crate::world::{DISCORD_SEED, SIGNING_SECRET, World, merged};
use postern_stack::{ChatCall, ChatMode, Known, Standing, discord};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Longer than a test of a connection may take, on a busy machine.
const BOUND: Duration = Duration::from_secs(25);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Slack,
    Telegram,
    Discord,
}

const EVERYWHERE: [On; 3] = [On::Slack, On::Telegram, On::Discord];

impl On {
    fn name(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Telegram => "telegram",
            Self::Discord => "discord",
        }
    }

    fn channel(self) -> &'static str {
        match self {
            Self::Slack => "C1",
            Self::Telegram => "-1001",
            Self::Discord => "333",
        }
    }

    /// The secret of organization a's connection, with a token that is easy to find.
    fn secret(self) -> Value {
        match self {
            Self::Slack => json!({"bot_token": "xoxb-findme", "signing_secret": SIGNING_SECRET}),
            Self::Telegram => json!({"bot_token": "1:findme", "secret_token": "findme-too"}),
            Self::Discord => json!({"bot_token": "MTk.findme", "application_id": "900",
                "public_key": ["00", discord::public_key(&DISCORD_SEED).unwrap()]}),
        }
    }

    /// What the platform knows of a bot with which nothing is wrong.
    fn about(self) -> Value {
        match self {
            Self::Slack => json!({}),
            Self::Telegram => json!({"url": "https://postern.example/stage/webhooks/telegram-a"}),
            Self::Discord => json!({"verify_key": discord::public_key(&DISCORD_SEED).unwrap(),
                "interactions_endpoint_url": "https://postern.example/webhooks/discord-a"}),
        }
    }

    fn config(self, world: &World) -> Value {
        match self {
            Self::Slack => json!({"api_base_url": world.slack.api_base_url(), "team_id": "T1"}),
            Self::Telegram => json!({"api_base_url": world.telegram.api_base_url()}),
            Self::Discord => json!({"api_base_url": world.discord.api_base_url()}),
        }
    }

    fn knows(self, world: &World, known: Known) {
        match self {
            Self::Slack => world.slack.set_known(known),
            Self::Telegram => world.telegram.set_known(known),
            Self::Discord => world.discord.set_known(known),
        }
    }

    fn set_mode(self, world: &World, mode: ChatMode) {
        match self {
            Self::Slack => world.slack.set_mode(mode),
            Self::Telegram => world.telegram.set_mode(mode),
            Self::Discord => world.discord.set_mode(mode),
        }
    }

    fn calls(self, world: &World) -> Vec<ChatCall> {
        match self {
            Self::Slack => world.slack.calls(),
            Self::Telegram => world.telegram.calls(),
            Self::Discord => world.discord.calls(),
        }
    }

    fn standing(self, world: &World) -> Vec<Standing> {
        match self {
            Self::Slack => world.slack.standing(),
            Self::Telegram => world.telegram.standing(),
            Self::Discord => world.discord.standing(),
        }
    }

    fn good(self) -> Known {
        Known {
            about: self.about(),
            ..Known::default()
        }
    }

    /// The steps of a test that finds nothing wrong.
    fn steps(self) -> &'static [&'static str] {
        match self {
            Self::Slack => &[
                "secret",
                "address",
                "token",
                "scope",
                "workspace",
                "post",
                "take_back",
            ],
            Self::Telegram => &["secret", "address", "token", "webhook", "post", "take_back"],
            Self::Discord => &[
                "secret",
                "address",
                "token",
                "application",
                "webhook",
                "post",
                "take_back",
            ],
        }
    }

    /// Puts organization a's connection with this configuration as well.
    async fn put(self, world: &World, secret: &Value, config: Value) {
        let name = self.name();
        let secret_ref = format!("postern/org/a/chat/{name}");
        world.secrets.put(&secret_ref, secret.to_string());
        world
            .ok(json!({"command": "put_connection", "organization_id": "a", "id": format!("{name}-a"),
                "platform": name, "secret_ref": secret_ref, "config": merged(self.config(world), config)}))
            .await;
    }

    /// The answer of a test, after a check that it repeats no token, that nothing was left behind unsaid, and that it
    /// took no longer than it may.
    async fn test(self, world: &World) -> Value {
        self.test_in(world, json!({})).await
    }

    async fn test_in(self, world: &World, place: Value) -> Value {
        let test = json!({"command": "test_connection", "organization_id": "a",
            "connection_id": format!("{}-a", self.name()), "channel_id": self.channel()});
        let begun = Instant::now();
        let answer = world.command(merged(test, place)).await;
        assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
        assert!(!answer.to_string().contains("findme"), "{answer}");
        for line in world.control().await.logs().await {
            assert!(!line.contains("findme"), "{line}");
        }
        answer
    }
}

/// A world in which nothing is wrong with organization a's connections.
async fn good() -> World {
    let world = World::new().await;
    world.tenants().await;
    for on in EVERYWHERE {
        on.knows(&world, on.good());
        on.put(&world, &on.secret(), json!({})).await;
    }
    world
}

/// The names of the steps that were made.
fn steps(answer: &Value) -> Vec<&str> {
    let checks = answer["checks"].as_array().unwrap();
    checks
        .iter()
        .map(|check| check["check"].as_str().unwrap())
        .collect()
}

/// The message of a step.
fn told<'a>(answer: &'a Value, step: &str) -> &'a str {
    let mut checks = answer["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["check"] == step);
    check.unwrap_or_else(|| panic!("{step}: {answer}"))["message"]
        .as_str()
        .unwrap_or_default()
}

/// Asserts that this problem was found by this step, the last one, and that the sentence holds these words.
fn wrong(answer: &Value, step: &str, problem: &str, words: &str) {
    assert_eq!(answer["ok"], false, "{answer}");
    assert_eq!(answer["problem"], problem, "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains(words), "{words}: {message}");
    assert_eq!(steps(answer).last(), Some(&step), "{answer}");
    let checks = answer["checks"].as_array().unwrap();
    for (at, check) in checks.iter().enumerate() {
        assert_eq!(check["ok"], at + 1 < checks.len(), "{answer}");
    }
    assert_eq!(told(answer, step), message);
}

#[tokio::test]
async fn a_good_connection_says_hello_and_leaves_nothing_behind() {
    let world = good().await;
    for on in EVERYWHERE {
        let answer = on.test(&world).await;
        assert_eq!(answer["ok"], true, "{answer}");
        assert_eq!(steps(&answer), on.steps());
        for check in answer["checks"].as_array().unwrap() {
            assert_eq!(check["ok"], true, "{answer}");
            assert!(check.get("message").is_none(), "{answer}");
        }
        assert!(on.standing(&world).is_empty());
        // It was there: the last call but one posted it, without a button.
        let calls = on.calls(&world);
        let posted = &calls[calls.len() - 2];
        assert!(posted.body.to_string().contains("says hello"), "{posted:?}");
        assert!(!posted.body.to_string().contains("button"), "{posted:?}");
    }
    assert!(world.slack.cards().is_empty() && world.discord.cards().is_empty());
    // What is tested is logged, and the database holds nothing of it.
    let logs = world.control().await.logs().await;
    let tested = |line: &&String| line.contains("\"event\":\"connection_tested\"");
    assert_eq!(logs.iter().filter(tested).count(), 3);
    let stored = "select count(*) from pending_interactions";
    assert_eq!(world.value(stored).await, "0");
}

#[tokio::test]
async fn what_the_platform_refuses_is_said_in_words() {
    let world = good().await;
    for on in EVERYWHERE {
        let words = match on {
            On::Slack => [
                "invalid_auth: the bot token is wrong",
                "not_in_channel: invite the app",
                "channel_not_found: the channel's id is wrong",
            ],
            On::Telegram => [
                "Unauthorized: the bot token is wrong",
                "not a member of the supergroup chat: add the bot",
                "chat not found: the chat's number is wrong",
            ],
            On::Discord => [
                "Unauthorized: the bot token is wrong",
                "50001 Missing Access: add the bot to the server",
                "10003 Unknown Channel: the channel's id is wrong",
            ],
        };
        let known = || on.good();
        let cases = [
            (
                Known {
                    tokens: Some(vec![]),
                    ..known()
                },
                "token",
                "token_refused",
            ),
            (
                Known {
                    foreign: vec![on.channel().into()],
                    ..known()
                },
                "post",
                "not_in_channel",
            ),
            (
                Known {
                    channels: Some(vec!["C2".into()]),
                    ..known()
                },
                "post",
                "unknown_channel",
            ),
        ];
        for ((known, step, problem), words) in cases.into_iter().zip(words) {
            on.knows(&world, known);
            wrong(&on.test(&world).await, step, problem, words);
        }
        assert!(on.standing(&world).is_empty());
    }
}

#[tokio::test]
async fn slack_is_asked_for_the_scope_the_workspace_and_the_app() {
    let (world, on) = (good().await, On::Slack);
    let without = Known {
        scopes: "commands,users:read".into(),
        ..on.good()
    };
    on.knows(&world, without);
    wrong(
        &on.test(&world).await,
        "scope",
        "scope_missing",
        "lacks the scope chat:write; add it",
    );
    on.knows(&world, on.good());
    for (config, step, problem, words) in [
        (
            json!({"team_id": "T2"}),
            "workspace",
            "wrong_workspace",
            "team_id is T1, and the connection's config has T2",
        ),
        (
            json!({"enterprise_id": "E1"}),
            "workspace",
            "wrong_workspace",
            "enterprise_id is none",
        ),
        (
            json!({"api_app_id": "A2"}),
            "application",
            "wrong_application",
            "of the app A1",
        ),
    ] {
        on.put(&world, &on.secret(), config).await;
        wrong(&on.test(&world).await, step, problem, words);
    }
    // Nothing was posted with a token of another workspace.
    assert!(
        on.calls(&world)
            .iter()
            .all(|call| call.method == "auth.test")
    );
    on.put(
        &world,
        &on.secret(),
        json!({"team_id": null, "api_app_id": "A1"}),
    )
    .await;
    let answer = on.test(&world).await;
    assert_eq!(answer["ok"], true, "{answer}");
    assert!(told(&answer, "workspace").contains("set config.team_id to T1"));
    assert_eq!(told(&answer, "application"), "");
    // The token of an app that a whole organization has installed is of no workspace.
    let about = json!({"is_enterprise_install": true, "team_id": "E1", "enterprise_id": "E1"});
    on.knows(&world, Known { about, ..on.good() });
    on.put(&world, &on.secret(), json!({"enterprise_id": "E1"}))
        .await;
    assert_eq!(on.test(&world).await["ok"], true);
}

#[tokio::test]
async fn telegram_is_asked_where_it_calls() {
    let (world, on) = (good().await, On::Telegram);
    let url = "https://postern.example/webhooks/telegram-a";
    for (about, hint) in [
        (json!({"url": ""}), "the bot has no webhook"),
        (
            json!({"url": "https://elsewhere.example/"}),
            "does not end in /webhooks/telegram-a",
        ),
        (
            json!({"url": url, "allowed_updates": ["message"]}),
            "lack callback_query",
        ),
        (
            json!({"url": url, "last_error_date": 1_700_000_000,
                "last_error_message": "Wrong response from the webhook: 401 Unauthorized"}),
            "at 2023-11-14T22:13:20Z: Wrong response from the webhook: 401 Unauthorized; give setWebhook the secret_token",
        ),
    ] {
        on.knows(&world, Known { about, ..on.good() });
        let answer = on.test(&world).await;
        assert_eq!(answer["ok"], true, "{answer}");
        let told = told(&answer, "webhook");
        assert!(told.contains(hint), "{told}");
    }
    // A topic is where it is posted.
    let topic = on.test_in(&world, json!({"conversation_id": "7"})).await;
    assert_eq!(topic["ok"], true, "{topic}");
    let calls = on.calls(&world);
    assert_eq!(calls[calls.len() - 2].body["message_thread_id"], 7);
}

#[tokio::test]
async fn discord_is_asked_for_the_application_its_key_and_its_embeds() {
    let (world, on) = (good().await, On::Discord);
    let mut secret = on.secret();
    secret["application_id"] = "901".into();
    on.put(&world, &secret, json!({})).await;
    wrong(
        &on.test(&world).await,
        "application",
        "wrong_application",
        "of the application 900",
    );
    let mut secret = on.secret();
    secret["public_key"] =
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".into();
    on.put(&world, &secret, json!({})).await;
    wrong(
        &on.test(&world).await,
        "application",
        "wrong_public_key",
        "copy it from General Information",
    );
    let mut secret = on.secret();
    secret.as_object_mut().unwrap().remove("application_id");
    on.put(&world, &secret, json!({})).await;
    let about = merged(on.about(), json!({"interactions_endpoint_url": null}));
    on.knows(&world, Known { about, ..on.good() });
    let answer = on.test(&world).await;
    assert_eq!(answer["ok"], true, "{answer}");
    assert!(told(&answer, "application").contains("application_id to 900"));
    assert!(told(&answer, "webhook").contains("Interactions Endpoint URL"));
    on.put(&world, &on.secret(), json!({})).await;
    on.knows(
        &world,
        Known {
            embeds: false,
            ..on.good()
        },
    );
    wrong(
        &on.test(&world).await,
        "post",
        "card_incomplete",
        "permission Embed Links",
    );
    assert!(on.standing(&world).is_empty());
}
