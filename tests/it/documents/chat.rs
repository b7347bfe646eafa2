//! docs/chat.md: the test of a connection, and the tables of the platforms' errors, shared/src/chat/*/errors.rs.

use super::markdown::{Document, code};
use super::same;
use postern::authority::Platform;
use postern::chat::{Check, Means, Problem, Purpose, Row, Whom, errors};

/// The headings of the tables, and every call of their platforms.
const TABLES: [(&str, Platform); 3] = [
    ("Slack's errors", Platform::Slack),
    ("Telegram's errors", Platform::Telegram),
    ("Discord's errors", Platform::Discord),
];

/// The words for calls, the longest lists first.
const WORDS: [(&str, &[Purpose]); 9] = [
    ("posts", &[Purpose::Card, Purpose::Text, Purpose::Receipt]),
    ("cards", &[Purpose::Card]),
    ("text", &[Purpose::Text]),
    ("receipts", &[Purpose::Receipt]),
    ("edits", &[Purpose::Edit]),
    ("notes", &[Purpose::Note]),
    ("deleting", &[Purpose::Delete]),
    ("opening a thread", &[Purpose::Reopen]),
    ("reading", &[Purpose::Read]),
];

fn calls(row: &Row, table: &[Row]) -> String {
    let of = |row: &Row, call: &Purpose| row.calls().contains(call);
    let every = |call: &Purpose| !table.iter().any(|row| of(row, call)) || of(row, call);
    if WORDS.iter().all(|(_, calls)| calls.iter().all(every)) {
        return "all".into();
    }
    let mut left: Vec<Purpose> = row.calls().to_vec();
    let mut words = Vec::new();
    for (word, calls) in WORDS {
        if calls.iter().all(|call| left.contains(call)) {
            left.retain(|call| !calls.contains(call));
            words.push(word);
        }
    }
    assert!(left.is_empty(), "{row:?}");
    words.join(", ")
}

fn does(means: Means) -> &'static str {
    match means {
        Means::Wait(Whom::Call) => "tries again later",
        Means::Wait(Whom::Channel) => "tries again later; all messages to the channel wait",
        Means::Wait(Whom::Bot) => "tries again later; all messages of the bot wait",
        Means::Doubtful => "tries again later; it may show twice",
        Means::NoThread => "sends it outside the thread",
        Means::NoReference => "sends it without naming the card",
        Means::NoEntities => "sends it without styles",
        Means::Reopen => "opens the thread and tries again",
        Means::Moved => "sends it to the new chat",
        Means::Done => "counts as done",
        Means::Never => "gives up",
    }
}

/// The table's rows as the document has them.
fn written(table: &[Row]) -> Vec<Vec<String>> {
    let written = table.iter().map(|row| {
        vec![
            format!("[`{}`]({})", row.error(), row.page()),
            calls(row, table),
            does(row.means()).to_owned(),
            row.advice().to_owned(),
        ]
    });
    written.collect()
}

#[test]
fn every_error_has_its_row_and_every_row_an_error() {
    let page = Document::read("docs/chat.md");
    for (heading, platform) in TABLES {
        let expected = written(errors(platform));
        let lines: Vec<String> = expected
            .iter()
            .map(|row| format!("| {} |", row.join(" | ")))
            .collect();
        assert!(
            page.rows(heading) == expected,
            "{heading} should be:\n{}",
            lines.join("\n")
        );
    }
}

#[test]
fn every_row_names_a_page_of_the_platform_or_a_report() {
    for (platform, hosts) in [
        (Platform::Slack, &["https://docs.slack.dev/"][..]),
        (
            Platform::Telegram,
            &["https://core.telegram.org/", "https://github.com/tdlib/"],
        ),
        (
            Platform::Discord,
            &[
                "https://docs.discord.com/developers/",
                "https://github.com/discord/discord-api-docs/",
            ],
        ),
    ] {
        for row in errors(platform) {
            let known = hosts.iter().any(|host| row.page().starts_with(host));
            assert!(known, "{platform:?}: {row:?}");
        }
    }
}

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
