//! Every example that can be read by a machine is.

use super::markdown::{Block, Document};
use postern::policy::RuleSet;
use postern_control::Command;
use serde_json::{Value, json};
use std::{
    io::Write,
    process::{self, Stdio},
};

fn blocks(language: &str) -> Vec<Block> {
    let all = Document::all()
        .into_iter()
        .flat_map(|document| document.blocks);
    let blocks: Vec<Block> = all.filter(|block| block.language == language).collect();
    assert!(!blocks.is_empty(), "no document has a block of {language}");
    blocks
}

/// Asserts that a program takes a block on its standard input.
fn assert_taken(program: &str, arguments: &[&str], block: &Block) {
    let mut child = process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(block.text.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", block.place);
}

#[test]
fn every_json_block_is_json() {
    for block in blocks("json") {
        let read = serde_json::from_str::<Value>(&block.text);
        assert!(read.is_ok(), "{}: {read:?}", block.place);
    }
}

#[test]
fn every_shell_block_can_be_parsed() {
    for block in blocks("sh") {
        assert_taken("bash", &["-n"], &block);
    }
}

#[test]
fn every_python_block_compiles() {
    let script = "import sys; compile(sys.stdin.read(), 'example', 'exec')";
    for block in blocks("python") {
        assert_taken("python3", &["-I", "-c", script], &block);
    }
}

#[test]
fn every_control_command_is_one_that_control_takes() {
    let mut commands = 0;
    for document in Document::all() {
        for after in document.text.split("control '").skip(1) {
            let (input, _) = after.split_once('\'').unwrap();
            let input: Value = serde_json::from_str(input)
                .unwrap_or_else(|error| panic!("{}: {error}: {input}", document.path));
            let parsed = Command::parse(input);
            assert!(parsed.is_ok(), "{}: {parsed:?}", document.path);
            commands += 1;
        }
    }
    assert!(commands >= 10, "{commands}");
}

/// Rules in commands are read with the commands.
#[test]
fn every_rule_of_a_policy_is_one_that_the_gate_takes() {
    for block in blocks("json") {
        let Ok(value) = serde_json::from_str(&block.text) else {
            continue;
        };
        for rules in rules(&value) {
            let checked = RuleSet::check(&rules);
            assert!(checked.is_ok(), "{}: {checked:?}", block.place);
        }
    }
}

/// The lists of rules in an example: `rules`, or the example itself.
fn rules(value: &Value) -> Vec<Value> {
    let is_rule = |value: &Value| value.get("action").is_some() && value.get("host").is_some();
    match value {
        Value::Array(list) if list.iter().any(is_rule) => vec![value.clone()],
        Value::Array(list) => list.iter().flat_map(rules).collect(),
        rule @ Value::Object(_) if is_rule(rule) => vec![json!([rule])],
        Value::Object(members) => {
            let own = members.get("rules").filter(|rules| rules.is_array());
            let others = members.iter().filter(|(name, _)| *name != "rules");
            let others = others.flat_map(|(_, member)| rules(member));
            own.cloned().into_iter().chain(others).collect()
        }
        _ => Vec::new(),
    }
}
