//! What an operator sees of a request: one `proxied` line and metrics. Memory does not grow with its size.

use crate::world::{Answer, World, through};
use postern_stack::{HttpRequest, StreamingInvocation};
use serde_json::{Value, json};

async fn ready(env: &[(&str, &str)]) -> (World, String) {
    let world = World::with_env(env).await;
    world.tenants().await;
    let placeholder = world.placeholder("a", "agent-a").await;
    (world, placeholder)
}

async fn get(world: &World, bearer: &str, rest: &str) -> Answer {
    let path = format!("/api/proxy/openai/a/agent-a/{rest}");
    let request = HttpRequest::get(&path).header("authorization", &format!("Bearer {bearer}"));
    world.call_proxy(request).await
}

/// The proxy's log, parsed.
async fn log(world: &World) -> Vec<Value> {
    let lines = world.proxy().await.logs().await;
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The sum of a metric in the log under exactly these dimensions, and its unit.
fn metric(lines: &[Value], name: &str, dimensions: &[(&str, &str)]) -> (f64, String) {
    let mut sum = 0.0;
    let mut unit = String::new();
    for line in lines.iter().filter(|line| line["_aws"].is_object()) {
        assert!(line["_aws"]["Timestamp"].as_u64().is_some(), "{line}");
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "Postern");
        let mut own: Vec<&str> = directive["Dimensions"][0]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        own.sort_unstable();
        let mut asked: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
        asked.sort_unstable();
        let same = own == asked && dimensions.iter().all(|(name, value)| line[*name] == *value);
        let described = directive["Metrics"].as_array().unwrap();
        if let (true, Some(described)) = (same, described.iter().find(|m| m["Name"] == name)) {
            unit = described["Unit"].as_str().unwrap_or_default().to_owned();
            sum += match &line[name] {
                Value::Array(values) => values.iter().filter_map(Value::as_f64).sum::<f64>(),
                value => value.as_f64().unwrap(),
            };
        }
    }
    (sum, unit)
}

const OPENAI: [(&str, &str); 2] = [("function", "proxy"), ("provider", "openai")];

fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    [OPENAI.as_slice(), &[(name, value)]].concat()
}

#[tokio::test]
async fn requests_errors_and_latencies_are_counted_by_function_and_provider_and_by_no_tenant() {
    let (world, placeholder) = ready(&[]).await;
    assert_eq!(get(&world, &placeholder, "v1/models").await.status, 200);
    assert_eq!(get(&world, &placeholder, "v1/status/429").await.status, 429);
    assert_eq!(get(&world, "junk", "v1/models").await.status, 401);
    assert_eq!(
        world
            .call_proxy(through("nobody/v1/x", &placeholder))
            .await
            .status,
        404
    );
    assert!(get(&world, &placeholder, "v1/die").await.broken);
    let lines = log(&world).await;
    let count = |name: &str, dimensions: &[(&str, &str)]| metric(&lines, name, dimensions);
    assert_eq!(count("requests", &OPENAI), (4.0, "Count".into()));
    assert_eq!(count("errors", &OPENAI).0, 2.0);
    assert_eq!(count("errors", &with("code", "missing_credentials")).0, 1.0);
    assert_eq!(count("errors", &with("code", "upstream_broke")).0, 1.0);
    let unknown = [
        ("function", "proxy"),
        ("provider", "none"),
        ("code", "unknown_provider"),
    ];
    assert_eq!(count("errors", &unknown).0, 1.0);
    for latency in ["upstream_latency", "own_latency", "time_to_first_byte"] {
        let (sum, unit) = count(latency, &OPENAI);
        assert!(
            sum > 0.0 && unit == "Milliseconds",
            "{latency}: {sum} {unit}"
        );
    }
    for line in lines.iter().filter(|line| line["_aws"].is_object()) {
        assert!(!line.to_string().contains("organization"), "{line}");
    }
}

#[tokio::test]
async fn the_organization_is_a_dimension_only_where_the_operator_asks_for_it() {
    let (world, placeholder) = ready(&[("METRICS_BY_ORGANIZATION", "true")]).await;
    assert_eq!(get(&world, &placeholder, "v1/models").await.status, 200);
    let by_tenant = with("organization_id", "a");
    let lines = log(&world).await;
    assert_eq!(metric(&lines, "requests", &by_tenant).0, 1.0);
    assert_eq!(metric(&lines, "requests", &OPENAI).0, 1.0);
}

