//! How Discord shows a card: text, an embed for what does not fit into the text, and rows of buttons
//! (docs.discord.com/developers/resources/message).

use crate::chat::card::{NO_BUTTONS, named};
use crate::chat::cut::{cut, cut_escaped, split, units};
use crate::chat::{Card, Ending, button_id};
use crate::id::Revision;
use serde_json::{Value, json};

// Limits of a message, an embed and a button. Discord counts characters. UTF-16 code units are never fewer.
pub(super) const MAX_CONTENT: usize = 2000;

pub(super) const MAX_DESCRIPTION: usize = 4096;

pub(super) const MAX_LABEL: usize = 80;

pub(super) const BUTTONS_IN_A_ROW: usize = 5;

/// What begins a line of a quotation.
const QUOTE: &str = "> ";
/// The room that a card keeps for the sentence about its ending, so that the rest stays where it is.
const ENDING: usize = 480;

/// The card's buttons, five to a row.
pub(super) fn rows(card: &Card, revision: &Revision) -> Vec<Value> {
    let buttons: Vec<Value> = card
        .options
        .iter()
        .enumerate()
        .map(|(index, option)| {
            json!({"type": 2, "style": 2, "label": cut(option, MAX_LABEL, |cluster| cluster.chars().count()), "custom_id": button_id(&card.id, revision, index)})
        })
        .collect();
    buttons
        .chunks(BUTTONS_IN_A_ROW)
        .map(|row| json!({"type": 1, "components": row}))
        .collect()
}

/// The text and the embeds of a card. What fits stands in the text, because without the permission to embed links
/// Discord leaves embeds out and says nothing, and because people can turn embeds off. Markdown is escaped.
pub(super) fn message(card: &Card, ending: Option<&Ending>) -> (String, Vec<Value>) {
    let person = mention(card.user.as_str());
    let until = card.until(ending).map(|time| time.unix_timestamp());
    let until = until.map_or_else(String::new, |time| format!(", until <t:{time}:f>"));
    let asker = escape(&card.asker(ending));
    let mut content = vec![format!("{asker} {person}{until}")];
    // Nothing is escaped in a block of code, and the arguments cannot end it.
    let code = card
        .arguments
        .as_ref()
        .map(|it| format!("```json\n{}\n```\n{}", it.json, it.note()));
    let mut room = MAX_CONTENT - ENDING - units(&content[0]) - 2 - units(QUOTE);
    let (first, rest) = split(&card.question, room, |cluster| units(&quoted(cluster)));
    let mut embedded = Vec::new();
    if rest.is_empty() {
        let question = quoted(first);
        room -= units(&question);
        content.push(format!("{QUOTE}{question}"));
    } else {
        content.push(format!("{QUOTE}{}\u{2026}", quoted(first.trim_end())));
        let taken = code.as_ref().map_or(0, |code| units(code) + 2);
        let rest = cut_escaped(rest, MAX_DESCRIPTION - taken - 1, escape);
        embedded.push(format!("\u{2026}{rest}"));
        room = 0;
    }
    if let Some(code) = code {
        let fits = units(&code) + 2 <= room;
        if fits { &mut content } else { &mut embedded }.push(code);
    }
    if let Some(ending) = ending {
        let sentence = ending.sentence(mention, escape);
        content.push(cut(&sentence, ENDING - 3, units));
    }
    let embeds = if embedded.is_empty() {
        Vec::new()
    } else {
        vec![json!({"description": embedded.join("\n\n")})]
    };
    (content.join("\n\n"), embeds)
}

/// The question's text after `QUOTE`, as a quotation, so that it cannot look like another line of the card.
fn quoted(text: &str) -> String {
    escape(text).replace('\n', "\n> ")
}

/// The card as text alone.
pub(super) fn text(card: &Card) -> String {
    let most = MAX_CONTENT - units(NO_BUTTONS) - 2;
    let card = card.plain(most, None, QUOTE, mention, escape);
    format!("{card}\n\n{NO_BUTTONS}")
}

/// The message after the card has ended.
pub(super) fn edited(card: &Card, ending: &Ending) -> Value {
    let (content, embeds) = message(card, Some(ending));
    json!({
        "content": content,
        "embeds": embeds,
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
        escape(&named(user))
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
