//! The three sample chats behind one face: who is asked on each, where its cards are, and how one is
//! pressed.

use crate::support::{
    Answer, SECRET_TOKEN, SIGNING_SECRET, World, discord_signed, signed, unix_now,
};
use postern_stack::{
    ChatCall, ChatMode, HttpRequest,
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

    /// Who is asked.
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

    /// The token of organization a's agent that talks to the person who is asked here.
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

    /// The ids of the messages with buttons, oldest first. Slack's and Telegram's are those that the
    /// sample gives when it is up.
    pub fn cards(self, world: &World) -> Vec<String> {
        if self == Self::Discord {
            let messages = world.discord.messages();
            let cards = messages.iter().filter(|one| one["components"].is_array());
            return cards
                .map(|one| one["id"].as_str().unwrap().to_owned())
                .collect();
        }
        let numbered = (1..).zip(self.calls(world));
        numbered
            .filter_map(|(n, call)| match call.method.as_str() {
                "chat.postMessage" if call.body["blocks"].to_string().contains("question:") => {
                    Some(format!("1700000000.{n:06}"))
                }
                "sendMessage" if call.body["reply_markup"].is_object() => {
                    Some((100 + n).to_string())
                }
                _ => None,
            })
            .collect()
    }

    pub fn last_card(self, world: &World) -> String {
        self.cards(world).pop().unwrap()
    }

    /// A press by this user on a button of this message; `click` is what the platform calls it.
    pub fn press(self, user: &str, message: &str, button: &str, click: &str) -> HttpRequest {
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

    /// What the clicker alone was told; nothing where the click learnt nothing.
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
