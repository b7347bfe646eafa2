//! Clicks in the sample chats, signed as each platform signs them.

use super::World;
use postern_stack::{
    HttpRequest, PostedCard,
    discord::{self, DiscordClick},
    slack::{Click, click_body, sign},
    telegram::{self, TelegramClick},
};
use std::time::{SystemTime, UNIX_EPOCH};

pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub const SECRET_TOKEN: &str = "Telegram_secret-token";
pub const DISCORD_SEED: [u8; 32] = [7; 32];

/// Somebody's click in the sample Slack. It is on an option of the interaction's newest card, unless it
/// names a message or a button.
#[derive(Clone)]
pub struct Press<'a> {
    pub user: &'a str,
    /// `{interaction}:{index of the option}`, or the id of a button exactly as it is sent.
    pub option: &'a str,
    pub action_ts: &'a str,
    pub team: &'a str,
    /// The clicked message, if it is not the newest card's.
    pub message: Option<&'a str>,
}

impl Press<'_> {
    pub fn body(&self, connection: &str, cards: &[PostedCard]) -> String {
        let posted = Posted::on(connection, cards, self.message);
        let (card, button) = posted.pressed(self.option, "C1", "1700000000.0001");
        click_body(Click {
            team_id: self.team.into(),
            api_app_id: "A1".into(),
            user_id: self.user.into(),
            channel_id: card.channel,
            message_ts: self.message.map_or(card.message, str::to_owned),
            action_id: button,
            value: "what the click says is ignored".into(),
            action_ts: self.action_ts.into(),
        })
    }

    pub fn request(&self, connection: &str, cards: &[PostedCard]) -> HttpRequest {
        signed(
            connection,
            self.body(connection, cards).into_bytes(),
            SIGNING_SECRET,
            unix_now(),
        )
    }
}

/// The cards that a press may be for.
pub struct Posted(Vec<PostedCard>);

impl Posted {
    /// The cards of the connection's own bot, and of those the ones on this message. A step that would leave
    /// no card is skipped.
    pub fn on(connection: &str, cards: &[PostedCard], message: Option<&str>) -> Self {
        let org = connection.rsplit('-').next().unwrap_or_default();
        let own = |card: &&PostedCard| card.token.ends_with(org);
        let here = |card: &&PostedCard| message.is_some_and(|message| card.message == message);
        let mut found: Vec<&PostedCard> = cards.iter().collect();
        if found.iter().any(&own) {
            found.retain(&own);
        }
        if found.iter().any(&here) {
            found.retain(&here);
        }
        Self(found.into_iter().cloned().collect())
    }

    /// The newest card of the option's interaction, and the option's button. If no such card was posted: the
    /// option itself as a button, on this message.
    pub fn pressed(&self, option: &str, channel: &str, message: &str) -> (PostedCard, String) {
        let parsed = option.rsplit_once(':');
        let parsed = parsed.and_then(|(id, index)| Some((id, index.parse::<usize>().ok()?)));
        if let Some((id, index)) = parsed
            && let Some(card) = self.0.iter().rfind(|card| card.shows(id))
        {
            return (card.clone(), card.button(index));
        }
        let nowhere = PostedCard {
            token: String::new(),
            channel: channel.into(),
            message: message.into(),
            buttons: Vec::new(),
        };
        (nowhere, option.into())
    }
}

pub fn press<'a>(user: &'a str, option: &'a str) -> Press<'a> {
    Press {
        user,
        option,
        action_ts: "1700000001.000001",
        team: "T1",
        message: None,
    }
}

pub fn signed(connection: &str, body: Vec<u8>, secret: &str, at: i64) -> HttpRequest {
    HttpRequest::new("POST", &format!("/webhooks/{connection}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-slack-request-timestamp", &at.to_string())
        .header("x-slack-signature", &sign(secret, at, &body))
        .body(body)
}

impl World {
    /// A press in the sample Telegram, as it reaches a connection; `option` is as in `Press`.
    pub fn telegram_press(
        &self,
        connection: &str,
        user: i64,
        option: &str,
        query: &str,
    ) -> HttpRequest {
        let chat = user.to_string();
        let posted = Posted::on(connection, &self.telegram.cards(), None);
        let (card, data) = posted.pressed(option, &chat, "9");
        let click = TelegramClick {
            callback_query_id: query.into(),
            user_id: user,
            chat_id: card.channel.parse().unwrap(),
            message_id: card.message.parse().unwrap(),
            data,
        };
        let update = telegram::update(&click);
        HttpRequest::post_json(&format!("/webhooks/{connection}"), &update)
            .header("x-telegram-bot-api-secret-token", SECRET_TOKEN)
    }

    /// A press in the sample Discord, as it reaches a connection; `option` is as in `Press`.
    pub fn discord_press(
        &self,
        connection: &str,
        user: &str,
        option: &str,
        id: &str,
    ) -> HttpRequest {
        let posted = Posted::on(connection, &self.discord.cards(), None);
        let (card, custom_id) = posted.pressed(option, "333", "444");
        let click = DiscordClick {
            interaction_id: id.into(),
            guild: true,
            user_id: user.into(),
            channel_id: card.channel,
            message_id: card.message,
            custom_id,
        };
        let body = discord::interaction(&click).to_string().into_bytes();
        discord_signed(connection, body, unix_now())
    }
}

pub fn discord_signed(connection: &str, body: Vec<u8>, at: i64) -> HttpRequest {
    HttpRequest::new("POST", &format!("/webhooks/{connection}"))
        .header("content-type", "application/json")
        .header("x-signature-timestamp", &at.to_string())
        .header(
            "x-signature-ed25519",
            &discord::sign(&DISCORD_SEED, at, &body).unwrap(),
        )
        .body(body)
}

pub fn unix_now() -> i64 {
    i64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap()
}