#[tokio::test]
async fn a_request_is_one_proxied_line_without_headers_or_bodies() {
    let (world, placeholder) = ready(&[]).await;
    let request = HttpRequest::new("POST", "/api/proxy/openai/a/agent-a/v1/models")
        .header("authorization", &format!("Bearer {placeholder}"))
        .header("x-marker", "header-marker")
        .body(b"body-marker".to_vec());
    let answer = world.call_proxy(request).await;
    assert_eq!(answer.status, 200);
    let lines = log(&world).await;
    let proxied = |line: &&Value| line["event"] == "proxied";
    let own: Vec<&Value> = lines.iter().filter(proxied).collect();
    assert_eq!(own.len(), 1);
    let line = own[0];
    let told = json!({"organization_id": "a", "agent_id": "agent-a", "provider": "openai", "host": "127.0.0.1",
        "method": "POST", "status": 200, "bytes_in": 11, "bytes_out": answer.body.len(), "ended": "complete"});
    for (name, value) in told.as_object().unwrap() {
        assert_eq!(&line[name], value, "{name}");
    }
    for name in ["upstream_ms", "own_ms", "database_ms", "first_byte_ms"] {
        assert!(line[name].as_f64().is_some_and(|ms| ms > 0.0), "{line}");
    }
    assert!(line["request_id"].as_str().is_some_and(|id| !id.is_empty()));
    let all = world.proxy().await.logs().await.join("\n");
    for word in ["header-marker", "body-marker", "postern_secret_", "sk-real"] {
        assert!(!all.contains(word), "{word}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_200_mb_download_moves_in_constant_memory() {
    const SIZE: usize = 200 << 20;
    let (world, placeholder) = ready(&[]).await;
    let read = async |rest: &str| {
        let path = format!("/api/proxy/openai/a/agent-a/v1/{rest}");
        let request =
            HttpRequest::get(&path).header("authorization", &format!("Bearer {placeholder}"));
        let invoked = world.proxy().await.invoke_streaming(request.v2()).await;
        let StreamingInvocation::Response { mut body, .. } = invoked.unwrap() else {
            panic!("the function failed");
        };
        let mut length = 0;
        while let Some(piece) = body.next().await {
            length += piece.unwrap().len();
        }
        length
    };
    // The memory for the first megabytes does not count as growth.
    let warm = 4 << 20;
    assert_eq!(read(&format!("large/{warm}")).await, warm);
    let before = world.proxy().await.peak_memory_kib().unwrap();
    assert_eq!(read(&format!("large/{SIZE}")).await, SIZE);
    let grown = world.proxy().await.peak_memory_kib().unwrap() - before;
    println!("200 MiB passed through; peak memory grew by {grown} KiB from {before} KiB");
    assert!(grown < 16 << 10, "{grown} KiB");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_4_mb_upload_needs_no_more_than_the_event_and_its_body() {
    // Lambda accepts events of 6 MB, which hold 4.5 MB in base64.
    const SIZE: usize = 4 << 20;
    let (world, placeholder) = ready(&[]).await;
    let send = async |size: usize| {
        let body: Vec<u8> = (0..size).map(|at| (at % 251).to_le_bytes()[0]).collect();
        let request = HttpRequest::new("POST", "/api/proxy/openai/a/agent-a/v1/models")
            .header("authorization", &format!("Bearer {placeholder}"))
            .body(body.clone());
        assert_eq!(world.call_proxy(request).await.status, 200);
        assert_eq!(world.upstream.seen().last().unwrap().body, body);
    };
    send(1).await;
    let before = world.proxy().await.peak_memory_kib().unwrap();
    for _ in 0..5 {
        send(SIZE).await;
    }
    let grown = world.proxy().await.peak_memory_kib().unwrap() - before;
    println!("five uploads of {SIZE} bytes; peak memory grew by {grown} KiB from {before} KiB");
    // The event's text, and its body in base64 and decoded. A buffer that doubles may hold twice the text.
    assert!(grown < 32 << 10, "{grown} KiB");
}
