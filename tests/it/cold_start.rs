//! A function that is not configured stops at cold start and names the variable.

use crate::world::Variables;
use futures_util::StreamExt;
use postern_stack::{Function, Invocation, binaries};
use serde_json::json;
use std::time::Duration;

async fn refusal(name: &str, variables: &Variables) -> String {
    refused(name, variables)
        .await
        .unwrap_or_else(|answer| panic!("{name} answered {answer}"))
}

/// What a function says when it stops at its start, or what it answers when it does not stop.
async fn refused(name: &str, variables: &Variables) -> Result<String, String> {
    let path = binaries::build().unwrap().of(name);
    let function = Function::start(name, &path, &variables.pairs(), 1)
        .await
        .unwrap();
    match function.invoke(json!({}), Duration::from_secs(20)).await {
        Ok(Invocation::Error {
            error_type,
            message,
        }) if error_type == "Runtime.InitError" => {
            Ok(format!("{message}\n{}", function.logs().await.join("\n")))
        }
        // The proxy streams its answers.
        answered => Err(format!("{answered:?}")),
    }
}

#[tokio::test]
async fn a_missing_variable_is_named_by_every_function() {
    for name in ["proxy", "webhooks", "sweep", "control"] {
        let said = refusal(name, &Variables::default()).await;
        assert!(said.contains("DATABASE_SECRET_ID"), "{name}: {said}");
    }
    for (name, variable) in [
        ("proxy", "WORKER_TOKEN_JWKS_SECRET_ID"),
        ("webhooks", "WORKER_TOKEN_JWKS_SECRET_ID"),
        ("control", "WORKER_TOKEN_SIGNING_SECRET_ID"),
    ] {
        let said = refusal(name, &Variables::of(&[("DATABASE_SECRET_ID", "db")])).await;
        assert!(said.contains(variable), "{name}: {said}");
    }
}

const ALL: &[&str] = &["proxy", "webhooks", "sweep", "control"];
const PROXY: &[&str] = &["proxy"];
/// The variables that every function needs.
const NEEDED: [(&str, &str); 3] = [
    ("DATABASE_SECRET_ID", "db"),
    ("WORKER_TOKEN_JWKS_SECRET_ID", "k"),
    ("WORKER_TOKEN_SIGNING_SECRET_ID", "k"),
];

// Values that are malformed for each kind of variable. `hunter2` stands for a secret that was pasted in.
const NUMBER: &[&str] = &[
    "hunter2",
    "-1234",
    "+1234",
    " 1234",
    "12.34",
    "1234ms",
    "99999999999999999999999",
];
const NAME: &[&str] = &["hunter2\u{7}"];
const SECRET: &[&str] = &["hunter2 *", "{\"k\":\"hunter2\"}", "#hunter2", "hunter2#"];
const HOSTS: &[&str] = &[
    "hunter2:x",
    "hunter2:99999",
    "hunter2:",
    "u@hunter2",
    "https://hunter2",
    "*.hunter2",
    "hunter2,,hunter3",
    "hunter2,",
    ",",
];
const SWITCH: &[&str] = &["hunter2", "TRUE", " true"];

type Texts = &'static [&'static str];

/// Every variable, the functions that read it, and malformed values of it.
const MALFORMED: &[(&str, Texts, &[Texts])] = &[
    ("DATABASE_SECRET_ID", ALL, &[SECRET]),
    (
        "DATABASE_HOST",
        ALL,
        &[&["hunter2:5432", "/hunter2", "hunter2,hunter3", "hunter2 "]],
    ),
    ("DATABASE_PORT", ALL, &[NUMBER, &["0", "65536"]]),
    ("DATABASE_NAME", ALL, &[NAME]),
    ("DATABASE_USER", ALL, &[NAME]),
    (
        "DATABASE_CA_FILE",
        ALL,
        &[&["/hunter2/absent.pem", "/dev/null", "/dev"]],
    ),
    ("DATABASE_POOL_MAX", ALL, &[NUMBER, &["0", "4294967295"]]),
    (
        "DATABASE_TIMEOUT_MS",
        ALL,
        &[NUMBER, &["0", "99999999999999"]],
    ),
    (
        "SECRETS_PREFIX",
        ALL,
        &[&["hunter2*/", "hunter2 /", "hunter2#/", "h\u{fc}nter2/"]],
    ),
    ("SECRETS_CACHE_TTL_MS", ALL, &[NUMBER, &["99999999999999"]]),
    (
        "AWS_LAMBDA_LOG_LEVEL",
        ALL,
        &[&["hunter2", "OFF", "5", "WARNING", "INFO!"]],
    ),
    (
        "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        ALL,
        &[&["hunter2", "hunter2:4566", "ftp://hunter2", "http://"]],
    ),
    (
        "WORKER_TOKEN_JWKS_SECRET_ID",
        &["proxy", "webhooks"],
        &[SECRET],
    ),
    ("WORKER_TOKEN_SIGNING_SECRET_ID", &["control"], &[SECRET]),
    ("SEALING_KEYS_SECRET_ID", ALL, &[SECRET]),
    ("ALLOW_PRIVATE_UPSTREAMS", ALL, &[HOSTS]),
    ("CHAT_API_HOSTS", ALL, &[HOSTS]),
    (
        "PENDING_TTL_MS",
        &["proxy", "webhooks", "sweep"],
        &[NUMBER, &["0", "99999999999999"]],
    ),
    (
        "PROVIDERS",
        &["proxy", "control"],
        &[&[
            "hunter2",
            "\"hunter2\"",
            r#"[{"slug":"hunter2"}]"#,
            r#"[{"slug":"s","provider_id":"p","base_url":"https://h","auth":"hunter2"}]"#,
            r#"[{"slug":"s","provider_id":"p","base_url":"ftp://hunter2","auth":{"query":"k"}}]"#,
        ]],
    ),
    (
        "LEGACY_PLACEHOLDERS",
        PROXY,
        &[&["hunter2", "WARN", "deny "]],
    ),
    ("REQUIRE_WORKER_TOKEN", PROXY, &[SWITCH]),
    ("METRICS_BY_ORGANIZATION", PROXY, &[SWITCH]),
    ("UPSTREAM_CONNECT_TIMEOUT_MS", PROXY, &[NUMBER, &["0"]]),
    ("UPSTREAM_HEADER_TIMEOUT_MS", PROXY, &[NUMBER, &["0"]]),
    ("UPSTREAM_IDLE_TIMEOUT_MS", PROXY, &[NUMBER, &["0"]]),
    ("UPSTREAM_TOTAL_TIMEOUT_MS", PROXY, &[NUMBER, &["0"]]),
    ("JUDGE_PROVIDER", PROXY, &[&["hunter2"]]),
    ("JUDGE_TIMEOUT_MS", PROXY, &[NUMBER, &["0"]]),
    ("ACK_BUDGET_MS", &["webhooks"], &[NUMBER, &["0"]]),
    ("SWEEP_LIMIT", &["sweep"], &[NUMBER, &["0"]]),
    ("SWEEP_MAX_BATCHES", &["sweep"], &[NUMBER, &["0"]]),
];

