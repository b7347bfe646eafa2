//! How Slack shows a card: block kit (docs.slack.dev/reference/block-kit).

use super::MAX_TEXT;
use crate::chat::card::cut;
use crate::chat::{Card, Ending, button_id};
use crate::id::Revision;
use serde_json::{Value, json};

pub(super) const MAX_LABEL: usize = 75;

/// A section with tenants' text, as plain text so that Slack reads no markup or mention in it.
pub(super) fn plain(text: &str) -> Value {
    let text = cut(text, MAX_TEXT, |_| 1);
    json!({"type": "section", "text": {"type": "plain_text", "text": text, "emoji": false}})
}

/// A context block with `mrkdwn` text.
pub(super) fn context(markup: &str) -> Value {
    json!({"type": "context", "elements": [{"type": "mrkdwn", "text": cut(markup, MAX_TEXT, |_| 1)}]})
}

/// A block that says how the card ended. The person is a mention, which needs `mrkdwn`. The answer is a tenant's
/// text and stays plain text, because `mrkdwn` reads styles, links and channels even in escaped text.
pub(super) fn outcome(ending: &Ending) -> Value {
    match ending {
        Ending::Answered { user, value } if !value.is_empty() => {
            let mut outcome = context(&format!("{} answered:", mention(user.as_str())));
            if let Some(elements) = outcome["elements"].as_array_mut() {
                let text = cut(value, MAX_TEXT, |_| 1);
                elements.push(json!({"type": "plain_text", "text": text, "emoji": false}));
            }
            outcome
        }
        Ending::Answered { .. } | Ending::Withdrawn | Ending::Expired | Ending::AskedAnew => {
            context(&ending.sentence(mention, escape))
        }
    }
}

/// The sections of the question and its arguments.
pub(super) fn texts(card: &Card) -> Vec<Value> {
    [Some(card.text.as_str()), card.detail.as_deref()]
        .into_iter()
        .flatten()
        .map(plain)
        .collect()
}

/// The blocks of a card with buttons.
pub(super) fn blocks(card: &Card, revision: &Revision) -> Value {
    let buttons: Vec<Value> = card
        .options
        .iter()
        .enumerate()
        .map(|(index, option)| {
            json!({
                "type": "button",
                "text": {"type": "plain_text", "text": cut(option, MAX_LABEL, |_| 1), "emoji": false},
                "action_id": button_id(&card.id, revision, index),
                "value": index.to_string(),
            })
        })
        .collect();
    let mut blocks = texts(card);
    let asks = format!(
        "Agent {} asks {}",
        escape(&card.agent),
        mention(card.user.as_str())
    );
    blocks.push(context(&asks));
    blocks.push(json!({"type": "actions", "block_id": format!("q:{}:{revision}", card.id), "elements": buttons}));
    blocks.into()
}

/// The person as a mention, if the id is one of Slack's.
pub(super) fn mention(user: &str) -> String {
    if !user.is_empty()
        && user
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    {
        format!("<@{user}>")
    } else {
        escape(user)
    }
}

/// Escapes the three control characters of `mrkdwn`.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
