//! Threads and topics: a card's receipt, its edit and the notes about it are where the card is.

use crate::questions::platforms::On;
use crate::world::{
    Answer, SECRET_TOKEN, SIGNING_SECRET, World, discord_signed, question, signed, unix_now,
};
use postern_stack::{
    ChatMode, HttpRequest, PostedCard,
    discord::{self, DiscordClick},
    slack::{self, Click},
    telegram::{self, TelegramClick},
};
use serde_json::{Value, json};

/// The first message of a thread on Slack.
const PARENT: &str = "1700000000.000100";

/// A place in which an agent asks.
#[derive(Debug, Clone, Copy)]
struct Spot {
    on: On,
    channel: &'static str,
    conversation: &'static str,
    /// The thread or topic that its cards come into, if it is one within the channel.
    thread: Option<&'static str>,
}

const fn spot(
    on: On,
    channel: &'static str,
    conversation: &'static str,
    thread: Option<&'static str>,
) -> Spot {
    Spot {
        on,
        channel,
        conversation,
        thread,
    }
}

const SPOTS: [Spot; 7] = [
    spot(On::Slack, "C1", PARENT, Some(PARENT)),
    spot(On::Slack, "C1", "C1", None),
    spot(On::Telegram, "-1001", "7", Some("7")),
    // The general topic has a number that cannot be posted to.
    spot(On::Telegram, "-1001", "1", None),
    spot(On::Telegram, "111", "111", None),
    // A thread is a channel of its own.
    spot(On::Discord, "777", "777", None),
    spot(On::Discord, "333", "release-42", None),
];

/// A message that arrived: its channel, and the thread or topic that it came into.
type Landed = (String, Option<String>);

impl Spot {
    async fn token(self, world: &World) -> String {
        let claims = json!({"connection_id": format!("{}-a", self.on.name()), "user_id": self.on.asked(),
            "channel_id": self.channel, "conversation_id": self.conversation});
        world.token("a", "agent-a", claims).await
    }

    /// Asks a question; returns its card.
    async fn asked(self, world: &World, id: &str) -> PostedCard {
        let answer = world.ask(&self.token(world).await, &question(id)).await;
        assert_eq!(answer.status, 201, "{self:?}: {answer:?}");
        self.on.posted(world).pop().unwrap()
    }

    fn here(self) -> Landed {
        (self.channel.into(), self.thread.map(str::to_owned))
    }

    /// Where a message about this card is to come into: on Slack, a card outside of threads begins one.
    fn about(self, card: &PostedCard) -> Landed {
        let begun = (self.on == On::Slack).then(|| card.message.clone());
        (
            self.channel.into(),
            self.thread.map(str::to_owned).or(begun),
        )
    }

    /// The asked person's press on the first option of this card, as the platform says it: with the thread that the
    /// card is in, or without, as in updates about a message that the bot can no longer see.
    fn press(self, card: &PostedCard, names_thread: bool) -> HttpRequest {
        let thread = self.thread.filter(|_| names_thread);
        match self.on {
            On::Slack => {
                let mut payload = slack::payload(Click {
                    team_id: "T1".into(),
                    api_app_id: "A1".into(),
                    user_id: self.on.asked().into(),
                    channel_id: card.channel.clone(),
                    message_ts: card.message.clone(),
                    action_id: card.button(0),
                    value: String::new(),
                    action_ts: "1700000001.000001".into(),
                });
                if let Some(thread) = thread {
                    payload["container"]["thread_ts"] = thread.into();
                    payload["message"]["thread_ts"] = thread.into();
                }
                let body = slack::form(&payload).into_bytes();
                signed("slack-a", body, SIGNING_SECRET, unix_now())
            }
            On::Telegram => {
                let mut update = telegram::update(&TelegramClick {
                    callback_query_id: format!("c{}", card.message),
                    user_id: self.on.asked().parse().unwrap(),
                    chat_id: card.channel.parse().unwrap(),
                    message_id: card.message.parse().unwrap(),
                    data: card.button(0),
                });
                let message = &mut update["callback_query"]["message"];
                match thread {
                    Some(topic) => {
                        message["message_thread_id"] = topic.parse::<i64>().unwrap().into();
                        message["is_topic_message"] = true.into();
                    }
                    None if self.thread.is_some() => message["date"] = 0.into(),
                    // A chain of replies has a number too, and is no topic.
                    None => message["message_thread_id"] = 55.into(),
                }
                HttpRequest::post_json("/webhooks/telegram-a", &update)
                    .header("x-telegram-bot-api-secret-token", SECRET_TOKEN)
            }
            On::Discord => discord_press(card, &card.channel),
        }
    }

