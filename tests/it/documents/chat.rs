//! docs/chat.md and the test of a connection.

use super::markdown::{Document, code};
use super::same;
use postern::chat::{Check, Problem};

/// The code in the first cells of the rows in which each is one of these.
fn listed(known: impl Fn(&str) -> bool) -> Vec<String> {
    let rows = Document::read("docs/chat.md").rows("Testing");
    let first = rows.iter().flat_map(|row| code(&row[0]));
    let kept = first.filter(|name| known(name) && !["check", "problem"].contains(name));
    kept.map(str::to_owned).collect()
}

#[test]
fn every_step_and_every_problem_of_a_test_is_documented() {
    let is_check = |name: &str| name.parse::<Check>().is_ok();
    let checks = Check::ALL.map(Check::as_str);
    assert_eq!(
        listed(is_check),
        checks,
        "in the order in which they are made"
    );
    let problems = Problem::ALL.map(Problem::as_str);
    same(listed(|name| !is_check(name)), problems, "problems");
}
