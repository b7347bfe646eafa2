//! What the sample says, in whichever wire format.

use super::pieces::{BETWEEN_PIECES, FOREVER};

pub const CREATED: u64 = 1_767_225_600;
pub const GREETING: &str = "Hello from the sample provider.";

/// A tool call's arguments as a model writes them, in pieces that are not JSON by themselves.
pub const ARGUMENTS: [&str; 4] = ["{\"city\":", " \"Par", "is\", \"unit\": \"cel", "sius\"}"];

/// The answer to a request; the model's name chooses it.
pub enum Script {
    Text(String),
    ToolCall(String),
    Endless,
    /// An error of this status.
    Failed(u16),
}

impl Script {
    /// `tool` is the first tool on offer, `result` what a tool has just answered.
    pub fn of(model: &str, tool: Option<&str>, result: Option<String>) -> Self {
        let failed = model.strip_prefix("sample-").map(str::parse);
        if let Some(Ok(status)) = failed {
            return Self::Failed(status);
        }
        match (model, tool, result) {
            ("sample-endless", ..) => Self::Endless,
            // Long enough to distinguish a stream from a buffer on a busy machine.
            ("sample-long", ..) => Self::Text([GREETING; 4].join(" ")),
            (_, _, Some(result)) => Self::Text(format!("The tool answered: {result}")),
            (_, Some(tool), None) => Self::ToolCall(tool.to_owned()),
            (_, None, None) => Self::Text(GREETING.to_owned()),
        }
    }
}

/// The pieces in which a text is streamed.
pub fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in text.chars() {
        if matches!(letter, ' ' | '.') {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(letter);
        }
    }
    words
}

/// As many words as keep a stream going for `FOREVER`.
pub fn endless() -> Vec<String> {
    let pieces = FOREVER.as_millis() / BETWEEN_PIECES.as_millis();
    (0..pieces).map(|piece| format!(" {piece}")).collect()
}
