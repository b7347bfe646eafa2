//! What a policy of a thousand rules costs a request: with each rule for a host of its own, and with every rule
//! for the requested host, in the worst order. The aim is under 5 microseconds.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use postern::host::HostName;
use postern::policy::{
    Action, MAX_RULES, Mode, Owner, Policies, PolicyRow, RuleSet, Scheme, Target,
};
use serde_json::{Value, json};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

const ROUNDS: usize = 20_000;

fn main() {
    let each_its_own = rules(
        |n| json!({"host": format!("api-{n}.example.com"), "path_prefix": "/v1", "action": "allow"}),
    );
    let all_of_one = rules(
        |n| json!({"host": "api.example.com", "methods": ["GET", "POST"], "path_prefix": format!("/v1/projects/p-{n}"), "action": "allow"}),
    );
    let below_one = rules(|n| {
        let host = if n % 2 == 0 {
            "*.example.com"
        } else {
            "api.example.com"
        };
        json!({"host": host, "path_prefix": format!("/v1/projects/p-{n}"), "action": "allow"})
    });
    let last = MAX_RULES - 1;
    println!("{MAX_RULES} rules, the last one decides; nanoseconds (median, p99)");
    time(
        "a host for each rule",
        &each_its_own,
        &format!("api-{last}.example.com"),
        "/v1/chat/completions",
    );
    time(
        "all of one host",
        &all_of_one,
        "api.example.com",
        &format!("/v1/projects/p-{last}/x"),
    );
    time(
        "exact and wildcard in turns",
        &below_one,
        "api.example.com",
        &format!("/v1/projects/p-{last}/x"),
    );
    let written = Value::Array(all_of_one.clone());
    let started = Instant::now();
    let rounds = 100;
    for _ in 0..rounds {
        black_box(RuleSet::parse([0; 32], &written).unwrap());
    }
    println!(
        "  {:<30} {:>8.0}",
        "parsed, once a policy",
        nanoseconds(started.elapsed() / rounds)
    );
}

fn rules(rule: impl Fn(usize) -> Value) -> Vec<Value> {
    (0..MAX_RULES).map(rule).collect()
}

fn time(name: &str, rules: &[Value], host: &str, path: &str) {
    let row = PolicyRow {
        owner: Owner::Organization,
        observe: false,
        hash: [0; 32],
        rules: Some(Value::Array(rules.to_vec())),
    };
    let policies = Policies::resolve(vec![row], &[]);
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let host = HostName::parse(host).unwrap();
        // The time includes reading the request.
        let started = Instant::now();
        let target = Target::new(Scheme::Https, host, 443, Some("POST"), Some(path));
        let ruling = policies.ruling(black_box(&target), Mode::Enforced);
        times.push(started.elapsed());
        assert_eq!(ruling.action, &Action::Allow);
    }
    times.sort_unstable();
    let at = |part: usize| nanoseconds(times[times.len() * part / 100]);
    println!("  {name:<30} {:>8.0} {:>8.0}", at(50), at(99));
}

fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}
