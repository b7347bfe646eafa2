//! What docs/operations.md says of logs, metrics and the sweep.

use super::markdown::{Document, code};
use super::{read, same, sources};
use postern::store::Swept;

/// The code in the first cell of each row below a heading.
fn listed(heading: &str) -> Vec<String> {
    let rows = Document::read("docs/operations.md").rows(heading);
    let first = rows.iter().flat_map(|row| code(&row[0]));
    first.map(str::to_owned).collect()
}

#[test]
fn every_event_of_the_log_is_documented() {
    // Some functions log one of several events.
    let ways = ["event=", "record(", "warn("];
    let all = sources::all();
    let events = all
        .iter()
        .flat_map(|source| ways.iter().flat_map(|way| source.arguments(way)));
    // The other table of the section is of how a response ended.
    let ended = [
        "complete",
        "upstream_broke",
        "upstream_idle",
        "out_of_time",
        "no_answer",
        "client_gone",
    ];
    let documented = listed("Logs").into_iter();
    same(
        documented.filter(|name| name != "ended" && !ended.contains(&name.as_str())),
        events,
        "events",
    );
}

#[test]
fn every_way_in_which_a_response_ends_is_documented() {
    let record = read("functions/proxy/src/record.rs");
    let (_, ways) = record.split_once("impl Ended {").unwrap();
    let (ways, _) = ways.split_once("\n}\n").unwrap();
    let ways: Vec<&str> = ways.split('"').skip(1).step_by(2).collect();
    let rows = Document::read("docs/operations.md").rows("Logs");
    let documented = rows.iter().filter(|row| row.len() == 2);
    same(documented.map(|row| code(&row[0])[0]), ways, "`ended`");
}

#[test]
fn every_metric_is_documented() {
    let telemetry = read("shared/src/telemetry.rs");
    let constants = telemetry.lines().filter_map(|line| {
        let (_, value) = line.split_once("const ")?.1.split_once(": &str = \"")?;
        value.strip_suffix("\";")
    });
    same(listed("Metrics"), constants, "metrics");
}

#[test]
fn every_swept_table_is_documented() {
    let tables = listed("The sweep");
    assert_eq!(tables.len(), Swept::ALL.len(), "{tables:?}");
    let sweep = read("shared/src/store/sweep.rs");
    let unknown = |table: &&String| !sweep.contains(&format!("\"{table}\""));
    let unknown: Vec<_> = tables.iter().filter(unknown).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
