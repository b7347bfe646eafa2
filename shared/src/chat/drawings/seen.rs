//! Reads a call's body as a person sees the message.

use super::On;
use serde_json::Value;

/// How the asked person and the time are written in a card with buttons.
pub(super) fn asked(on: On) -> (&'static str, &'static str) {
    match on {
        On::Slack => (
            "<@U0ANA>",
            "<!date^1795629600^{date_short_pretty} {time}|2026-11-25 18:00 UTC>",
        ),
        On::Telegram => ("111", "2026-11-25 18:00 UTC"),
        On::Discord => ("<@222>", "<t:1795629600:f>"),
    }
}

/// What a person sees, from the top down.
pub(super) fn text(on: On, body: &Value) -> String {
    let mut lines = match on {
        On::Slack => slack(body),
        On::Telegram => vec![string(&body["text"])],
        On::Discord => {
            let embeds = body["embeds"].as_array().into_iter().flatten();
            let embeds = embeds.map(|embed| discord(&string(&embed["description"])));
            [discord(&string(&body["content"]))]
                .into_iter()
                .chain(embeds)
                .collect()
        }
    };
    labels(body, &mut lines);
    lines.join("\n")
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The blocks' texts; without blocks, the message's own text.
fn slack(body: &Value) -> Vec<String> {
    let Some(blocks) = body["blocks"].as_array() else {
        return vec![unescaped(&string(&body["text"]))];
    };
    let text = |text: &Value| match text["type"].as_str() {
        Some("mrkdwn") => unescaped(&string(&text["text"])),
        Some("plain_text" | "text") => string(&text["text"]),
        other => panic!("{other:?} in {text}"),
    };
    let blocks = blocks.iter().map(|block| match block["type"].as_str() {
        Some("section") => text(&block["text"]),
        Some("context") => {
            let elements = block["elements"].as_array().unwrap();
            elements.iter().map(text).collect::<Vec<_>>().join(" ")
        }
        Some("rich_text") => {
            let code = &block["elements"][0];
            assert_eq!(code["type"], "rich_text_preformatted");
            text(&code["elements"][0])
        }
        Some("actions") => String::new(),
        other => panic!("{other:?}"),
    });
    blocks.collect()
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&amp;", "&")
}

/// The text without the backslashes before signs, except in a block of code.
fn discord(text: &str) -> String {
    let parts = text.split("```");
    let parts = parts.enumerate().map(|(at, part)| {
        if at % 2 == 1 {
            return part.to_owned();
        }
        let mut signs = part.chars();
        let mut plain = String::new();
        while let Some(sign) = signs.next() {
            plain.push(if sign == '\\' {
                signs.next().unwrap()
            } else {
                sign
            });
        }
        plain
    });
    parts.collect()
}

/// The labels of all buttons, wherever the platform has them.
fn labels(body: &Value, lines: &mut Vec<String>) {
    match body {
        Value::Object(members) => {
            let is_button = ["action_id", "callback_data", "custom_id"]
                .iter()
                .any(|id| members.contains_key(*id));
            if is_button {
                let label = [&body["label"], &body["text"], &body["text"]["text"]];
                lines.extend(label.iter().find_map(|it| it.as_str()).map(str::to_owned));
                return;
            }
            members.values().for_each(|member| labels(member, lines));
        }
        Value::Array(list) => list.iter().for_each(|member| labels(member, lines)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
