//! Where a page of a list ends, as a text that is opaque to whoever lists.

use super::kind::Kind;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The key of a page's last record. The next page comes after it.
#[derive(Debug, PartialEq, Eq)]
pub struct Position {
    kind: Kind,
    key: Vec<String>,
}

impl Position {
    /// The position after the record of this key.
    pub(super) fn after(kind: Kind, key: Vec<String>) -> Self {
        Self { kind, key }
    }

    /// The parts of the key.
    pub(super) fn key(&self) -> &[String] {
        &self.key
    }

    /// Reads what `text` wrote for a list of the same kind. Any other text is `None`.
    pub fn parse(kind: Kind, text: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (name, key): (String, Vec<String>) = serde_json::from_slice(&json).ok()?;
        (name == kind.as_str() && kind.takes(&key)).then_some(Self { kind, key })
    }

    /// The position as a text. The kind is part of it, so that it continues no other list.
    pub fn text(&self) -> String {
        let json = serde_json::json!([self.kind.as_str(), self.key]);
        URL_SAFE_NO_PAD.encode(json.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(kind: Kind, key: &[&str]) -> Position {
        Position::after(kind, key.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_position_is_read_back_for_a_list_of_its_kind_alone() {
        let id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427";
        for kind in Kind::ALL {
            let key: &[&str] = match kind {
                Kind::Organization
                | Kind::Agent
                | Kind::Connection
                | Kind::Profile
                | Kind::Provider
                | Kind::Secret => &["ü x"],
                // The policy of the organization itself.
                Kind::Policy => &[""],
                Kind::Placeholder => &[id],
                Kind::Grant => &["a", "host:x"],
            };
            let written = position(kind, key);
            for other in Kind::ALL {
                let read = Position::parse(other, &written.text());
                assert_eq!(read.as_ref(), (kind == other).then_some(&written));
            }
        }
    }

    #[test]
    fn no_other_text_is_a_position() {
        let json = |json: &str| URL_SAFE_NO_PAD.encode(json);
        for text in [
            String::new(),
            "agent".into(),
            "!".into(),
            json("[]"),
            json("{}"),
            json(r#"["agent"]"#),
            json(r#"["agent", []]"#),
            json(r#"["agent", ["a", "b"]]"#),
            json(r#"["agent", [1]]"#),
            json(r#"["agent", ["a"], 1]"#),
            position(Kind::Agent, &["a\0"]).text(),
            format!("{}=", position(Kind::Agent, &["a"]).text()),
        ] {
            assert_eq!(Position::parse(Kind::Agent, &text), None, "{text}");
        }
        for (kind, key) in [
            (Kind::Placeholder, &["a"][..]),
            (Kind::Placeholder, &[]),
            (Kind::Grant, &["a"]),
        ] {
            let text = position(kind, key).text();
            assert_eq!(Position::parse(kind, &text), None, "{kind:?}");
        }
    }
}
