//! Plays a case: asks, clicks and withdraws while one call meets the error.

use super::cases::{Case, kind};
use crate::questions::platforms::On;
use crate::world::{
    Answer, SECRET_TOKEN, SIGNING_SECRET, World, discord_signed, question, signed, unix_now,
};
use futures_util::{StreamExt, stream};
use postern::chat::{Means, Purpose};
use postern_stack::{
    ChatCall, Failure, HttpRequest, Kind, PostedCard,
    discord::DiscordClick,
    slack::{Click, click_body},
    telegram::TelegramClick,
};
use serde_json::json;

/// How many cases are played at once.
const AT_ONCE: usize = 48;

/// A world for many cases at once.
pub async fn world() -> World {
    let world = World::with_env(&[
        ("AWS_LAMBDA_MAX_CONCURRENCY", "64"),
        ("DATABASE_POOL_MAX", "8"),
    ])
    .await;
    world.tenants().await;
    world
}

/// Plays the cases. All of them go as expected.
pub async fn play_all(
    world: &World,
    cases: &[Case],
    play: impl AsyncFn(&World, &Case) -> Result<(), String>,
) {
    none(&wrong(world, cases, play).await);
}

/// There are none.
pub fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// Plays the cases, and says which did not go as expected.
pub async fn wrong(
    world: &World,
    cases: &[Case],
    play: impl AsyncFn(&World, &Case) -> Result<(), String>,
) -> Vec<String> {
    for on in [On::Slack, On::Telegram, On::Discord] {
        let name = on.name();
        let numbers = cases.iter().filter(|case| case.on == on);
        let numbers = numbers.map(|case| case.number).max();
        let Some(last) = numbers else { continue };
        world
            .sql(&format!(
                "insert into connections (id, organization_id, platform, secret_ref, config)
                 select '{name}-' || n || '-a', organization_id, platform, secret_ref, config
                 from connections, generate_series(0, {last}) n where id = '{name}-a'"
            ))
            .await;
    }
    let played = stream::iter(cases).map(async |case| {
        let result = play(world, case).await;
        result.map_err(|why| format!("{:?} {} {:?}: {why}", case.on, case.error, case.call))
    });
    let played: Vec<_> = played.buffer_unordered(AT_ONCE).collect().await;
    played.into_iter().filter_map(Result::err).collect()
}

/// A case that is being played.
pub struct Playing<'a> {
    pub world: &'a World,
    pub case: &'a Case,
    pub token: String,
}

impl<'a> Playing<'a> {
    pub async fn begin(world: &'a World, case: &'a Case) -> Self {
        let claims = json!({"connection_id": case.connection(), "user_id": case.on.asked(),
            "channel_id": case.channel(), "conversation_id": case.conversation()});
        let token = world.token("a", "agent-a", claims).await;
        Self { world, case, token }
    }

    pub async fn ask(&self) -> Answer {
        self.world
            .ask(&self.token, &question(&self.case.id()))
            .await
    }

    pub async fn withdraw(&self) -> u64 {
        let id = self.case.id();
        self.world.withdraw(&self.token, &id).await.status
    }

    /// The interaction as the agent reads it: its status, or the code of the error.
    pub async fn status(&self) -> String {
        let read = self.world.read(&self.token, &self.case.id()).await;
        match read.json()["status"].as_str() {
            Some(status) => status.to_owned(),
            None => read.code(),
        }
    }

    pub fn fail(&self, failure: Failure) {
        match self.case.on {
            On::Slack => self.world.slack.fail(failure),
            On::Telegram => self.world.telegram.fail(failure),
            On::Discord => self.world.discord.fail(failure),
        }
    }

    /// The case's call meets the case's error, in the way that this error has.
    pub fn fail_as_the_platform_does(&self) {
        let case = self.case;
        let failure = Failure::of(case.error, &case.channel(), kind(case.call));
        self.fail(match case.row.means() {
            Means::Wait(_) | Means::Doubtful => Failure {
                after: self.delay(),
                ..failure.created(case.created)
            },
            Means::NoThread | Means::NoReference | Means::NoEntities => Failure {
                having: case.member(),
                ..failure.always()
            },
            Means::Moved => Failure {
                chat: Some(case.supergroup()),
                ..failure.always()
            },
            Means::Reopen => {
                self.world.discord.archive(&case.channel());
                return;
            }
            Means::Done | Means::Never => failure.always(),
        });
    }

