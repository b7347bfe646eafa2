//! How Telegram shows a card: text without markup, and an inline keyboard.

use crate::chat::card::cut;
use crate::chat::{Card, Ending, button_id};
use crate::id::Revision;
use crate::question::CardAddress;
use serde_json::{Value, json};

/// Maximum length of a message's text, in UTF-16 code units, as Telegram counts.
pub(super) const MAX_TEXT: usize = 4096;

/// Maximum length of a button's label, in UTF-16 code units. Telegram documents no limit, but its apps cut longer
/// labels.
pub(super) const MAX_LABEL: usize = 64;

/// Sets the text of a message. It sets no parse mode, so Telegram reads no markup in the text. `asked` appends the
/// agent and the person who is asked.
pub(super) fn write(message: &mut Value, text: &str, asked: Option<&Card>) {
    let mut text = text.to_owned();
    if let Some(card) = asked {
        let person = card.user.as_str();
        text = cut(&text, MAX_TEXT - 512, char::len_utf16);
        text.push_str(&format!("\n\nAgent {} asks ", card.agent));
        let offset: usize = text.chars().map(char::len_utf16).sum();
        if person.len() <= 20 && person.bytes().all(|byte| byte.is_ascii_digit()) {
            message["entities"] = json!([{"type": "text_link", "offset": offset, "length": person.len(),
                "url": format!("tg://user?id={person}")}]);
        }
        text.push_str(person);
    }
    message["text"] = cut(&text, MAX_TEXT, char::len_utf16).into();
    message["link_preview_options"] = json!({"is_disabled": true});
}

/// The text of the question and its arguments.
pub(super) fn texts(card: &Card) -> String {
    match &card.detail {
        Some(detail) => format!("{}\n\n{detail}", card.text),
        None => card.text.clone(),
    }
}

/// The message after the card has ended: without buttons, and with a sentence about the ending.
pub(super) fn edited(at: &CardAddress, card: &Card, ending: &Ending) -> Value {
    let ending = ending.sentence(person, str::to_owned);
    let room = MAX_TEXT
        - cut(&ending, 200, char::len_utf16)
            .chars()
            .map(char::len_utf16)
            .sum::<usize>()
        - 2;
    let mut body = json!({
        "chat_id": chat(at.channel()),
        "message_id": number(at.message()),
        "reply_markup": {"inline_keyboard": []},
    });
    let text = cut(&texts(card), room, char::len_utf16);
    write(
        &mut body,
        &format!("{text}\n\n{}", cut(&ending, 200, char::len_utf16)),
        None,
    );
    body
}

/// The person in a sentence. Without markup there are no mentions, so it is the bare id.
pub(super) fn person(user: &str) -> String {
    user.to_owned()
}

/// The card's buttons, one to a row because labels are long.
pub(super) fn keyboard(card: &Card, revision: &Revision) -> Vec<Value> {
    let button = |(index, option): (usize, &String)| json!([{"text": cut(option, MAX_LABEL, char::len_utf16), "callback_data": button_id(&card.id, revision, index)}]);
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
