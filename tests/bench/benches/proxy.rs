//! The proxy's own time per request, warm, beside nginx doing the same header swap in the same run.
//!
//! Requests take three ways to the same small upstream, in turns: direct, through nginx, and through the proxy's
//! code (event in, stream out, in this process). A hop's own time is its time minus the direct way's. For the
//! proxy, the time that the same request waited for the database is subtracted too. The Runtime API belongs to
//! Lambda and is not part of it. Two more agents show what egress policies cost: one under a thousand rules,
//! and one under a judge with a cached verdict. Two more ways show what an organization's own provider and a sealed
//! secret cost.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use postern::config::Env;
use postern::telemetry::Metrics;
use postern_control::App as Control;
use postern_proxy::App;
use postern_stack::{HttpRequest, Postgres, SecretsManager};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::net::{TcpListener, TcpStream};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
};

const ROUNDS: usize = 4_000;
const WARM_UP: usize = 500;
const REAL_KEY: &str = "sk-real-key-of-the-benchmark";
const BODY: &str =
    r#"{"model":"sample","messages":[{"role":"user","content":"How long is a hop?"}]}"#;
const PRIVATE_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"k1","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

const SEALING_KEYS: &str =
    r#"{"current":"k","keys":{"k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}"#;

const ANSWER: &[u8] = br#"{"id":"chatcmpl-1","choices":[{"message":{"content":"Not long."}}]}"#;
const VERDICT: &[u8] =
    br#"{"content":[{"type":"text","text":"{\"verdict\":\"allow\",\"reason\":\"\"}"}]}"#;

/// The stand-in that the child process's AWS SDK talks to.
const SECRETS: &str = "AWS_ENDPOINT_URL_SECRETS_MANAGER";

/// Starts what the measured process needs, then that process. Its AWS SDK reads the environment, which a
/// process cannot safely change for itself.
#[tokio::main]
async fn main() {
    if std::env::var_os("POSTERN_BENCH").is_some() {
        return measure().await;
    }
    let postgres = Postgres::start().await.unwrap();
    postgres.create_database("bench", None).await.unwrap();
    let secrets = SecretsManager::start().await.unwrap();
    secrets.put("postern/database", postgres.secret_json("bench"));
    secrets.put("postern/jwks", r#"{"keys":[]}"#);
    secrets.put("postern/signing", PRIVATE_KEY);
    secrets.put("postern/org/a/keys/openai", REAL_KEY);
    secrets.put("postern/sealing", SEALING_KEYS);
    secrets.put("postern/system/anthropic", "sk-ant-of-the-operator");
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .env("POSTERN_BENCH", "1")
        .env(SECRETS, secrets.url())
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "benchmark")
        .env("AWS_SECRET_ACCESS_KEY", "benchmark")
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    assert!(child.wait().await.unwrap().success());
}

