//! Presses on buttons of the sample chats, as each platform sends and signs them.

use crate::http_client::{Reply, send};
use postern_stack::{
    Result,
    discord::{self, DiscordClick},
    slack::{self, Click, click_body},
    telegram::{self, TelegramClick},
};
use serde::Deserialize;
use std::time::{SystemTime, UNIX_EPOCH};

pub const SIGNING_SECRET: &str = "sample-slack-signing-secret";
pub const SECRET_TOKEN: &str = "sample-telegram-secret-token";
pub const DISCORD_SEED: [u8; 32] = [7; 32];

/// Which chat, and so which of acme's connections.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chat {
    #[default]
    Slack,
    Telegram,
    Discord,
}

/// A press by this user; what Postern answered.
pub async fn press(base: &str, chat: Chat, user: &str, button: &str) -> Result<Reply> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let timestamp = i64::try_from(now.as_secs())?;
    let (id, at) = (now.as_micros().to_string(), timestamp.to_string());
    match chat {
        Chat::Slack => {
            let body = click_body(Click {
                team_id: "T-ACME".into(),
                api_app_id: "A-POSTERN".into(),
                user_id: user.into(),
                channel_id: "C-DEPLOYS".into(),
                message_ts: "1700000000.0001".into(),
                action_id: button.into(),
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
                chat_id: user_id,
                message_id: 101,
                data: button.into(),
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
                channel_id: "333".into(),
                message_id: "700000000000000000".into(),
                custom_id: button.into(),
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