    /// A delay that the platform asks for, where its error comes with one. It is as short as the platform can say.
    fn delay(&self) -> Option<f64> {
        match (self.case.on, self.case.error) {
            (On::Slack, "ratelimited") => Some(1.0),
            (On::Telegram, error) if error.starts_with("Too Many") => Some(1.0),
            (On::Discord, "1015") => Some(1.0),
            (On::Discord, _) => Some(0.2),
            (On::Slack | On::Telegram, _) => None,
        }
    }

    /// A card is refused for a reason that concerns cards alone, so that plain text follows.
    pub fn refuse_the_card(&self) {
        let error = match self.case.on {
            On::Slack => "invalid_blocks",
            On::Telegram => "Bad Request: BUTTON_DATA_INVALID",
            On::Discord => "50035",
        };
        self.fail(Failure::of(error, &self.case.channel(), Kind::Card).always());
    }

    /// The case's calls, oldest first.
    pub fn calls(&self) -> Vec<ChatCall> {
        let channel = self.case.channel();
        let moved = self.case.supergroup().to_string();
        let mut calls = self.case.on.calls(self.world);
        calls.retain(|call| call.channel == channel || call.channel == moved);
        calls
    }

    pub fn calls_of(&self, kind: Kind) -> Vec<ChatCall> {
        let calls = self.calls().into_iter();
        calls.filter(|call| call.kind == kind).collect()
    }

    /// The cards that people see.
    pub fn cards(&self) -> Vec<PostedCard> {
        let mut cards = self.case.on.posted(self.world);
        cards.retain(|card| card.shows(&self.case.id()));
        cards.dedup();
        cards
    }

    /// The asked person presses an option of this card.
    pub async fn click(&self, card: &PostedCard, option: usize) -> Answer {
        let connection = self.case.connection();
        let user = self.case.on.asked();
        let key = format!("{}{option}{}", self.case.number, card.message);
        let button = card.button(option);
        let request = match self.case.on {
            On::Slack => {
                let body = click_body(Click {
                    team_id: "T1".into(),
                    api_app_id: "A1".into(),
                    user_id: user.into(),
                    channel_id: card.channel.clone(),
                    message_ts: card.message.clone(),
                    action_id: button,
                    value: String::new(),
                    action_ts: key,
                });
                signed(&connection, body.into_bytes(), SIGNING_SECRET, unix_now())
            }
            On::Telegram => {
                let update = postern_stack::telegram::update(&TelegramClick {
                    callback_query_id: key,
                    user_id: user.parse().unwrap(),
                    chat_id: card.channel.parse().unwrap(),
                    message_id: card.message.parse().unwrap(),
                    data: button,
                });
                HttpRequest::post_json(&format!("/webhooks/{connection}"), &update)
                    .header("x-telegram-bot-api-secret-token", SECRET_TOKEN)
            }
            On::Discord => {
                let interaction = postern_stack::discord::interaction(&DiscordClick {
                    interaction_id: key,
                    guild: true,
                    user_id: user.into(),
                    channel_id: card.channel.clone(),
                    message_id: card.message.clone(),
                    custom_id: button,
                });
                let body = interaction.to_string().into_bytes();
                discord_signed(&connection, body, unix_now())
            }
        };
        self.world.call_webhooks(request).await
    }

    /// Asks, clicks or withdraws, whichever makes the case's call. Before that everything goes well. Returns the
    /// answer to the agent or to the platform.
    pub async fn play(&self) -> Result<Answer, String> {
        match self.case.call {
            Purpose::Card => {
                self.fail_as_the_platform_does();
                return Ok(self.ask().await);
            }
            Purpose::Text => {
                self.refuse_the_card();
                self.fail_as_the_platform_does();
                return Ok(self.ask().await);
            }
            _ => {}
        }
        let asked = self.ask().await;
        super::expected::is(asked.status, 201, "asking")?;
        let card = self.cards().pop().ok_or("no card")?;
        match self.case.call {
            Purpose::Receipt => {
                self.fail_as_the_platform_does();
                Ok(self.click(&card, 0).await)
            }
            Purpose::Note => {
                super::expected::is(self.withdraw().await, 204, "withdrawing")?;
                self.fail_as_the_platform_does();
                Ok(self.click(&card, 0).await)
            }
            Purpose::Reopen => {
                self.world.discord.archive(&self.case.channel());
                self.fail_as_the_platform_does();
                super::expected::is(self.withdraw().await, 204, "withdrawing")?;
                Ok(asked)
            }
            _ => {
                self.fail_as_the_platform_does();
                super::expected::is(self.withdraw().await, 204, "withdrawing")?;
                Ok(asked)
            }
        }
    }
}
