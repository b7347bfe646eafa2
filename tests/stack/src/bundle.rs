//! Everything that the bundle needs, started in order, ended by being dropped.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::{Router, extract::Query, routing::any};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use postern_stack::{
    Front, Function, Invocation, Postgres, Result, SecretsManager, Slack, Upstream, binaries,
    slack::{Click, click_body, sign},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::task::JoinHandle;

pub const SIGNING_SECRET: &str = "sample-slack-signing-secret";
pub const REAL_KEY: &str = "sk-real-key-that-no-agent-ever-sees";
const DATABASE: &str = "postern";
const SWEEP_EVERY: Duration = Duration::from_secs(300);
const INVOCATION: Duration = Duration::from_secs(60);

/// The running bundle.
pub struct Bundle {
    pub base: String,
    pub postgres: Postgres,
    pub upstream: Upstream,
    pub slack: Slack,
    _secrets: SecretsManager,
    pub sweep: Arc<Function>,
    control: Function,
    pressing: String,
    _front: Front,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Bundle {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Bundle {
    /// Starts everything, telling what it starts.
    pub async fn start(port: u16) -> Result<Self> {
        println!("Building the four functions (proxy, webhooks, sweep, control) ...");
        let built = tokio::task::spawn_blocking(binaries::build).await??;
        let postgres = Postgres::start().await?;
        println!(
            "  Postgres         127.0.0.1:{}, private, thrown away at the end",
            postgres.port()
        );
        postgres.create_database(DATABASE, None).await?;
        let secrets = SecretsManager::start().await?;
        println!(
            "  Secrets Manager  {}, a stand-in that the real AWS SDK talks to",
            secrets.url()
        );
        let upstream = Upstream::start().await?;
        println!("  sample provider  {}, speaks like OpenAI", upstream.url());
        let slack = Slack::start().await?;
        println!("  sample Slack     {}", slack.api_base_url());
        fill(&secrets, &postgres.secret_json(DATABASE))?;
        let env = environment(&secrets, &upstream, &slack);
        let proxy = Arc::new(Function::start("proxy", &built.of("proxy"), &env, 4).await?);
        let webhooks = Arc::new(Function::start("webhooks", &built.of("webhooks"), &env, 4).await?);
        let sweep = Arc::new(Function::start("sweep", &built.of("sweep"), &env, 1).await?);
        let control = Function::start("control", &built.of("control"), &env, 1).await?;
        let address = ([127, 0, 0, 1], port).into();
        let front = Front::start(address, proxy, webhooks).await?;
        let base = format!("http://127.0.0.1:{port}");
        println!("  API Gateway      {base}, in front of the real function binaries");
        let (pressing, presses) = serve_presses(base.clone()).await?;
        let tasks = vec![presses, sweep_on_a_timer(Arc::clone(&sweep))];
        Ok(Self {
            base,
            postgres,
            upstream,
            slack,
            _secrets: secrets,
            sweep,
            control,
            pressing,
            _front: front,
            tasks,
        })
    }

    /// Runs one of control's commands, as an operator with IAM would.
    pub async fn command(&self, command: Value) -> Result<Value> {
        match self.control.invoke(command.clone(), INVOCATION).await? {
            Invocation::Ok(answer) if answer.get("error").is_none() => Ok(answer),
            Invocation::Ok(answer) => Err(format!("control refused {command}: {answer}").into()),
            Invocation::Error { message, .. } => Err(format!("control failed: {message}").into()),
        }
    }

    /// One run of the sweep.
    pub async fn sweep(&self, input: Value) -> Result<Value> {
        match self.sweep.invoke(input, INVOCATION).await? {
            Invocation::Ok(report) => Ok(report),
            Invocation::Error { message, .. } => Err(format!("the sweep failed: {message}").into()),
        }
    }

    /// A statement by plain SQL.
    pub async fn sql(&self, sql: &str) -> Result<()> {
        Ok(self
            .postgres
            .connect(DATABASE)
            .await?
            .batch_execute(sql)
            .await?)
    }

    /// The one number that a query gives.
    pub async fn count(&self, sql: &str) -> Result<i64> {
        Ok(self
            .postgres
            .connect(DATABASE)
            .await?
            .query_one(sql, &[])
            .await?
            .try_get(0)?)
    }

    pub fn print_what_to_try(&self) {
        println!(
            "
It stays up until Ctrl-C. To press a button of a card in the sample Slack:

  curl '{}/press?user=U-ALICE&button=question:deploy-2:0'

The sweep runs every five minutes, as the EventBridge rule does.",
            self.pressing
        );
    }
}

/// The secrets that an operator has put in place.
fn fill(secrets: &SecretsManager, database: &str) -> Result<()> {
    let seed: [u8; 32] = aws_lc_rs::rand::generate(&aws_lc_rs::rand::SystemRandom::new())?.expose();
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed)?;
    let public = URL_SAFE_NO_PAD.encode(pair.public_key());
    let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "local-1", "x": public});
    let mut private = key.clone();
    private["d"] = URL_SAFE_NO_PAD.encode(seed).into();
    secrets.put("postern/database", database);
    secrets.put(
        "postern/worker-token-keys",
        json!({"keys": [key]}).to_string(),
    );
    secrets.put("postern/worker-token-signing-key", private.to_string());
    secrets.put("postern/org/acme/openai", REAL_KEY);
    let slack = json!({"bot_token": "xoxb-sample-bot-token", "signing_secret": SIGNING_SECRET});
    secrets.put("postern/org/acme/slack", slack.to_string());
    Ok(())
}