    async fn pressed(self, world: &World, card: &PostedCard, names_thread: bool) -> Answer {
        let answer = world.call_webhooks(self.press(card, names_thread)).await;
        assert_eq!(answer.status, 200, "{self:?}: {answer:?}");
        answer
    }
}

/// A press by the asked person in this channel, or thread.
fn discord_press(card: &PostedCard, shown_in: &str) -> HttpRequest {
    let mut interaction = discord::interaction(&DiscordClick {
        interaction_id: format!("c{}", card.message),
        guild: true,
        user_id: On::Discord.asked().into(),
        channel_id: card.channel.clone(),
        message_id: card.message.clone(),
        custom_id: card.button(0),
    });
    interaction["channel_id"] = shown_in.into();
    discord_signed(
        "discord-a",
        interaction.to_string().into_bytes(),
        unix_now(),
    )
}

/// The messages that were posted, oldest first. An edit is none.
fn landed(world: &World, on: On) -> Vec<Landed> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    let place = |message: &Value| match on {
        On::Slack => (text(&message["channel"]), text(&message["thread_ts"])),
        On::Telegram => (
            text(&message["chat"]["id"]),
            text(&message["message_thread_id"]),
        ),
        On::Discord => (text(&message["channel_id"]), None),
    };
    let messages = match on {
        On::Slack => world.slack.messages(),
        On::Telegram => world.telegram.messages(),
        On::Discord => world.discord.messages(),
    };
    let posted = messages
        .iter()
        .filter(|message| message["edit_date"].is_null());
    let placed = posted.map(place);
    placed
        .map(|(channel, thread)| (channel.unwrap(), thread))
        .collect()
}

/// The methods of the calls since the first `skipped`.
fn since(world: &World, on: On, skipped: usize) -> Vec<String> {
    let calls = on.calls(world).into_iter().skip(skipped);
    calls.map(|call| call.method).collect()
}

async fn sweep(world: &World) {
    world
        .sql("update pending_interactions set settle_at = now()")
        .await;
    world.sweep(json!({})).await.unwrap();
}

#[tokio::test]
async fn a_receipt_and_an_edit_are_where_the_card_is() {
    for at in SPOTS {
        let world = World::new().await;
        world.tenants().await;
        let card = at.asked(&world, "q-1").await;
        assert_eq!(landed(&world, at.on), [at.here()], "{at:?}");
        let answer = at.pressed(&world, &card, true).await;
        assert_eq!(
            landed(&world, at.on),
            [at.here(), at.about(&card)],
            "{at:?}"
        );
        let calls = at.on.calls(&world);
        let edit = calls
            .iter()
            .find(|call| ["chat.update", "editMessageText"].contains(&call.method.as_str()));
        let edit = edit.map_or(Value::Null, |call| call.body.clone());
        match at.on {
            On::Slack => assert_eq!(
                (&edit["channel"], &edit["ts"]),
                (&json!(at.channel), &json!(card.message))
            ),
            On::Telegram => {
                assert_eq!(edit["chat_id"].to_string(), at.channel);
                assert_eq!(edit["message_id"].to_string(), card.message);
            }
            On::Discord => assert_eq!(answer.json()["type"], 7),
        }
    }
}

#[tokio::test]
async fn a_note_about_a_late_click_is_where_the_card_is() {
    for at in SPOTS {
        let world = World::new().await;
        world.tenants().await;
        let card = at.asked(&world, "q-1").await;
        let withdrawn = world.withdraw(&at.token(&world).await, "q-1").await;
        assert_eq!(withdrawn.status, 204);
        let answer = at.pressed(&world, &card, true).await;
        let told = at.on.told(&world, &answer);
        assert!(told.contains("withdrew"), "{at:?}: {told}");
        // On the other platforms the note is the answer to the click, and so where the click was.
        if at.on == On::Slack {
            let note = world.slack.calls().pop().unwrap().body;
            assert_eq!(note["channel"], at.channel);
            assert_eq!(note["thread_ts"].as_str(), at.thread, "{at:?}");
        }
        assert_eq!(landed(&world, at.on).len(), 1, "{at:?}");
    }
}

#[tokio::test]
async fn what_the_sweep_posts_is_where_the_card_is_also_if_the_click_did_not_say_where_that_was() {
    for at in SPOTS {
        let world = World::new().await;
        world.tenants().await;
        let card = at.asked(&world, "q-1").await;
        at.on.set_mode(&world, ChatMode::Refuse);
        at.pressed(&world, &card, false).await;
        at.on.set_mode(&world, ChatMode::Up);
        assert_eq!(landed(&world, at.on).len(), 1, "{at:?}");
        if at.on == On::Telegram {
            // The reply to it would show the topic.
            world.telegram.delete(&card.message);
        }
        sweep(&world).await;
        assert_eq!(
            landed(&world, at.on),
            [at.here(), at.about(&card)],
            "{at:?}"
        );
        assert_eq!(
            world
                .value("select unsettled = '{}' from pending_interactions")
                .await,
            "t",
            "{at:?}"
        );
    }
}

