//! How Discord shows a card: an embed and rows of buttons (docs.discord.com/developers/resources/message).

use crate::chat::card::cut;
use crate::chat::{Card, Ending, button_id};
use crate::id::Revision;
use serde_json::{Value, json};

// Limits of a message, an embed and a button, in characters.
pub(super) const MAX_CONTENT: usize = 2000;

pub(super) const MAX_DESCRIPTION: usize = 4096;

pub(super) const MAX_LABEL: usize = 80;

pub(super) const BUTTONS_IN_A_ROW: usize = 5;

/// The card's buttons, five to a row.
pub(super) fn rows(card: &Card, revision: &Revision) -> Vec<Value> {
    let buttons: Vec<Value> = card
        .options
        .iter()
        .enumerate()
        .map(|(index, option)| {
            json!({"type": 2, "style": 2, "label": cut(option, MAX_LABEL, |_| 1), "custom_id": button_id(&card.id, revision, index)})
        })
        .collect();
    buttons
        .chunks(BUTTONS_IN_A_ROW)
        .map(|row| json!({"type": 1, "components": row}))
        .collect()
}

/// The card's text in an embed, where mentions notify nobody. Markup is escaped.
pub(super) fn embed(card: &Card, ending: Option<&Ending>) -> Value {
    let ending = ending.map_or_else(String::new, |ending| {
        let sentence = ending.sentence(mention, escape);
        format!("\n\n{}", cut(&sentence, 400, |_| 1))
    });
    let text = match &card.detail {
        Some(detail) => format!("{}\n\n{detail}", card.text),
        None => card.text.clone(),
    };
    let text = escape(text.trim_end());
    let room = MAX_DESCRIPTION - ending.chars().count();
    json!({"description": format!("{}{ending}", cut(&text, room, |_| 1))})
}

/// The message after the card has ended.
pub(super) fn edited(card: &Card, ending: &Ending) -> Value {
    json!({
        "content": "",
        "embeds": [embed(card, Some(ending))],
        "components": [],
        "allowed_mentions": {"parse": []},
    })
}

/// Allows only the person who is asked to be mentioned.
pub(super) fn mentions(user: &str) -> Value {
    if is_snowflake(user) {
        json!({"parse": [], "users": [user]})
    } else {
        json!({"parse": []})
    }
}

/// The person as a mention, if the id is one of Discord's.
pub(super) fn mention(user: &str) -> String {
    if is_snowflake(user) {
        format!("<@{user}>")
    } else {
        escape(user)
    }
}

/// Whether the text has the form of Discord's ids.
pub(super) fn is_snowflake(id: &str) -> bool {
    (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// Escapes Discord's Markdown, and characters that begin a mention or a link.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(
            c,
            '\\' | '*'
                | '_'
                | '~'
                | '`'
                | '|'
                | '>'
                | '<'
                | '#'
                | '-'
                | '['
                | ']'
                | '('
                | ')'
                | '@'
                | ':'
        ) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
