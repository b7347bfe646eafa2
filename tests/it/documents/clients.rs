//! The table of clients in docs/agents.md, and the clients that the suites run.

use super::markdown::{Document, code};
use super::{files, read, same};
use serde_json::Value;

/// The clients that are installed for the suites: two groups of `requirements.txt`, and `package.json`.
fn installed() -> Vec<String> {
    let requirements = read("tests/sdk/requirements.txt");
    let mut groups = requirements.split("\n\n");
    let groups = groups
        .by_ref()
        .filter(|group| group.starts_with("# The clients of "));
    let pinned = groups
        .flat_map(str::lines)
        .filter_map(|line| line.split_once("=="));
    let python = pinned.map(|(name, _)| format!("{name} (Python)"));
    let package: Value = serde_json::from_str(&read("tests/sdk/package.json")).unwrap();
    let node = package["dependencies"].as_object().unwrap().keys();
    let node = node.map(|name| format!("{name} (Node)"));
    python.chain(node).chain(["git".to_owned()]).collect()
}

fn rows() -> Vec<Vec<String>> {
    Document::read("docs/agents.md").rows("Clients")
}

#[test]
fn every_client_of_the_suites_has_a_row() {
    let rows = rows();
    let clients = rows.iter().map(|row| row[0].split(',').next().unwrap());
    same(clients, installed(), "the clients in docs/agents.md");
}

/// A suite uses each option that the table names.
#[test]
fn every_option_in_the_table_is_one_that_a_suite_uses() {
    let scripts = [".py", ".mjs"].map(|ending| files("tests/sdk", ending));
    let suites: String = scripts.iter().flatten().map(|path| read(path)).collect();
    let rows = rows();
    let cells = rows.iter().flat_map(|row| &row[1..]);
    let mut options = 0;
    for option in cells.flat_map(|cell| code(cell)) {
        let name = option.split(['=', ':', '(', '[']).next().unwrap();
        if name != "gate" {
            assert!(suites.contains(name), "no suite uses {option}");
            options += 1;
        }
    }
    assert!(options > 30, "{options}");
}