async fn measure() {
    let Some(nginx) = find_nginx() else {
        eprintln!(
            "nginx is not on PATH nor in /usr/sbin; install it (Debian: apt-get install nginx-light)"
        );
        std::process::exit(1);
    };
    let upstream = upstream().await;
    let folder = std::env::temp_dir().join(format!("postern-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (_nginx, swapped) = start_nginx(&nginx, &folder, upstream).await;

    let base = format!("http://{upstream}");
    let providers = json!([
        {"slug": "openai", "provider_id": "openai", "base_url": base, "auth": {"header": "authorization", "scheme": "Bearer"}},
        {"slug": "anthropic", "provider_id": "anthropic", "base_url": base, "auth": {"header": "x-api-key"}},
    ]);
    let pairs = [
        ("DATABASE_SECRET_ID", "postern/database"),
        ("WORKER_TOKEN_JWKS_SECRET_ID", "postern/jwks"),
        ("WORKER_TOKEN_SIGNING_SECRET_ID", "postern/signing"),
        ("ALLOW_PRIVATE_UPSTREAMS", &upstream.to_string()),
        ("PROVIDERS", &providers.to_string()),
        ("SEALING_KEYS_SECRET_ID", "postern/sealing"),
        ("AWS_LAMBDA_LOG_LEVEL", "ERROR"),
    ];
    let env = Env::from_pairs(pairs);
    let [placeholder, ruled, judged, sealed] = tenant(&env, &base).await;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(DatabaseTime))
        .unwrap();
    let app = App::from_env(&env, Metrics::default()).await.unwrap();
    let event = |slug: &str, agent: &str, placeholder: &str| {
        let path = format!("/api/proxy/{slug}/a/{agent}/v1/chat/completions");
        HttpRequest::new("POST", &path)
            .header("authorization", &format!("Bearer {placeholder}"))
            .header("content-type", "application/json")
            .body(BODY.into())
            .v2()
            .to_string()
    };
    let ruled = event("openai", "ruled", &ruled);
    let judged = event("openai", "judged", &judged);
    let sealed = event("openai", "sealed", &sealed);
    let own = event("own", "agent", &placeholder);
    let event = event("openai", "agent", &placeholder);

    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let (mut straight, mut through_nginx, mut through_proxy) = (vec![], vec![], vec![]);
    let (mut database, mut without) = (vec![], vec![]);
    let (mut under_rules, mut under_a_judge) = (vec![], vec![]);
    let (mut to_own, mut with_sealed) = (vec![], vec![]);
    for round in 0..WARM_UP + ROUNDS {
        // Each runs twice and the second counts: the first finds the caches as the way before left them.
        call(&client, upstream).await;
        let one = call(&client, upstream).await;
        call(&client, swapped).await;
        let two = call(&client, swapped).await;
        serve(&app, &event).await;
        let three = serve(&app, &event).await;
        let four = Duration::from_nanos(DATABASE_NANOSECONDS.load(Ordering::Relaxed));
        serve(&app, &ruled).await;
        let five = serve(&app, &ruled).await;
        serve(&app, &judged).await;
        let six = serve(&app, &judged).await;
        serve(&app, &own).await;
        let seven = serve(&app, &own).await;
        serve(&app, &sealed).await;
        let eight = serve(&app, &sealed).await;
        if round >= WARM_UP {
            to_own.push(seven);
            with_sealed.push(eight);
            under_rules.push(five);
            under_a_judge.push(six);
            database.push(four);
            without.push(three - four);
            straight.push(one);
            through_nginx.push(two);
            through_proxy.push(three);
        }
    }
    let straight = Times::of(straight);
    let database = Times::of(database);
    println!("{ROUNDS} requests each, in turns, one at a time; microseconds (median, p99)");
    straight.print("straight to the upstream");
    let nginx = Times::of(through_nginx);
    nginx.print("through nginx");
    let whole = Times::of(through_proxy);
    whole.print("through the proxy's code");
    database.print("of it, the database");
    let rules = Times::of(under_rules);
    rules.print("the proxy, 1000 rules");
    let verdict = Times::of(under_a_judge);
    verdict.print("the proxy, a known verdict");
    let tenants = Times::of(to_own);
    tenants.print("the proxy, a tenant's own");
    let unsealed = Times::of(with_sealed);
    unsealed.print("the proxy, a sealed secret");
    let own = |times: &Times| times.median - straight.median;
    let (own_nginx, proxy) = (own(&nginx), own(&Times::of(without)));
    println!("own time: nginx {own_nginx:.0} us, proxy {proxy:.0} us (without the database)");
    println!("ratio: {:.2} (at most 2 is the aim)", proxy / own_nginx);
    println!(
        "to the same without a policy: 1000 rules {:.3}, a known verdict {:.3}",
        rules.median / whole.median,
        verdict.median / whole.median
    );
    println!(
        "to the same with an operator's provider and Secrets Manager: a tenant's own {:.3} (at most 1.05 is the aim), \
         a sealed secret {:.3}",
        tenants.median / whole.median,
        unsealed.median / whole.median
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Microseconds.
struct Times {
    median: f64,
    p99: f64,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1e6;
        Self {
            median: at(50),
            p99: at(99),
        }
    }

    fn print(&self, name: &str) {
        println!("  {name:<26} {:>8.0} {:>8.0}", self.median, self.p99);
    }
}

/// Answers every request that brings the real key with a small body.
async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(
                TokioIo::new(stream),
                hyper::service::service_fn(
                    async |request: http::Request<hyper::body::Incoming>| {
                        let known = request
                            .headers()
                            .get("authorization")
                            .is_some_and(|key| key == format!("Bearer {REAL_KEY}").as_str());
                        let judge = request.uri().path() == "/v1/messages";
                        let body: &[u8] = if judge { VERDICT } else { ANSWER };
                        request.into_body().collect().await?;
                        let mut response = http::Response::new(Full::new(Bytes::from_static(body)));
                        if !known && !judge {
                            *response.status_mut() = http::StatusCode::UNAUTHORIZED;
                        }
                        Ok::<_, hyper::Error>(response)
                    },
                ),
            ));
        }
    });
    address
}

