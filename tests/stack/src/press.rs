//! Presses on buttons of the sample chats, as each platform sends and signs them.

use crate::http_client::{Reply, send};
use postern_stack::{
    Discord, PostedCard, Result, Slack, Telegram,
    discord::{self, DiscordClick},
    slack::{self, Click, click_body},
    telegram::{self, TelegramClick},
};
use serde::Deserialize;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

pub const SIGNING_SECRET: &str = "sample-slack-signing-secret";
pub const SECRET_TOKEN: &str = "sample-telegram-secret-token";
pub const DISCORD_SEED: [u8; 32] = [7; 32];

/// A chat, and with it one of acme's connections.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chat {
    #[default]
    Slack,
    Telegram,
    Discord,
}

/// Presses buttons of the cards in the sample chats.
#[derive(Clone)]
pub struct Presser {
    /// Where the webhooks function's routes are.
    pub base: String,
    pub slack: Arc<Slack>,
    pub telegram: Arc<Telegram>,
    pub discord: Arc<Discord>,
}

impl Presser {
    /// A press by this user on an option of this interaction's newest card; returns Postern's answer.
    pub async fn press(
        &self,
        chat: Chat,
        user: &str,
        interaction: &str,
        option: usize,
    ) -> Result<Reply> {
        let cards = match chat {
            Chat::Slack => self.slack.cards(),
            Chat::Telegram => self.telegram.cards(),
            Chat::Discord => self.discord.cards(),
        };
        let card = cards.iter().rfind(|card| card.shows(interaction));
        let card = card.ok_or("there is no card of this question in this chat")?;
        press(&self.base, chat, user, card, option).await
    }
}

async fn press(
    base: &str,
    chat: Chat,
    user: &str,
    card: &PostedCard,
    option: usize,
) -> Result<Reply> {
    let button = card.button(option);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let timestamp = i64::try_from(now.as_secs())?;
    let (id, at) = (now.as_micros().to_string(), timestamp.to_string());
    match chat {
        Chat::Slack => {
            let body = click_body(Click {
                team_id: "T-ACME".into(),
                api_app_id: "A-POSTERN".into(),
                user_id: user.into(),
                channel_id: card.channel.clone(),
                message_ts: card.message.clone(),
                action_id: button,
                value: String::new(),
                action_ts: format!("{timestamp}.{:06}", now.subsec_micros()),
            });
            let signature = slack::sign(SIGNING_SECRET, timestamp, body.as_bytes());
            let headers = [
                ("content-type", "application/x-www-form-urlencoded"),
                ("x-slack-request-timestamp", &at),
                ("x-slack-signature", &signature),
            ];
            send(
                "POST",
                &format!("{base}/webhooks/acme-slack"),
                &headers,
                &body,
            )
            .await
        }
        Chat::Telegram => {
            let user_id = user.parse()?;
            let click = TelegramClick {
                callback_query_id: id,
                user_id,
                chat_id: card.channel.parse()?,
                message_id: card.message.parse()?,
                data: button,
            };
            let headers = [
                ("content-type", "application/json"),
                ("x-telegram-bot-api-secret-token", SECRET_TOKEN),
            ];
            let body = telegram::update(&click).to_string();
            send(
                "POST",
                &format!("{base}/webhooks/acme-telegram"),
                &headers,
                &body,
            )
            .await
        }
        Chat::Discord => {
            let click = DiscordClick {
                interaction_id: id,
                guild: true,
                user_id: user.into(),
                channel_id: card.channel.clone(),
                message_id: card.message.clone(),
                custom_id: button,
            };
            let body = discord::interaction(&click).to_string();
            let signature = discord::sign(&DISCORD_SEED, timestamp, body.as_bytes())?;
            let headers = [
                ("content-type", "application/json"),
                ("x-signature-timestamp", &at),
                ("x-signature-ed25519", &signature),
            ];
            send(
                "POST",
                &format!("{base}/webhooks/acme-discord"),
                &headers,
                &body,
            )
            .await
        }
    }
}
