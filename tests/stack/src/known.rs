//! What a sample chat knows of its bots and channels, and which messages stand in it.

use crate::chat::{ChatMode, State};
use serde_json::{Value, json};

/// What a sample chat knows. By default it takes any bot and any channel, and refuses nothing.
#[derive(Debug, Clone)]
pub struct Known {
    /// The tokens of its bots; `None` for any token of the platform's form.
    pub tokens: Option<Vec<String>>,
    /// Its channels; `None` for any.
    pub channels: Option<Vec<String>>,
    /// Channels that exist, and that no bot is in.
    pub foreign: Vec<String>,
    /// The scopes of the app, on Slack.
    pub scopes: String,
    /// What the platform tells of a bot: `auth.test`, `getWebhookInfo`, or `/applications/@me`.
    pub about: Value,
    /// Whether embeds are shown, on Discord.
    pub embeds: bool,
    /// Whether a bot may delete its messages.
    pub deletes: bool,
    /// Whether there is any thread or topic.
    pub threads: bool,
    /// A part of a method's name, and how the sample behaves for that method alone.
    pub at: Option<(&'static str, ChatMode)>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            tokens: None,
            channels: None,
            foreign: Vec::new(),
            scopes: "chat:write".into(),
            about: json!({}),
            embeds: true,
            deletes: true,
            threads: true,
            at: None,
        }
    }
}

/// Where a message stands: its channel and its id.
pub type Standing = (String, String);

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Token,
    UnknownChannel,
    NotInChannel,
}

impl Known {
    /// Why a call of this bot about this channel is refused, if it is.
    pub(crate) fn refuses(&self, token: &str, channel: Option<&str>) -> Option<Refusal> {
        let holds = |list: &Option<Vec<String>>, one: &str| {
            list.as_ref()
                .is_none_or(|list| list.iter().any(|own| own == one))
        };
        if !holds(&self.tokens, token) {
            return Some(Refusal::Token);
        }
        let channel = channel?;
        if self.foreign.iter().any(|own| own == channel) {
            return Some(Refusal::NotInChannel);
        }
        (!holds(&self.channels, channel)).then_some(Refusal::UnknownChannel)
    }

    /// How the sample behaves for this method, if in a way of its own.
    pub(crate) fn mode(&self, method: &str) -> Option<ChatMode> {
        let own = self.at.filter(|(part, _)| method.contains(part));
        own.map(|(_, mode)| mode)
    }

    /// An object with what is told of a bot.
    pub(crate) fn told(&self, mut usual: Value) -> Value {
        if let (Some(usual), Value::Object(about)) = (usual.as_object_mut(), &self.about) {
            usual.extend(about.clone());
        }
        usual
    }
}

impl State {
    /// Notes a message that the answer says was created.
    pub(crate) fn stands(&mut self, at: Option<Standing>, status: u16, answer: &Value) {
        let created = status == 200 && answer["ok"] != false;
        self.standing.extend(at.filter(|_| created));
    }

    /// Deletes a message. Returns whether it stood.
    pub(crate) fn takes_back(&mut self, channel: &str, message: &str) -> bool {
        let before = self.standing.len();
        self.standing
            .retain(|(own, id)| (own.as_str(), id.as_str()) != (channel, message));
        self.standing.len() < before
    }
}

/// An id that is a text or a number.
pub(crate) fn id(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