#[tokio::test]
async fn every_function_stops_at_every_malformed_variable_that_it_reads_without_repeating_it() {
    let cases = MALFORMED.iter().flat_map(|(variable, functions, values)| {
        let first = functions[0];
        // The first function gets all values. The others get one, which shows that they read it.
        functions.iter().flat_map(move |function| {
            let values = values.concat();
            let count = if *function == first { values.len() } else { 1 };
            let values = values.into_iter().take(count);
            values.map(move |value| (*function, *variable, value))
        })
    });
    let wrong = futures_util::stream::iter(cases)
        .map(async |(function, variable, value)| {
            let case = format!("{function} {variable}={value:?}");
            let variables = Variables::of(&NEEDED).set(variable, value);
            match refused(function, &variables).await {
                Err(answer) => Some(format!("{case}: started, and answered {answer}")),
                Ok(said) if !said.contains(&format!("variable {variable} ")) => {
                    Some(format!("{case}: not named: {said}"))
                }
                Ok(said)
                    if said.contains("hunter2") || (value.len() > 4 && said.contains(value)) =>
                {
                    Some(format!("{case}: repeated: {said}"))
                }
                Ok(_) => None,
            }
        })
        .buffer_unordered(6)
        .filter_map(std::future::ready)
        .collect::<Vec<_>>()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_function_starts_with_variables_that_are_well_formed() {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let name = format!("{}.pem", uuid::Uuid::new_v4());
    let roots = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&roots, identity.cert.pem()).unwrap();
    let well_formed = [
        (
            "DATABASE_SECRET_ID",
            "arn:aws:secretsmanager:eu-central-1:1:secret:rds!db-AbCdEf",
        ),
        (
            "DATABASE_HOST",
            "pooler.proxy-1.eu-central-1.rds.amazonaws.com",
        ),
        ("DATABASE_PORT", "6432"),
        ("DATABASE_NAME", "postern two"),
        ("DATABASE_USER", "me@example.com"),
        ("DATABASE_CA_FILE", roots.to_str().unwrap()),
        ("SECRETS_PREFIX", "a_b/c+d=e.f@g-h/"),
        ("SECRETS_CACHE_TTL_MS", "0"),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://localhost:4566"),
        (
            "ALLOW_PRIVATE_UPSTREAMS",
            "Localhost, 127.0.0.1:80 ,[::1]:81",
        ),
        ("PROVIDERS", ""),
    ];
    for level in ["TRACE", "debug", "Info", "warn", "ERROR", "fatal"] {
        for function in ALL {
            let variables = Variables::of(&NEEDED)
                .set_all(&well_formed)
                .set("AWS_LAMBDA_LOG_LEVEL", level);
            if let Ok(said) = refused(function, &variables).await {
                panic!("{function} at {level}: {said}");
            }
        }
    }
    std::fs::remove_file(&roots).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_value_that_is_not_utf_8_is_malformed_and_not_absent() {
    use std::os::unix::ffi::OsStrExt;
    let value = std::ffi::OsStr::from_bytes(b"hunter2\xff");
    for (function, variable) in [
        ("proxy", "JUDGE_MODEL"),
        ("proxy", "ALLOW_PRIVATE_UPSTREAMS"),
        ("webhooks", "SECRETS_PREFIX"),
        ("sweep", "DATABASE_CA_FILE"),
        ("control", "AWS_LAMBDA_LOG_LEVEL"),
    ] {
        let ended = tokio::process::Command::new(binaries::build().unwrap().of(function))
            .env_clear()
            .envs(NEEDED)
            .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
            .env("AWS_REGION", "eu-central-1")
            .env(variable, value)
            .kill_on_drop(true)
            .output();
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        let ended = ended
            .unwrap_or_else(|_| panic!("{function} started"))
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(
            said.contains(&format!("variable {variable} ")) && !said.contains("hunter2"),
            "{function}: {said}"
        );
    }
}
