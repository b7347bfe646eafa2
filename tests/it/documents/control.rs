//! docs/operations.md and control's commands, of which its own parser tells the names and fields.

use super::markdown::{Document, code};
use super::same;
use postern_control::Command;
use serde_json::json;

/// What the parser would have taken in place of a name that it does not know.
fn expected(input: serde_json::Value) -> Vec<String> {
    let error = Command::parse(input).unwrap_err();
    let message = error.message().to_owned();
    if message.contains("there are no fields") {
        return Vec::new();
    }
    let (_, expected) = message
        .split_once("expected ")
        .unwrap_or_else(|| panic!("{message}"));
    code(expected).into_iter().map(str::to_owned).collect()
}

fn is_name(text: &&str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// The names of all commands.
pub(crate) fn commands() -> std::collections::BTreeSet<String> {
    expected(json!({"command": "?"})).into_iter().collect()
}

#[test]
fn every_command_is_documented_with_its_fields() {
    let document = Document::read("docs/operations.md");
    let (rows, records) = (document.rows("Control"), document.rows("Records"));
    let of_records = records
        .iter()
        .flat_map(|row| code(&row[0]).into_iter().chain(code(&row[1])));
    let documented = rows.iter().map(|row| code(&row[0])[0]).chain(of_records);
    let real = expected(json!({"command": "?"}));
    same(documented, real, "commands");
    for row in &records {
        let list = code(&row[0])[0];
        let owner = (list != "list_organizations").then_some("organization_id");
        for (command, fields) in std::iter::once((list, vec!["after"]))
            .chain(code(&row[1]).into_iter().map(|name| (name, code(&row[2]))))
        {
            let real = expected(json!({"command": command, "?": 1}));
            same(owner.into_iter().chain(fields), real, command);
        }
    }
    for row in &rows {
        let command = code(&row[0])[0];
        let documented = code(&row[1]).into_iter().filter(is_name);
        let real = expected(json!({"command": command, "?": 1}));
        if real.is_empty() {
            assert_eq!(documented.count(), 0, "{command}");
        } else {
            same(documented, real, command);
        }
    }
}
