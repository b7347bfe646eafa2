//! The variables: those that the documents list, those that the code reads, and those that the template sets.

use super::markdown::{Document, code};
use super::{read, same, sources};
use std::collections::BTreeSet;

/// The getters of `config::Env`, and those who pass the name on.
const GETTERS: [&str; 14] = [
    "env.get(",
    "env.required(",
    "env.parsed(",
    "env.read_as(",
    "env.list(",
    "env.authorities(",
    "env.secret_ref(",
    "env.millis(",
    "env.bound(",
    "env.bound_if_set(",
    "env.count(",
    "optional(env,",
    "from_env(env,",
    "from_env(&env,",
];

/// What the template does not set, and why.
const NOT_IN_THE_TEMPLATE: [(&str, &str); 14] = [
    ("ALLOW_PRIVATE_UPSTREAMS", "for development"),
    ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "for development"),
    ("AWS_LAMBDA_LOG_LEVEL", "Lambda sets it from LogLevel"),
    ("AWS_LAMBDA_RUNTIME_API", "Lambda sets it"),
    (
        "DATABASE_POOL_MAX",
        "an environment serves one request at a time",
    ),
    ("DATABASE_TIMEOUT_MS", "the default suits Lambda"),
    ("SECRETS_CACHE_TTL_MS", "the default suits Lambda"),
    ("UPSTREAM_CONNECT_TIMEOUT_MS", "the default suits Lambda"),
    (
        "UPSTREAM_HEADER_TIMEOUT_MS",
        "the default suits Lambda's 15 minutes",
    ),
    (
        "UPSTREAM_IDLE_TIMEOUT_MS",
        "the default suits Lambda's 15 minutes",
    ),
    ("JUDGE_TIMEOUT_MS", "the default suits Lambda"),
    ("ACK_BUDGET_MS", "the platforms' own bound is 3 s"),
    ("SWEEP_LIMIT", "the default suits a run of four minutes"),
    (
        "SWEEP_MAX_BATCHES",
        "the default suits a run of four minutes",
    ),
];

fn documented() -> BTreeSet<String> {
    let operations = Document::read("docs/operations.md");
    let cells = operations.rows("Environment");
    cells
        .iter()
        .flat_map(|cells| code(&cells[0]))
        .map(str::to_owned)
        .collect()
}

fn read_by_the_code() -> BTreeSet<String> {
    let all = sources::all();
    let getters = |source: &sources::Source| {
        GETTERS
            .iter()
            .flat_map(|getter| source.arguments(getter))
            .collect::<Vec<_>>()
    };
    all.iter().flat_map(getters).collect()
}

/// The names below each `Variables:` of the template.
fn set_by_the_template() -> BTreeSet<String> {
    let template = read("template.yaml");
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let mut variables = BTreeSet::new();
    let mut within = None;
    for line in template.lines().filter(|line| !line.trim().is_empty()) {
        if within.is_some_and(|depth| indentation(line) <= depth) {
            within = None;
        }
        if line.trim() == "Variables:" {
            within = Some(indentation(line));
        } else if within.is_some()
            && let Some((name, _)) = line.trim().split_once(':')
            && !name.starts_with('#')
        {
            variables.insert(name.to_owned());
        }
    }
    assert!(variables.len() > 10, "{variables:?}");
    variables
}

#[test]
fn the_documented_variables_are_those_that_the_code_reads() {
    same(documented(), read_by_the_code(), "variables");
}

/// What a chat platform calls its errors: the first column of the file's table.
fn platforms_errors(source: &sources::Source) -> Vec<String> {
    let table = source.path.starts_with("shared/src/chat/") && source.path.ends_with("/answer.rs");
    if table {
        source.arguments("row(")
    } else {
        Vec::new()
    }
}

/// A name that reached a getter in some other way would be missed above.
#[test]
fn no_variable_is_read_out_of_sight() {
    let known = read_by_the_code();
    for source in sources::all() {
        let errors = platforms_errors(&source);
        let literals = source.text.split('"').skip(1).step_by(2);
        for literal in literals {
            let shaped = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
            let variable = literal.contains('_') && literal.bytes().all(shaped);
            let of_cargo = literal.starts_with("CARGO_");
            let error = errors.iter().any(|error| error == literal);
            assert!(
                !variable || of_cargo || error || known.contains(literal),
                "{}: {literal}",
                source.path
            );
        }
    }
}

#[test]
fn the_template_sets_every_variable_that_has_no_reason_to_be_left_out() {
    let left_out = NOT_IN_THE_TEMPLATE.map(|(variable, _)| variable.to_owned());
    let set = set_by_the_template();
    let both: Vec<_> = left_out.iter().filter(|name| set.contains(*name)).collect();
    assert!(both.is_empty(), "the template does set {both:?}");
    same(
        documented(),
        set.into_iter().chain(left_out),
        "variables of the template",
    );
}
