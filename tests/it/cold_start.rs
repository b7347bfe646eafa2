//! A function that is not configured stops at cold start and names the variable.

use postern_stack::{Function, Invocation, binaries};
use serde_json::json;
use std::time::Duration;

async fn refusal(name: &str, env: &[(&str, &str)]) -> String {
    let path = binaries::build().unwrap().of(name);
    let env: Vec<(String, String)> = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let function = Function::start(name, &path, &env, 1).await.unwrap();
    match function
        .invoke(json!({}), Duration::from_secs(60))
        .await
        .unwrap()
    {
        Invocation::Error { message, .. } => {
            format!("{message}\n{}", function.logs().await.join("\n"))
        }
        Invocation::Ok(answer) => panic!("{name} answered {answer}"),
    }
}

#[tokio::test]
async fn a_missing_variable_is_named_by_every_function() {
    for name in ["proxy", "webhooks", "sweep", "control"] {
        let said = refusal(name, &[]).await;
        assert!(said.contains("DATABASE_SECRET_ID"), "{name}: {said}");
    }
    for (name, variable) in [
        ("proxy", "WORKER_TOKEN_JWKS_SECRET_ID"),
        ("webhooks", "WORKER_TOKEN_JWKS_SECRET_ID"),
        ("control", "WORKER_TOKEN_SIGNING_SECRET_ID"),
    ] {
        let said = refusal(name, &[("DATABASE_SECRET_ID", "db")]).await;
        assert!(said.contains(variable), "{name}: {said}");
    }
}

#[tokio::test]
async fn a_malformed_variable_is_named_without_its_value() {
    let whole = [
        ("DATABASE_SECRET_ID", "db"),
        ("WORKER_TOKEN_JWKS_SECRET_ID", "k"),
    ];
    for (variable, value) in [
        ("DATABASE_TIMEOUT_MS", "hunter2"),
        ("DATABASE_POOL_MAX", "0"),
        ("LEGACY_PLACEHOLDERS", "hunter2"),
        ("REQUIRE_WORKER_TOKEN", "hunter2"),
        ("UPSTREAM_IDLE_TIMEOUT_MS", "-1"),
        ("PROVIDERS", "hunter2"),
        ("UPSTREAM_HEADER_TIMEOUT_MS", "1s"),
    ] {
        let said = refusal("proxy", &[whole[0], whole[1], (variable, value)]).await;
        assert!(
            said.contains(variable) && !said.contains("hunter2"),
            "{variable}: {said}"
        );
    }
}
