//! The platforms' published limits of a message. Lengths are in UTF-16 code units, the strictest count.

use super::On;
use crate::chat::cut::units;
use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;

/// Asserts that a message is within the limits.
pub(super) fn assert_kept(on: On, body: &Value) {
    match on {
        On::Slack => slack(body),
        On::Telegram => telegram(body),
        On::Discord => discord(body),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn length(value: &Value) -> usize {
    units(value.as_str().unwrap_or_default())
}

fn slack(body: &Value) {
    assert!((1..=4000).contains(&length(&body["text"])), "{body}");
    let blocks = list(&body["blocks"]);
    assert!(blocks.len() <= 50);
    for block in blocks {
        let most = match block["type"].as_str() {
            Some("context") => 10,
            Some("actions") => 25,
            _ => 1,
        };
        assert!(list(&block["elements"]).len() <= most, "{block}");
        for text in list(&block["elements"]).iter().chain([block]) {
            let most = if text["type"] == "button" { 75 } else { 3000 };
            assert!(length(&text["text"]["text"]) <= most, "{text}");
            assert!(length(&text["text"]) <= 3000, "{text}");
            assert!(length(&text["action_id"]) <= 255);
        }
    }
}

fn telegram(body: &Value) {
    let text = body["text"].as_str().unwrap();
    assert!((1..=4096).contains(&units(text)), "{text}");
    assert!(body.get("parse_mode").is_none());
    let mut boundaries = vec![0];
    for cluster in text.graphemes(true) {
        boundaries.push(boundaries.last().unwrap() + units(cluster));
    }
    let entities = list(&body["entities"]);
    assert!(entities.len() <= 100);
    let mut last = 0;
    for entity in entities {
        let offset = entity["offset"].as_u64().unwrap() as usize;
        let length = entity["length"].as_u64().unwrap() as usize;
        assert!(length > 0 && offset >= last, "{entity} overlaps");
        last = offset + length;
        let within = boundaries.contains(&offset) && boundaries.contains(&last);
        assert!(within, "{entity} is not of whole characters");
    }
    for row in list(&body["reply_markup"]["inline_keyboard"]) {
        assert!(length(&row[0]["callback_data"]) <= 64);
    }
}

fn discord(body: &Value) {
    assert!((1..=2000).contains(&length(&body["content"])), "{body}");
    let embeds = list(&body["embeds"]);
    assert!(embeds.len() <= 1);
    for embed in embeds {
        assert!(
            (1..=4096).contains(&length(&embed["description"])),
            "{embed}"
        );
    }
    let rows = list(&body["components"]);
    assert!(rows.len() <= 5);
    for row in rows {
        assert!((1..=5).contains(&list(&row["components"]).len()));
        for button in list(&row["components"]) {
            assert!((1..=80).contains(&length(&button["label"])), "{button}");
            assert!(length(&button["custom_id"]) <= 100);
        }
    }
    let fences = |text: &Value| text.as_str().unwrap_or_default().matches("```").count();
    for text in embeds
        .iter()
        .map(|embed| &embed["description"])
        .chain([&body["content"]])
    {
        assert!([0, 2].contains(&fences(text)), "{text}");
    }
}
