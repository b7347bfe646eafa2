//! Everything that the bundle needs. It starts in order, and dropping it ends it.

use crate::press::{Chat, DISCORD_SEED, Presser, SECRET_TOKEN, SIGNING_SECRET};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::{Router, extract::Query, routing::any};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use postern_stack::{
    Discord, Front, Function, Invocation, Known, Postgres, Receiver, Result, SampleJudge,
    SecretsManager, Slack, Telegram, Upstream, binaries, discord, login_of,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;

pub const REAL_KEY: &str = "sk-real-key-that-no-agent-ever-sees";
const DATABASE: &str = "postern";
const SWEEP_EVERY: Duration = Duration::from_secs(300);
const INVOCATION: Duration = Duration::from_secs(60);

/// The running bundle.
pub struct Bundle {
    pub base: String,
    pub postgres: Postgres,
    pub upstream: Upstream,
    pub slack: Arc<Slack>,
    pub presser: Presser,
    pub receiver: Receiver,
    pub judge: SampleJudge,
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
    /// Starts everything, and prints what it starts.
    pub async fn start(port: u16) -> Result<Self> {
        println!("Building the four functions (proxy, webhooks, sweep, control) ...");
        let built = tokio::task::spawn_blocking(binaries::build).await??;
        let postgres = Postgres::start().await?;
        println!(
            "  Postgres         127.0.0.1:{}, private, deleted at the end",
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
        let slack = Arc::new(Slack::start().await?);
        println!("  sample Slack     {}", slack.api_base_url());
        let telegram = Arc::new(Telegram::start().await?);
        println!("  sample Telegram  {}", telegram.api_base_url());
        let discord = Arc::new(Discord::start().await?);
        discord.set_known(Known {
            about: json!({"verify_key": discord::public_key(&DISCORD_SEED)?}),
            ..Known::default()
        });
        println!("  sample Discord   {}", discord.api_base_url());
        let receiver = Receiver::start_on([127, 0, 0, 1]).await?;
        println!("  agent's callback {}", receiver.url());
        let judge = SampleJudge::start().await?;
        println!("  sample judge     {}", judge.url());
        fill(&secrets, &postgres.secret_json(DATABASE))?;
        let private = [
            upstream.url(),
            slack.api_base_url(),
            telegram.api_base_url(),
            discord.api_base_url(),
            receiver.url(),
            judge.url(),
        ];
        let env = environment(&secrets, &upstream, &judge, &private);
        let start = async |name: &str, environments| {
            // Each function has a database login of its own, which `tour` creates.
            let mut env = env.clone();
            env.push(("DATABASE_USER".into(), login_of(name)));
            Function::start(name, &built.of(name), &env, environments).await
        };
        let proxy = Arc::new(start("proxy", 4).await?);
        let webhooks = Arc::new(start("webhooks", 4).await?);
        let sweep = Arc::new(start("sweep", 1).await?);
        let control = start("control", 1).await?;
        let address = ([127, 0, 0, 1], port).into();
        let front = Front::start(address, proxy, webhooks).await?;
        let base = format!("http://127.0.0.1:{port}");
        println!("  API Gateway      {base}, in front of the real function binaries");
        let presser = Presser {
            base: base.clone(),
            slack: Arc::clone(&slack),
            telegram,
            discord,
        };
        let (pressing, presses) = serve_presses(presser.clone()).await?;
        let tasks = vec![presses, sweep_on_a_timer(Arc::clone(&sweep))];
        Ok(Self {
            base,
            postgres,
            upstream,
            slack,
            presser,
            receiver,
            judge,
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

    /// Runs the SQL that control prints, so that each function logs in with its own least rights.
    pub async fn create_logins(&self) -> Result<()> {
        let printed = self.command(json!({"command": "logins"})).await?;
        let sql = printed["sql"].as_str().unwrap_or_default();
        self.postgres.create_logins(sql).await
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

    /// The one number that a query returns.
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
It stays up until Ctrl-C. To press a button of a card in a sample chat (slack, telegram with user 111, discord with user 222):

  curl '{}/press?chat=slack&user=U-ALICE&id=deploy-2&option=0'

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
    secrets.put("postern/org/acme/keys/openai", REAL_KEY);
    secrets.put("postern/system/anthropic", "sk-ant-of-the-operator");
    let slack = json!({"bot_token": "xoxb-sample-bot-token", "signing_secret": SIGNING_SECRET});
    secrets.put("postern/org/acme/chat/slack", slack.to_string());
    let telegram = json!({"bot_token": "1:sample-bot-token", "secret_token": SECRET_TOKEN});
    secrets.put("postern/org/acme/chat/telegram", telegram.to_string());
    let discord = json!({"bot_token": "sample-bot-token", "application_id": "900", "public_key": discord::public_key(&DISCORD_SEED)?});
    secrets.put("postern/org/acme/chat/discord", discord.to_string());
    let signing: [u8; 32] =
        aws_lc_rs::rand::generate(&aws_lc_rs::rand::SystemRandom::new())?.expose();
    let signing = format!(
        "whsec_{}",
        base64::engine::general_purpose::STANDARD.encode(signing)
    );
    secrets.put("postern/org/acme/callback-signing", signing);
    let sealing: [u8; 32] =
        aws_lc_rs::rand::generate(&aws_lc_rs::rand::SystemRandom::new())?.expose();
    let sealing = base64::engine::general_purpose::STANDARD.encode(sealing);
    let ring = json!({"current": "local-1", "keys": {"local-1": sealing}});
    secrets.put("postern/sealing-keys", ring.to_string());
    Ok(())
}

fn environment(
    secrets: &SecretsManager,
    upstream: &Upstream,
    judge: &SampleJudge,
    private: &[String],
) -> Vec<(String, String)> {
    let authority = |url: &String| url.split('/').nth(2).unwrap_or_default().to_owned();
    let private: Vec<String> = private.iter().map(authority).collect();
    let providers = json!([
        {"slug": "openai", "provider_id": "openai", "base_url": upstream.url(),
            "auth": {"header": "authorization", "scheme": "Bearer"}},
        {"slug": "anthropic", "provider_id": "anthropic", "base_url": judge.url(), "auth": {"header": "x-api-key"}},
    ]);
    [
        ("DATABASE_SECRET_ID", "postern/database".to_owned()),
        (
            "MIGRATION_DATABASE_SECRET_ID",
            "postern/database".to_owned(),
        ),
        (
            "WORKER_TOKEN_JWKS_SECRET_ID",
            "postern/worker-token-keys".to_owned(),
        ),
        (
            "WORKER_TOKEN_SIGNING_SECRET_ID",
            "postern/worker-token-signing-key".to_owned(),
        ),
        ("SEALING_KEYS_SECRET_ID", "postern/sealing-keys".to_owned()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets.url()),
        ("ALLOW_PRIVATE_UPSTREAMS", private.join(",")),
        // These budgets keep the tour independent of how busy the machine is.
        ("DATABASE_TIMEOUT_MS", "15000".to_owned()),
        ("ACK_BUDGET_MS", "20000".to_owned()),
        ("PROVIDERS", providers.to_string()),
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

#[derive(Deserialize)]
struct PressQuery {
    #[serde(default)]
    chat: Chat,
    user: String,
    /// The id of the question.
    id: String,
    option: usize,
}

/// Lets a person press buttons with `curl`.
async fn serve_presses(presser: Presser) -> Result<(String, JoinHandle<()>)> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let pressed = async move |Query(query): Query<PressQuery>| {
        let PressQuery {
            chat,
            user,
            id,
            option,
        } = query;
        match presser.press(chat, &user, &id, option).await {
            Ok(reply) => format!("Postern answered with {} {}\n", reply.status, reply.text()),
            Err(error) => format!("the press did not arrive: {error}\n"),
        }
    };
    let app = Router::new().route("/press", any(pressed));
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            eprintln!("the samples' buttons: {error}");
        }
    });
    Ok((address, serving))
}
