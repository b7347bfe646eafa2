//! How Slack shows a card: block kit (docs.slack.dev/reference/block-kit). Text of tenants is in plain text and in
//! preformatted text alone, where Slack reads no markup and no mention.

use super::MAX_TEXT;
use crate::chat::card::{NO_BUTTONS, named, utc};
use crate::chat::cut::{cut, split, units};
use crate::chat::{Card, Ending, button_id};
use crate::id::Revision;
use serde_json::{Value, json};
use time::OffsetDateTime;

pub(super) const MAX_LABEL: usize = 75;

/// Maximum length of a message's text. Slack refuses an edit whose text is longer, as `msg_too_long`.
pub(super) const MAX_FALLBACK: usize = 4000;

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": cut(text, MAX_TEXT, units), "emoji": false})
}

fn markup(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": cut(text, MAX_TEXT, units)})
}

fn context(elements: &[Value]) -> Value {
    json!({"type": "context", "elements": elements})
}

/// A block that says how the card ended. The person is a mention, which needs `mrkdwn`. The answer is a tenant's
/// text and stays plain text, because `mrkdwn` reads styles, links and channels even in escaped text.
pub(super) fn outcome(ending: &Ending) -> Value {
    match ending {
        Ending::Answered { user, value } if !value.is_empty() => context(&[
            markup(&format!("{} answered:", mention(user.as_str()))),
            plain(value),
        ]),
        Ending::Answered { .. }
        | Ending::Withdrawn
        | Ending::Expired
        | Ending::AskedAnew
        | Ending::Over => context(&[markup(&ending.sentence(mention, escape))]),
    }
}

/// Who asks, the question and its arguments. Slack folds a long section by itself. An edit must keep the block of the
/// arguments, because Slack refuses to replace rich text with other blocks (`block_mismatch`).
pub(super) fn texts(card: &Card, ending: Option<&Ending>) -> Vec<Value> {
    let person = mention(card.user.as_str());
    let until = card.until(ending).map(date);
    let until = until.map_or_else(String::new, |date| format!(", until {date}"));
    let mut blocks = vec![context(&[
        plain(&card.asker(ending)),
        markup(&format!("{person}{until}")),
    ])];
    // Slack does not say how it counts. What is too long by the strict count goes on in a second section.
    let (first, rest) = split(&card.question, MAX_TEXT, units);
    for text in [first, rest] {
        if !text.is_empty() {
            blocks.push(json!({"type": "section", "text": plain(text)}));
        }
    }
    if let Some(arguments) = &card.arguments {
        let text = json!({"type": "text", "text": arguments.json});
        let code = json!({"type": "rich_text_preformatted", "elements": [text]});
        blocks.push(json!({"type": "rich_text", "elements": [code]}));
        blocks.push(context(&[plain(&arguments.note())]));
    }
    blocks
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
                "text": {"type": "plain_text", "text": cut(option, MAX_LABEL, units), "emoji": false},
                "action_id": button_id(&card.id, revision, index),
                "value": index.to_string(),
            })
        })
        .collect();
    let mut blocks = texts(card, None);
    blocks.push(json!({"type": "actions", "block_id": format!("q:{}:{revision}", card.id), "elements": buttons}));
    blocks.into()
}

/// The card as text alone. Screen readers and notifications read it instead of the blocks, so it holds everything.
pub(super) fn text(card: &Card, ending: Option<&Ending>) -> String {
    card.plain(MAX_FALLBACK, ending, QUOTE, mention, escape)
}

/// The card as text alone.
pub(super) fn text_alone(card: &Card) -> String {
    let most = MAX_FALLBACK - units(NO_BUTTONS) - 2;
    let card = card.plain(most, None, QUOTE, mention, escape);
    format!("{card}\n\n{NO_BUTTONS}")
}

/// What begins a line of a quotation, escaped.
const QUOTE: &str = "&gt; ";

/// A time in the reader's zone (docs.slack.dev/messaging/formatting-message-text#date-formatting).
fn date(time: OffsetDateTime) -> String {
    let (seconds, fallback) = (time.unix_timestamp(), utc(time));
    format!("<!date^{seconds}^{{date_short_pretty}} {{time}}|{fallback}>")
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
        escape(&named(user))
    }
}

/// Escapes the three control characters of `mrkdwn`.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
