//! One interface to the three sample chats: whom each asks, where its cards are, how a button is pressed.

use crate::world::{
    Answer, Posted, SECRET_TOKEN, SIGNING_SECRET, World, discord_signed, signed, unix_now,
};
use postern_stack::{
    ChatCall, ChatMode, HttpRequest, PostedCard,
    discord::{self, DiscordClick},
    slack::{Click, click_body},
    telegram::{self, TelegramClick},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Slack,
    Telegram,
    Discord,
}

pub const EVERYWHERE: [On; 3] = [On::Slack, On::Telegram, On::Discord];

impl On {
    pub fn name(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Telegram => "telegram",
            Self::Discord => "discord",
        }
    }

    /// The person who is asked.
    pub fn asked(self) -> &'static str {
        match self {
            Self::Slack => "U1",
            Self::Telegram => "111",
            Self::Discord => "222",
        }
    }

    /// Somebody else.
    pub fn stranger(self) -> &'static str {
        match self {
            Self::Slack => "U2",
            Self::Telegram => "112",
            Self::Discord => "223",
        }
    }

    fn channel(self) -> &'static str {
        match self {
            Self::Slack => "C1",
            Self::Telegram => "111",
            Self::Discord => "333",
        }
    }

    /// A token of organization a's agent, in a conversation with the asked person.
    pub async fn token(self, world: &World) -> String {
        world
            .talking(self.name(), self.asked(), self.channel())
            .await
    }

    pub fn set_mode(self, world: &World, mode: ChatMode) {
        match self {
            Self::Slack => world.slack.set_mode(mode),
            Self::Telegram => world.telegram.set_mode(mode),
            Self::Discord => world.discord.set_mode(mode),
        }
    }

    pub fn calls(self, world: &World) -> Vec<ChatCall> {
        match self {
            Self::Slack => world.slack.calls(),
            Self::Telegram => world.telegram.calls(),
            Self::Discord => world.discord.calls(),
        }
    }

    pub fn posted(self, world: &World) -> Vec<PostedCard> {
        match self {
            Self::Slack => world.slack.cards(),
            Self::Telegram => world.telegram.cards(),
            Self::Discord => world.discord.cards(),
        }
    }

    /// The ids of the messages with buttons, oldest first.
    pub fn cards(self, world: &World) -> Vec<String> {
        let cards = self.posted(world).into_iter();
        cards.map(|card| card.message).collect()
    }

    pub fn last_card(self, world: &World) -> String {
        self.cards(world).pop().unwrap()
    }

    /// A press by this user on an option of the interaction's newest card; `click` is the platform's id of
    /// the press.
    pub fn press_newest(self, world: &World, user: &str, option: &str, click: &str) -> HttpRequest {
        let posted = Posted::on("a", &self.posted(world), None);
        let (card, _) = posted.pressed(option, self.channel(), "77");
        self.press(world, user, &card.message, option, click)
    }

    /// A press by this user on an option of this message, which may be an older card of the interaction;
    /// `option` is as in `Press`, and `click` is the platform's id of the press.
    pub fn press(
        self,
        world: &World,
        user: &str,
        message: &str,
        option: &str,
        click: &str,
    ) -> HttpRequest {
        let posted = Posted::on("a", &self.posted(world), Some(message));
        let (_, button) = posted.pressed(option, self.channel(), message);
        let button = button.as_str();
        match self {
            Self::Slack => {
                let body = click_body(Click {
                    team_id: "T1".into(),
                    api_app_id: "A1".into(),
                    user_id: user.into(),
                    channel_id: self.channel().into(),
                    message_ts: message.into(),
                    action_id: button.into(),
                    value: String::new(),
                    action_ts: click.into(),
                });
                signed("slack-a", body.into_bytes(), SIGNING_SECRET, unix_now())
            }
            Self::Telegram => {
                let click = TelegramClick {
                    callback_query_id: click.into(),
                    user_id: user.parse().unwrap(),
                    chat_id: self.channel().parse().unwrap(),
                    message_id: message.parse().unwrap(),
                    data: button.into(),
                };
                HttpRequest::post_json("/webhooks/telegram-a", &telegram::update(&click))
                    .header("x-telegram-bot-api-secret-token", SECRET_TOKEN)
            }
            Self::Discord => {
                let click = DiscordClick {
                    interaction_id: click.into(),
                    guild: true,
                    user_id: user.into(),
                    channel_id: self.channel().into(),
                    message_id: message.into(),
                    custom_id: button.into(),
                };
                let body = discord::interaction(&click).to_string().into_bytes();
                discord_signed("discord-a", body, unix_now())
            }
        }
    }

    /// The note that only the clicker sees; empty if there is none.
    pub fn told(self, world: &World, answer: &Answer) -> String {
        assert_eq!(answer.status, 200, "{answer:?}");
        let (json, last) = (answer.json(), self.calls(world).pop());
        let text = match self {
            Self::Slack => match last {
                Some(call) if call.method == "chat.postEphemeral" => call.body["text"].clone(),
                _ => answer.text().into(),
            },
            Self::Telegram => {
                assert_eq!(json["method"], "answerCallbackQuery");
                json["text"].clone()
            }
            Self::Discord if json["type"] == 4 => {
                assert_eq!(json["data"]["flags"], 64, "everybody sees it");
                json["data"]["content"].clone()
            }
            Self::Discord => {
                assert_eq!(json, serde_json::json!({"type": 6}));
                serde_json::Value::Null
            }
        };
        text.as_str().unwrap_or_default().to_owned()
    }
}