async fn call(client: &Client<HttpConnector, Full<Bytes>>, address: SocketAddr) -> Duration {
    let request = http::Request::post(format!("http://{address}/v1/chat/completions"))
        .header("authorization", format!("Bearer {REAL_KEY}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(BODY.as_bytes())))
        .unwrap();
    let started = Instant::now();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap();
    started.elapsed()
}

async fn serve(app: &App, event: &str) -> Duration {
    let started = Instant::now();
    let event = serde_json::from_str(event).unwrap();
    let mut answer = app.serve(event, "bench").await;
    assert_eq!(answer.metadata_prelude.status_code, 200);
    while let Some(piece) = answer.stream.next().await {
        piece.unwrap();
    }
    started.elapsed()
}

/// Collects how long each request waited for the database, from the proxy's log lines.
struct DatabaseTime;

static DATABASE_NANOSECONDS: AtomicU64 = AtomicU64::new(0);

impl<S: tracing::Subscriber> Layer<S> for DatabaseTime {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        event.record(&mut Self);
    }
}

impl tracing::field::Visit for DatabaseTime {
    fn record_f64(&mut self, field: &tracing::field::Field, value: f64) {
        if field.name() == "database_ms" {
            DATABASE_NANOSECONDS.store((value * 1e6) as u64, Ordering::Relaxed);
        }
    }

    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}
}

/// Migrates, makes a tenant with its policies, and mints the placeholders of its four agents.
async fn tenant(env: &Env, base: &str) -> [String; 4] {
    let control = Control::from_env(env).await.unwrap();
    let run = async |command: Value| {
        let answer = control.serve(command, "bench").await;
        assert!(answer.get("error").is_none(), "{answer}");
        answer
    };
    let mut rules: Vec<Value> = (0..999)
        .map(|n| json!({"host": "127.0.0.1", "path_prefix": format!("/v1/projects/p-{n}"), "action": "deny"}))
        .collect();
    rules.push(json!({"host": "127.0.0.1", "action": "allow"}));
    let judge = json!([{"host": "127.0.0.1", "action": "judge", "policy": "Only chats."}]);
    for command in [
        json!({"command": "migrate"}),
        json!({"command": "put_organization", "id": "a"}),
        json!({"command": "put_agent", "organization_id": "a", "agent_id": "agent"}),
        json!({"command": "put_agent", "organization_id": "a", "agent_id": "ruled"}),
        json!({"command": "put_agent", "organization_id": "a", "agent_id": "judged"}),
        json!({"command": "put_agent", "organization_id": "a", "agent_id": "sealed"}),
        json!({"command": "put_provider", "organization_id": "a", "slug": "own", "provider_id": "openai", "base_url": base,
            "auth": {"header": "authorization", "scheme": "Bearer"}}),
        json!({"command": "put_secret", "organization_id": "a", "name": "keys/openai", "value": REAL_KEY}),
        json!({"command": "put_profile", "organization_id": "a", "id": "sealed", "provider_id": "openai", "agent_id": "sealed",
            "auth_type": "api_key", "secret_ref": "sealed:keys/openai"}),
        json!({"command": "put_profile", "organization_id": "a", "id": "openai", "provider_id": "openai",
            "auth_type": "api_key", "secret_ref": "postern/org/a/keys/openai"}),
        json!({"command": "put_policy", "organization_id": "a", "agent_id": "ruled", "rules": rules}),
        json!({"command": "put_policy", "organization_id": "a", "agent_id": "judged", "rules": judge}),
    ] {
        run(command).await;
    }
    let mut placeholders = ["agent", "ruled", "judged", "sealed"].map(str::to_owned);
    for agent in &mut placeholders {
        let mint = json!({"command": "mint_placeholder", "organization_id": "a", "agent_id": agent,
            "env_var_name": "OPENAI_API_KEY", "deployment_name": "bench"});
        *agent = run(mint).await["placeholder"].as_str().unwrap().to_owned();
    }
    placeholders
}

fn find_nginx() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("nginx"))
        .find(|nginx| nginx.is_file())
}

/// One nginx worker that replaces the credential with the real key, over kept-alive connections.
async fn start_nginx(
    nginx: &std::path::Path,
    folder: &std::path::Path,
    upstream: SocketAddr,
) -> (tokio::process::Child, SocketAddr) {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let config = format!(
        r#"daemon off; master_process off; pid nginx.pid; error_log stderr crit;
events {{ }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  upstream provider {{ server {upstream}; keepalive 8; }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_set_header connection "";
      proxy_set_header accept-encoding identity;
      proxy_set_header authorization "Bearer {REAL_KEY}";
    }}
  }}
}}
"#
    );
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    let child = tokio::process::Command::new(nginx)
        .arg("-p")
        .arg(folder)
        .args(["-c", "nginx.conf", "-e", "stderr"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(address).await.is_err() {
        assert!(Instant::now() < until, "nginx did not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (child, address)
}
