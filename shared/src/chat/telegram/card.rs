//! How Telegram shows a card: text with entities, and an inline keyboard (core.telegram.org/bots/api). It sets no parse
//! mode, so Telegram reads no markup in the text.

use crate::chat::card::{NO_BUTTONS, named, utc};
use crate::chat::cut::{cut, units};
use crate::chat::{Card, Ending, button_id};
use crate::id::Revision;
use crate::question::CardAddress;
use serde_json::{Value, json};

/// Maximum length of a message's text, in UTF-16 code units.
pub(super) const MAX_TEXT: usize = 4096;

/// Maximum length of a button's label, in UTF-16 code units. Telegram documents no limit, but its apps cut longer
/// labels.
pub(super) const MAX_LABEL: usize = 64;

/// Maximum length of a sentence about the ending, in UTF-16 code units. A card keeps room for it.
const MAX_ENDING: usize = 400;

/// A question that is longer, in UTF-16 code units or in lines, is folded.
const FOLDED: (usize, usize) = (500, 8);

/// What stands at the end of a card's text.
#[derive(Clone, Copy)]
pub(super) enum Last<'a> {
    /// Nothing: the options are buttons.
    Buttons,
    /// The options as a list.
    Options,
    /// How the card ended.
    Ending(&'a Ending),
}

/// Text with entities, whose places are counted in UTF-16 code units.
#[derive(Default)]
struct Text {
    text: String,
    units: usize,
    entities: Vec<Value>,
}

impl Text {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.units += units(text);
    }

    /// Adds text that is an entity of this kind.
    fn push_as(&mut self, text: &str, mut entity: Value) {
        entity["offset"] = self.units.into();
        entity["length"] = units(text).into();
        self.entities.push(entity);
        self.push(text);
    }

    fn write(self, message: &mut Value) {
        message["text"] = self.text.into();
        if !self.entities.is_empty() {
            message["entities"] = self.entities.into();
        }
        message["link_preview_options"] = json!({"is_disabled": true});
    }
}

/// Sets the message's text to this one, without entities.
pub(super) fn write(message: &mut Value, text: &str) {
    let mut plain = Text::default();
    plain.push(&cut(text, MAX_TEXT, units));
    plain.write(message);
}

/// Sets the message's text to the card: who asks, the question and its arguments.
pub(super) fn write_card(message: &mut Value, card: &Card, last: Last<'_>) {
    let ending = match last {
        Last::Ending(ending) => Some(ending),
        Last::Buttons | Last::Options => None,
    };
    let mut text = Text::default();
    text.push(&format!("{} ", card.asker(ending)));
    let user = card.user.as_str();
    if user.len() <= 20 && user.bytes().all(|byte| byte.is_ascii_digit()) {
        let link = json!({"type": "text_link", "url": format!("tg://user?id={user}")});
        text.push_as(user, link);
    } else {
        text.push(&person(user));
    }
    if let Some(until) = card.until(ending) {
        text.push(&format!(", until {}", utc(until)));
    }
    let last = match last {
        // Labels that are cut could look the same.
        Last::Buttons if card.options.iter().any(|it| units(it) > MAX_LABEL) => {
            format!("\n\n{}", card.listed(MAX_TEXT / 2, str::to_owned))
        }
        Last::Buttons => String::new(),
        Last::Options => format!(
            "\n\n{}\n\n{NO_BUTTONS}",
            card.listed(MAX_TEXT / 2, str::to_owned)
        ),
        Last::Ending(ending) => format!("\n\n{}", sentence(ending)),
    };
    let arguments = card.arguments.as_ref().map(|it| (&it.json, it.note()));
    let length = |(json, note): &(&String, String)| units(json) + units(note) + 3;
    let others = text.units + arguments.as_ref().map_or(0, length) + units(&last).max(MAX_ENDING);
    let question = cut(&card.question, MAX_TEXT.saturating_sub(others + 2), units);
    text.push("\n\n");
    // A quotation, so that the question cannot look like another line of the card.
    let is_long = units(&question) > FOLDED.0 || question.lines().count() > FOLDED.1;
    let quotation = if is_long {
        "expandable_blockquote"
    } else {
        "blockquote"
    };
    text.push_as(&question, json!({"type": quotation}));
    if let Some((json, note)) = arguments {
        text.push("\n\n");
        text.push_as(json, json!({"type": "pre", "language": "json"}));
        text.push(&format!("\n{note}"));
    }
    text.push(&last);
    text.write(message);
}

/// The message after the card has ended: without buttons, and with a sentence about the ending.
pub(super) fn edited(at: &CardAddress, card: &Card, ending: &Ending) -> Value {
    let mut body = json!({
        "chat_id": chat(at.channel()),
        "message_id": number(at.message()),
        "reply_markup": {"inline_keyboard": []},
    });
    write_card(&mut body, card, Last::Ending(ending));
    body
}

/// A sentence about the ending.
pub(super) fn sentence(ending: &Ending) -> String {
    cut(
        &ending.sentence(person, str::to_owned),
        MAX_ENDING - 2,
        units,
    )
}

/// The person in a sentence. Without markup there are no mentions, so it is the bare id.
fn person(user: &str) -> String {
    named(user)
}

/// The card's buttons, one to a row because labels are long.
pub(super) fn keyboard(card: &Card, revision: &Revision) -> Vec<Value> {
    let button = |(index, option): (usize, &String)| json!([{"text": cut(option, MAX_LABEL, units), "callback_data": button_id(&card.id, revision, index)}]);
    card.options.iter().enumerate().map(button).collect()
}

/// The id of a chat: a number, or the `@name` of a channel.
pub(super) fn chat(channel: &str) -> Value {
    channel
        .parse::<i64>()
        .map_or_else(|_| channel.into(), Value::from)
}

/// The id of a message as a number.
pub(super) fn number(message: &str) -> Value {
    chat(message)
}
