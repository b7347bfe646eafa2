//! THREATS.md and the tests that it names.

use super::read;

/// The threat model's table rows: id, attack, and what stops it.
fn attacks(threats: &str) -> Vec<[&str; 3]> {
    let rows = threats.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim));
    cells
        .map(|cells| cells.collect::<Vec<_>>().try_into().unwrap())
        .collect()
}

/// The names after each `test:`.
fn named(stopped_by: &str) -> impl Iterator<Item = &str> {
    let tests = stopped_by
        .split("; ")
        .filter_map(|part| part.strip_prefix("test: "));
    tests.flat_map(|names| names.split('`').skip(1).step_by(2))
}

/// The sources in which a test of this module may stand: `chats`, `attacks::clicks`,
/// `postern::chat::card::tests`, `postern_sweep::tests` or `shared/src/chat.rs`.
fn sources(module: &str) -> String {
    if module.ends_with(".rs") {
        return read(module);
    }
    let (name, within) = module.split_once("::").unwrap_or((module, ""));
    let (folder, path) = match name.strip_prefix("postern_") {
        Some(function) => (format!("functions/{function}/src"), within),
        None if name == "postern" => ("shared/src".to_owned(), within),
        None => ("tests/it".to_owned(), module),
    };
    let parts: Vec<&str> = path.split("::").filter(|part| *part != "tests").collect();
    let path = parts.join("/");
    let files = match path.as_str() {
        "" => ["lib.rs".to_owned(), "tests.rs".to_owned()],
        path => [format!("{path}.rs"), format!("{path}/tests.rs")],
    };
    files.map(|file| read(&format!("{folder}/{file}"))).concat()
}

#[test]
fn every_attack_of_the_threat_model_is_impossible_tested_or_accepted() {
    let threats = read("THREATS.md");
    let attacks = attacks(&threats);
    assert!(attacks.len() > 200, "{}", attacks.len());
    let mut ids: Vec<&str> = attacks.iter().map(|[id, ..]| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), attacks.len(), "an id stands twice");
    for [id, _, stopped_by] in attacks {
        let verdict = stopped_by.split(": ").next().unwrap_or_default();
        let known = ["impossible", "test", "accepted"].contains(&verdict);
        assert!(known && !stopped_by.contains("TODO"), "{id} {stopped_by}");
    }
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let threats = read("THREATS.md");
    let mut missing = Vec::new();
    for [id, _, stopped_by] in attacks(&threats) {
        for test in named(stopped_by) {
            let (module, name) = test.rsplit_once("::").unwrap_or(("", test));
            if !sources(module).contains(&format!("fn {name}(")) {
                missing.push((id, test));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