fn environment(
    secrets: &SecretsManager,
    upstream: &Upstream,
    slack: &Slack,
) -> Vec<(String, String)> {
    let authority = |url: &str| {
        url.trim_start_matches("http://")
            .split('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let provider = json!([{"slug": "openai", "provider_id": "openai", "base_url": upstream.url(),
        "auth": {"header": "authorization", "scheme": "Bearer"}}]);
    let private = format!(
        "{},{}",
        authority(&upstream.url()),
        authority(&slack.api_base_url())
    );
    [
        ("DATABASE_SECRET_ID", "postern/database".to_owned()),
        (
            "WORKER_TOKEN_JWKS_SECRET_ID",
            "postern/worker-token-keys".to_owned(),
        ),
        (
            "WORKER_TOKEN_SIGNING_SECRET_ID",
            "postern/worker-token-signing-key".to_owned(),
        ),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets.url()),
        ("ALLOW_PRIVATE_UPSTREAMS", private),
        ("PROVIDERS", provider.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn sweep_on_a_timer(sweep: Arc<Function>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut every = tokio::time::interval(SWEEP_EVERY);
        every.tick().await;
        loop {
            every.tick().await;
            let event = json!({"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
            match sweep.invoke(event, INVOCATION).await {
                Ok(Invocation::Ok(report)) => println!("sweep: {report}"),
                Ok(Invocation::Error { message, .. }) => eprintln!("sweep failed: {message}"),
                Err(error) => eprintln!("sweep: {error}"),
            }
        }
    })
}

/// A press on a button in the sample Slack, signed as Slack signs it; what Postern answered.
pub async fn press(
    base: &str,
    connection: &str,
    user: &str,
    button: &str,
) -> Result<crate::http_client::Reply> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let body = click_body(Click {
        team_id: "T-ACME".into(),
        api_app_id: "A-POSTERN".into(),
        user_id: user.into(),
        channel_id: "C-DEPLOYS".into(),
        message_ts: "1700000000.0001".into(),
        action_id: button.into(),
        value: String::new(),
        action_ts: format!("{}.{:06}", now.as_secs(), now.subsec_micros()),
    });
    let timestamp = i64::try_from(now.as_secs())?;
    let signature = sign(SIGNING_SECRET, timestamp, body.as_bytes());
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-slack-request-timestamp", &timestamp.to_string()),
        ("x-slack-signature", &signature),
    ];
    crate::http_client::send(
        "POST",
        &format!("{base}/webhooks/{connection}"),
        &headers,
        &body,
    )
    .await
}

#[derive(Deserialize)]
struct PressQuery {
    user: String,
    button: String,
}

/// Lets a person press buttons with `curl`.
async fn serve_presses(base: String) -> Result<(String, JoinHandle<()>)> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let pressed = async move |Query(query): Query<PressQuery>| match press(
        &base,
        "acme-slack",
        &query.user,
        &query.button,
    )
    .await
    {
        Ok(reply) => format!(
            "Postern answered Slack with {} {}\n",
            reply.status,
            reply.text()
        ),
        Err(error) => format!("the press did not arrive: {error}\n"),
    };
    let app = Router::new().route("/press", any(pressed));
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            eprintln!("sample Slack's buttons: {error}");
        }
    });
    Ok((address, serving))
}