#[tokio::test]
async fn a_thread_that_only_the_click_names_is_kept_for_the_sweep() {
    for at in SPOTS.into_iter().filter(|at| at.thread.is_some()) {
        let world = World::new().await;
        world.tenants().await;
        let card = at.asked(&world, "q-1").await;
        world
            .sql("update pending_interactions set card = card - 'thread'")
            .await;
        at.on.set_mode(&world, ChatMode::Refuse);
        at.pressed(&world, &card, true).await;
        at.on.set_mode(&world, ChatMode::Up);
        let kept = world
            .value(
                "select card ->> 'thread' from pending_interactions where claimed_at is not null",
            )
            .await;
        assert_eq!(Some(kept.as_str()), at.thread, "{at:?}");
        sweep(&world).await;
        assert_eq!(
            landed(&world, at.on),
            [at.here(), at.about(&card)],
            "{at:?}"
        );
    }
}

#[tokio::test]
async fn a_receipt_of_a_deleted_card_is_in_its_topic() {
    let world = World::new().await;
    world.tenants().await;
    for (id, names_thread) in [("q-1", true), ("q-2", false)] {
        let at = SPOTS[2];
        let card = at.asked(&world, id).await;
        world.telegram.delete(&card.message);
        at.pressed(&world, &card, names_thread).await;
        assert_eq!(landed(&world, at.on).pop().unwrap(), at.here(), "{id}");
    }
}

#[tokio::test]
async fn on_slack_a_replys_own_timestamp_is_no_thread() {
    let world = World::new().await;
    world.tenants().await;
    let reply = SPOTS[0].asked(&world, "q-1").await;
    let below = Spot {
        conversation: String::leak(reply.message.clone()),
        ..SPOTS[0]
    };
    // The receipt at once, by a click that does not name the thread, and the one of the sweep.
    let card = below.asked(&world, "q-2").await;
    below.pressed(&world, &card, false).await;
    let card = below.asked(&world, "q-3").await;
    world.slack.set_mode(ChatMode::Refuse);
    below.pressed(&world, &card, false).await;
    world.slack.set_mode(ChatMode::Up);
    sweep(&world).await;
    let named: Vec<Value> = world.slack.calls()[1..]
        .iter()
        .filter(|call| call.method == "chat.postMessage" && call.body["blocks"][1].is_null())
        .map(|call| call.body["thread_ts"].clone())
        .collect();
    assert!(
        named.len() >= 2 && named.iter().all(|thread| thread == PARENT),
        "{named:?}"
    );
}

#[tokio::test]
async fn a_channel_that_is_given_by_name_is_the_one_that_clicks_give_by_number() {
    let world = World::new().await;
    world.tenants().await;
    let at = spot(On::Telegram, "@releases", "@releases", None);
    let card = at.asked(&world, "q-1").await;
    at.pressed(&world, &card, true).await;
    let token = at.token(&world).await;
    let read = world.read(&token, "q-1").await.json();
    assert_eq!(read["status"], "answered");
    let number = card.channel.clone();
    assert_eq!(landed(&world, at.on).pop().unwrap(), (number, None));
}

#[tokio::test]
async fn a_card_in_an_archived_thread_is_edited_after_the_thread_was_opened() {
    let world = World::new().await;
    world.tenants().await;
    let at = SPOTS[5];
    let card = at.asked(&world, "q-1").await;
    world.discord.archive(at.channel);
    let before = world.discord.calls().len();
    let withdrawn = world.withdraw(&at.token(&world).await, "q-1").await;
    assert_eq!(withdrawn.status, 204);
    let edit = format!("PATCH /channels/777/messages/{}", card.message);
    assert_eq!(
        since(&world, at.on, before),
        [edit.as_str(), "PATCH /channels/777", edit.as_str()]
    );
    let opened = &world.discord.calls()[before + 1];
    assert_eq!(opened.body, json!({"archived": false}));
    assert_eq!(
        world.discord.calls()[before + 2].body["components"],
        json!([])
    );
}

#[tokio::test]
async fn a_click_in_a_thread_on_the_message_that_it_was_made_from_counts() {
    let world = World::new().await;
    world.tenants().await;
    let at = SPOTS[6];
    let card = at.asked(&world, "q-1").await;
    // The thread has the id of the message that it was made from.
    let press = discord_press(&card, &card.message);
    assert_eq!(world.call_webhooks(press).await.json()["type"], 7);
    let here: Vec<Landed> = vec![at.here(), at.here()];
    assert_eq!(landed(&world, at.on), here);
}
