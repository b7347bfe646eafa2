//! A world per test: a fresh database, its own stand-ins, and functions that start when first used.

mod wait;

pub use wait::until;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::config::Credentials;
use postern::authority::scope::VerifiedWorker;
use postern::authority::token;
use postern::config::Env;
use postern::secret::SecretsConfig;
use postern::store::DatabaseConfig;
use postern::{Secrets, Store};
use postern_stack::{
    Discord, Front, Function, HttpRequest, Invocation, PostedCard, Postgres, SampleJudge,
    SecretsManager, Slack, StreamingInvocation, Telegram, Upstream, binaries,
    discord::{self, DiscordClick},
    slack::{Click, click_body, sign},
    telegram::{self, TelegramClick},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::OnceCell;

pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub const SECRET_TOKEN: &str = "Telegram_secret-token";
pub const DISCORD_SEED: [u8; 32] = [7; 32];
/// The key that signs organization a's outcomes.
pub const CALLBACK_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// An address of loopback whose every port the functions may call.
pub const ANYWHERE: [u8; 4] = [127, 0, 0, 2];
/// The operator's own key for the judge.
pub const JUDGE_KEY: &str = "sk-judge-of-the-operator";
pub const REAL_KEY: &str = "sk-real-of-org-a-0123456789";

// RFC 8032 section 7.1, test 1, as RFC 8037 appendix A writes it.
const PRIVATE_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"k1","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const PUBLIC_KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const TIMEOUT: Duration = Duration::from_secs(30);

static POSTGRES: OnceCell<Postgres> = OnceCell::const_new();

/// The server that the whole run shares, with a migrated template.
async fn postgres() -> &'static Postgres {
    let start = async || {
        let postgres = Postgres::start().await.unwrap();
        postgres
            .create_database("template_postern", None)
            .await
            .unwrap();
        let world = World::on(&postgres, "template_postern".into(), &[]).await;
        assert_eq!(
            world.command(json!({"command": "migrate"})).await,
            json!({"ok": true})
        );
        postgres
    };
    POSTGRES.get_or_init(start).await
}

/// Gives a variable this value, whether it has one or not.
fn set(env: &mut Vec<(String, String)>, name: &str, value: &str) {
    env.retain(|(own, _)| own != name);
    env.push((name.to_owned(), value.to_owned()));
}

/// Everything that one test talks to.
pub struct World {
    pub secrets: SecretsManager,
    pub upstream: Upstream,
    pub slack: Slack,
    pub telegram: Telegram,
    pub discord: Discord,
    pub judge: SampleJudge,
    env: Vec<(String, String)>,
    superuser: String,
    proxy: OnceCell<Function>,
    webhooks: OnceCell<Function>,
    sweep: OnceCell<Function>,
    control: OnceCell<Function>,
}

/// A function's HTTP answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u64,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// The stream ended as an error.
    pub broken: bool,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn code(&self) -> String {
        let code = self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert_eq!(self.headers.get("x-postern-error"), Some(&code), "{self:?}");
        assert!(
            self.json()["error"]["request_id"]
                .as_str()
                .is_some_and(|id| !id.is_empty()),
            "{self:?}"
        );
        code
    }
}

impl World {
    /// A world with an empty, migrated database.
    pub async fn new() -> Self {
        Self::with_env(&[]).await
    }

    pub async fn with_env(extra: &[(&str, &str)]) -> Self {
        let postgres = postgres().await;
        let database = format!("t_{}", uuid::Uuid::new_v4().simple());
        postgres
            .create_database(&database, Some("template_postern"))
            .await
            .unwrap();
        Self::on(postgres, database, extra).await
    }

    async fn on(postgres: &Postgres, database: String, extra: &[(&str, &str)]) -> Self {
        let secrets = SecretsManager::start().await.unwrap();
        let upstream = Upstream::start().await.unwrap();
        let slack = Slack::start().await.unwrap();
        let telegram = Telegram::start().await.unwrap();
        let discord = Discord::start().await.unwrap();
        let judge = SampleJudge::start().await.unwrap();
        secrets.put("postern/system/judge", JUDGE_KEY);
        secrets.put("postern/database", postgres.secret_json(&database));
        secrets.put("postern/jwks", PUBLIC_KEYS);
        secrets.put("postern/signing", PRIVATE_KEY);
        let providers = json!([
            {"slug": "openai", "provider_id": "openai", "base_url": upstream.url(), "auth": {"header": "authorization", "scheme": "Bearer"}},
            {"slug": "anthropic", "provider_id": "anthropic", "base_url": upstream.url(), "auth": {"header": "x-api-key"},
                "oauth_auth": {"header": "authorization", "scheme": "Bearer"}},
            {"slug": "gemini", "provider_id": "gemini", "base_url": upstream.url(), "auth": {"header": "x-goog-api-key"}},
            {"slug": "judge", "provider_id": "judge", "base_url": judge.url(), "auth": {"header": "authorization", "scheme": "Bearer"}},
            {"slug": "query", "provider_id": "query", "base_url": upstream.url(), "auth": {"query": "key"}},
            {"slug": "private", "provider_id": "openai", "base_url": "https://127.0.0.1:1", "auth": {"header": "x-api-key"}},
            {"slug": "closed", "provider_id": "openai", "base_url": "http://127.0.0.2:1", "auth": {"header": "x-api-key"}},
        ]);
        let mut env: Vec<(String, String)> = [
            ("DATABASE_SECRET_ID", "postern/database"),
            ("DATABASE_POOL_MAX", "4"),
            // Budgets that no busy machine uses up; a test of one sets its own.
            ("DATABASE_TIMEOUT_MS", "15000"),
            ("ACK_BUDGET_MS", "20000"),
            ("WORKER_TOKEN_JWKS_SECRET_ID", "postern/jwks"),
            ("WORKER_TOKEN_SIGNING_SECRET_ID", "postern/signing"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets.url()),
            ("PROVIDERS", &providers.to_string()),
            ("JUDGE_PROVIDER", "judge"),
            ("JUDGE_MODEL", "sample"),
            // Less than a thread has by itself: a future that grows too deep shows here first.
            ("RUST_MIN_STACK", "1500000"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let private = [
            upstream.url(),
            slack.api_base_url(),
            telegram.api_base_url(),
            discord.api_base_url(),
            judge.url(),
        ];
        let authority = |url: &String| url.split('/').nth(2).unwrap_or_default().to_owned();
        let private: Vec<String> = private.iter().map(authority).collect();
        let private = format!("{},127.0.0.2", private.join(","));
        set(&mut env, "ALLOW_PRIVATE_UPSTREAMS", &private);
        // The samples, wherever else a test lets the functions call.
        set(&mut env, "CHAT_API_HOSTS", &private);
        for (name, value) in extra {
            set(&mut env, name, value);
        }
        if extra.iter().any(|(name, _)| *name == "PROVIDERS") {
            // The sample judge is not among them.
            env.retain(|(own, _)| own != "JUDGE_PROVIDER");
        }
        let superuser = postgres.secret_json(&database);
        let cell = OnceCell::new;
        Self {
            secrets,
            upstream,
            slack,
            telegram,
            discord,
            judge,
            env,
            superuser,
            proxy: cell(),
            webhooks: cell(),
            sweep: cell(),
            control: cell(),
        }
    }

    async fn function(&self, name: &str) -> Function {
        self.environments(name, 1).await
    }

    /// The same database and samples, with functions that begin anew under an environment of which
    /// this is changed.
    pub fn again(mut self, changed: &[(&str, &str)]) -> Self {
        for (name, value) in changed {
            set(&mut self.env, name, value);
        }
        let cell = OnceCell::new;
        (self.proxy, self.webhooks, self.sweep, self.control) = (cell(), cell(), cell(), cell());
        self
    }

    /// So many environments of a function of its own.
    pub async fn environments(&self, name: &str, count: usize) -> Function {
        let path = binaries::build().unwrap().of(name);
        Function::start(name, &path, &self.env, count)
            .await
            .unwrap()
    }

    /// HTTP in front of functions of its own, for clients that know no events.
    pub async fn front(&self) -> Front {
        let proxy = Arc::new(self.environments("proxy", 4).await);
        let webhooks = Arc::new(self.environments("webhooks", 1).await);
        Front::start(([127, 0, 0, 1], 0).into(), proxy, webhooks)
            .await
            .unwrap()
    }

    pub async fn proxy(&self) -> &Function {
        self.proxy.get_or_init(|| self.function("proxy")).await
    }

    pub async fn webhooks(&self) -> &Function {
        self.webhooks
            .get_or_init(|| self.function("webhooks"))
            .await
    }

    pub async fn sweep_function(&self) -> &Function {
        self.sweep.get_or_init(|| self.function("sweep")).await
    }

    pub async fn control(&self) -> &Function {
        self.control.get_or_init(|| self.function("control")).await
    }

    /// A statement by plain SQL, as a legacy writer or an operator would.
    pub async fn sql(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap();
    }

    /// The one value of a query, as text.
    pub async fn value(&self, sql: &str) -> String {
        let rows = self.client().await.simple_query(sql).await.unwrap();
        let row = rows.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        row.and_then(|row| row.get(0))
            .unwrap_or_default()
            .to_owned()
    }

    pub async fn client(&self) -> tokio_postgres::Client {
        let secret: Value = serde_json::from_str(&self.superuser).unwrap();
        let text = |name: &str| secret[name].as_str().unwrap().to_owned();
        let mut config = tokio_postgres::Config::new();
        config
            .host(text("host"))
            .port(u16::try_from(secret["port"].as_u64().unwrap()).unwrap());
        config
            .user(text("username"))
            .password(text("password"))
            .dbname(text("dbname"));
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Points the functions at a port where no database is; returns what brings it back.
    pub fn database_down(&self) -> String {
        let mut secret: Value = serde_json::from_str(&self.superuser).unwrap();
        secret["port"] = 1.into();
        self.secrets.put("postern/database", secret.to_string());
        self.superuser.clone()
    }

    /// The database's credentials, for another world's functions.
    pub fn secrets_database(&self) -> String {
        self.superuser.clone()
    }

    /// A store on this world's database, as a function has one.
    pub async fn store(&self) -> Store {
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(self.secrets.url())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .load()
            .await;
        let env = Env::from_pairs([
            ("DATABASE_SECRET_ID", "postern/database"),
            ("DATABASE_POOL_MAX", "16"),
            ("DATABASE_TIMEOUT_MS", "15000"),
        ]);
        let secrets = Secrets::from_sdk(&sdk, &SecretsConfig::from_env(&env).unwrap());
        Store::new(DatabaseConfig::from_env(&env).unwrap(), Arc::new(secrets)).unwrap()
    }

    pub async fn command(&self, command: Value) -> Value {
        match self.control().await.invoke(command, TIMEOUT).await.unwrap() {
            Invocation::Ok(answer) => answer,
            Invocation::Error {
                error_type,
                message,
            } => panic!("control failed: {error_type}: {message}"),
        }
    }

    pub async fn ok(&self, command: Value) -> Value {
        let answer = self.command(command.clone()).await;
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer
    }

    /// One invocation of the sweep: its report, or the text of its failure.
    pub async fn sweep(&self, input: Value) -> Result<Value, String> {
        match self
            .sweep_function()
            .await
            .invoke(input, TIMEOUT)
            .await
            .unwrap()
        {
            Invocation::Ok(report) => Ok(report),
            Invocation::Error { message, .. } => Err(message),
        }
    }

    /// Two organizations, `a` and `b`; each has the agents `shared` and one of its own, a Slack
    /// connection, and a key for openai.
    pub async fn tenants(&self) {
        for org in ["a", "b"] {
            self.ok(json!({"command": "put_organization", "id": org}))
                .await;
            for agent in ["shared", &format!("agent-{org}"), &format!("second-{org}")] {
                self.ok(json!({"command": "put_agent", "organization_id": org, "agent_id": agent}))
                    .await;
            }
            let chats = [
                (
                    "slack",
                    json!({"bot_token": format!("xoxb-{org}"), "signing_secret": SIGNING_SECRET}),
                    self.slack.api_base_url(),
                ),
                (
                    "telegram",
                    json!({"bot_token": format!("1:{org}"), "secret_token": [SECRET_TOKEN, "Former"]}),
                    self.telegram.api_base_url(),
                ),
                (
                    "discord",
                    json!({"bot_token": org, "public_key": discord::public_key(&DISCORD_SEED).unwrap(), "application_id": "900"}),
                    self.discord.api_base_url(),
                ),
            ];
            for (platform, secret, api) in chats {
                let secret_ref = format!("postern/org/{org}/chat/{platform}");
                self.secrets.put(&secret_ref, secret.to_string());
                self.ok(json!({"command": "put_connection", "organization_id": org, "id": format!("{platform}-{org}"),
                    "platform": platform, "secret_ref": secret_ref, "config": {"api_base_url": api}}))
                    .await;
            }
        }
        self.secrets.put("postern/org/a/keys/openai", REAL_KEY);
        self.secrets
            .put("postern/org/a/callback-signing", CALLBACK_KEY);
    }

    /// Puts an organization under a policy.
    pub async fn policy(&self, org: &str, rules: Value) {
        self.ok(json!({"command": "put_policy", "organization_id": org, "rules": rules}))
            .await;
    }

    /// A decision for a tunnel.
    pub async fn egress(&self, token: &str, body: &Value) -> Answer {
        let request = HttpRequest::post_json("/v1/egress/decide", body)
            .header("x-postern-worker-token", token);
        self.call_proxy(request).await
    }

    /// A placeholder of an organization's agent, with that organization's openai key.
    pub async fn placeholder(&self, org: &str, agent: &str) -> String {
        self.minted(org, agent, json!({"secret_ref": format!("postern/org/{org}/keys/openai"), "allowed_hosts": ["127.0.0.1"]})).await
    }

    pub async fn minted(&self, org: &str, agent: &str, extra: Value) -> String {
        let mut mint = json!({"command": "mint_placeholder", "organization_id": org, "agent_id": agent,
            "env_var_name": "OPENAI_API_KEY", "deployment_name": "d1"});
        mint.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        self.ok(mint).await["placeholder"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// A worker token without a conversation.
    pub async fn token(&self, org: &str, agent: &str, extra: Value) -> String {
        let mut mint = json!({"command": "mint_worker_token", "organization_id": org, "agent_id": agent, "deployment_name": "d1"});
        mint.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        self.ok(mint).await["token"].as_str().unwrap().to_owned()
    }

    /// A worker token of the agent `agent-{org}` in a conversation with a person.
    pub async fn conversing(&self, org: &str, user: &str) -> String {
        self.token(org, &format!("agent-{org}"), talk(org, user))
            .await
    }

    /// A worker token of the agent `agent-a` that talks to a person over one of a's connections.
    pub async fn talking(&self, platform: &str, user: &str, channel: &str) -> String {
        self.token(
            "a",
            "agent-a",
            json!({"connection_id": format!("{platform}-a"), "user_id": user,
            "channel_id": channel, "conversation_id": channel}),
        )
        .await
    }

    pub async fn withdraw(&self, token: &str, id: &str) -> Answer {
        let request = HttpRequest::new("DELETE", &format!("/v1/interactions/{id}"));
        self.call_webhooks(request.header("x-postern-worker-token", token))
            .await
    }

    /// A worker in a conversation, as the store sees it.
    pub async fn conversation(
        &self,
        org: &str,
        agent: &str,
        connection: &str,
        user: &str,
    ) -> VerifiedWorker {
        let mut extra = talk(org, user);
        extra["connection_id"] = connection.into();
        let token = self.token(org, agent, extra).await;
        token::verify(&PUBLIC_KEYS.into(), &token).unwrap()
    }

    /// A worker as the functions see one.
    pub async fn worker(&self, org: &str, agent: &str) -> VerifiedWorker {
        let token = self.token(org, agent, json!({})).await;
        token::verify(&PUBLIC_KEYS.into(), &token).unwrap()
    }

    pub async fn call_proxy(&self, request: HttpRequest) -> Answer {
        self.call_proxy_event(request.v2()).await
    }

    pub async fn call_proxy_event(&self, event: Value) -> Answer {
        Self::call_on(self.proxy().await, event).await
    }

    /// A call of these environments of the proxy.
    pub async fn call_on(proxy: &Function, event: Value) -> Answer {
        match proxy.invoke_streaming(event).await.unwrap() {
            StreamingInvocation::Response { prelude, mut body } => {
                let headers = prelude["headers"].as_object().cloned().unwrap_or_default();
                let mut answer = Answer {
                    status: prelude["statusCode"].as_u64().unwrap(),
                    headers: headers
                        .into_iter()
                        .map(|(k, v)| (k, v.as_str().unwrap_or_default().to_owned()))
                        .collect(),
                    body: Vec::new(),
                    broken: false,
                };
                while let Some(piece) = body.next().await {
                    match piece {
                        Ok(piece) => answer.body.extend_from_slice(&piece),
                        Err(_) => {
                            answer.broken = true;
                            break;
                        }
                    }
                }
                answer
            }
            StreamingInvocation::Error {
                error_type,
                message,
            } => panic!(
                "proxy failed: {error_type}: {message}\n{}",
                proxy.lines_so_far().await.join("\n")
            ),
        }
    }

    pub async fn call_webhooks(&self, request: HttpRequest) -> Answer {
        let webhooks = self.webhooks().await;
        match webhooks.invoke(request.v2(), TIMEOUT).await {
            Ok(Invocation::Ok(answer)) => {
                let headers = answer["headers"].as_object().cloned().unwrap_or_default();
                Answer {
                    status: answer["statusCode"].as_u64().unwrap(),
                    headers: headers
                        .into_iter()
                        .map(|(k, v)| (k, v.as_str().unwrap_or_default().to_owned()))
                        .collect(),
                    body: answer["body"]
                        .as_str()
                        .unwrap_or_default()
                        .as_bytes()
                        .to_vec(),
                    broken: false,
                }
            }
            failed => panic!(
                "webhooks failed: {failed:?}\n{}",
                webhooks.lines_so_far().await.join("\n")
            ),
        }
    }

    /// Asks a question; the answer to the asker.
    pub async fn ask(&self, token: &str, body: &Value) -> Answer {
        let request = HttpRequest::post_json("/v1/interactions", body)
            .header("x-postern-worker-token", token);
        self.call_webhooks(request).await
    }

    pub async fn read(&self, token: &str, id: &str) -> Answer {
        let request = HttpRequest::get(&format!("/v1/interactions/{id}"))
            .header("x-postern-worker-token", token);
        self.call_webhooks(request).await
    }

    /// A properly signed click; the answer to Slack.
    pub async fn click(&self, connection: &str, click: &Press<'_>) -> Answer {
        self.call_webhooks(click.request(connection, &self.slack.cards()))
            .await
    }
}

/// The claims of a conversation on an organization's Slack connection.
pub fn talk(org: &str, user: &str) -> Value {
    json!({"connection_id": format!("slack-{org}"), "user_id": user, "channel_id": "C1", "conversation_id": "1700000000.000100"})
}

pub fn question(id: &str) -> Value {
    json!({"id": id, "kind": "question", "question": "Deploy?", "options": ["Yes", "No"]})
}

/// Somebody's click in the sample Slack: on an option of the newest card of an interaction, unless it
/// says which message or which button.
#[derive(Clone)]
pub struct Press<'a> {
    pub user: &'a str,
    /// `{interaction}:{index of the option}`, or a button's id as it is sent, for one that is malformed.
    pub option: &'a str,
    pub action_ts: &'a str,
    pub team: &'a str,
    /// The clicked message, where it is not the card's own.
    pub message: Option<&'a str>,
}

impl Press<'_> {
    pub fn body(&self, connection: &str, cards: &[PostedCard]) -> String {
        let posted = Posted::on(connection, cards, self.message);
        let (card, button) = posted.pressed(self.option, "C1", "1700000000.0001");
        click_body(Click {
            team_id: self.team.into(),
            api_app_id: "A1".into(),
            user_id: self.user.into(),
            channel_id: card.channel,
            message_ts: self.message.map_or(card.message, str::to_owned),
            action_id: button,
            value: "what the click says is ignored".into(),
            action_ts: self.action_ts.into(),
        })
    }

    pub fn request(&self, connection: &str, cards: &[PostedCard]) -> HttpRequest {
        signed(
            connection,
            self.body(connection, cards).into_bytes(),
            SIGNING_SECRET,
            unix_now(),
        )
    }
}

/// The cards that a press may be meant for.
pub struct Posted(Vec<PostedCard>);

impl Posted {
    /// Those of the connection's own bot, and among them those on this message; where there are none, all.
    pub fn on(connection: &str, cards: &[PostedCard], message: Option<&str>) -> Self {
        let org = connection.rsplit('-').next().unwrap_or_default();
        let own = |card: &&PostedCard| card.token.ends_with(org);
        let here = |card: &&PostedCard| message.is_some_and(|message| card.message == message);
        let mut found: Vec<&PostedCard> = cards.iter().collect();
        if found.iter().any(&own) {
            found.retain(&own);
        }
        if found.iter().any(&here) {
            found.retain(&here);
        }
        Self(found.into_iter().cloned().collect())
    }

    /// The newest card of an option's interaction and the option's button; where the option names none
    /// that was posted, itself as a button, on this message.
    pub fn pressed(&self, option: &str, channel: &str, message: &str) -> (PostedCard, String) {
        let parsed = option.rsplit_once(':');
        let parsed = parsed.and_then(|(id, index)| Some((id, index.parse::<usize>().ok()?)));
        if let Some((id, index)) = parsed
            && let Some(card) = self.0.iter().rfind(|card| card.shows(id))
        {
            return (card.clone(), card.button(index));
        }
        let nowhere = PostedCard {
            token: String::new(),
            channel: channel.into(),
            message: message.into(),
            buttons: Vec::new(),
        };
        (nowhere, option.into())
    }
}

pub fn press<'a>(user: &'a str, option: &'a str) -> Press<'a> {
    Press {
        user,
        option,
        action_ts: "1700000001.000001",
        team: "T1",
        message: None,
    }
}

pub fn signed(connection: &str, body: Vec<u8>, secret: &str, at: i64) -> HttpRequest {
    HttpRequest::new("POST", &format!("/webhooks/{connection}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-slack-request-timestamp", &at.to_string())
        .header("x-slack-signature", &sign(secret, at, &body))
        .body(body)
}

impl World {
    /// A press in the sample Telegram, as it comes to a connection; `option` as in `Press`.
    pub fn telegram_press(
        &self,
        connection: &str,
        user: i64,
        option: &str,
        query: &str,
    ) -> HttpRequest {
        let chat = user.to_string();
        let posted = Posted::on(connection, &self.telegram.cards(), None);
        let (card, data) = posted.pressed(option, &chat, "9");
        let click = TelegramClick {
            callback_query_id: query.into(),
            user_id: user,
            chat_id: card.channel.parse().unwrap(),
            message_id: card.message.parse().unwrap(),
            data,
        };
        let update = telegram::update(&click);
        HttpRequest::post_json(&format!("/webhooks/{connection}"), &update)
            .header("x-telegram-bot-api-secret-token", SECRET_TOKEN)
    }

    /// A press in the sample Discord, as it comes to a connection; `option` as in `Press`.
    pub fn discord_press(
        &self,
        connection: &str,
        user: &str,
        option: &str,
        id: &str,
    ) -> HttpRequest {
        let posted = Posted::on(connection, &self.discord.cards(), None);
        let (card, custom_id) = posted.pressed(option, "333", "444");
        let click = DiscordClick {
            interaction_id: id.into(),
            guild: true,
            user_id: user.into(),
            channel_id: card.channel,
            message_id: card.message,
            custom_id,
        };
        let body = discord::interaction(&click).to_string().into_bytes();
        discord_signed(connection, body, unix_now())
    }
}

pub fn discord_signed(connection: &str, body: Vec<u8>, at: i64) -> HttpRequest {
    HttpRequest::new("POST", &format!("/webhooks/{connection}"))
        .header("content-type", "application/json")
        .header("x-signature-timestamp", &at.to_string())
        .header(
            "x-signature-ed25519",
            &discord::sign(&DISCORD_SEED, at, &body).unwrap(),
        )
        .body(body)
}

pub fn unix_now() -> i64 {
    i64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap()
}

/// An agent's call through the proxy with a placeholder as a bearer.
pub fn through(path: &str, bearer: &str) -> HttpRequest {
    HttpRequest::post_json(
        &format!("/api/proxy/{path}"),
        &json!({"model": "m", "messages": []}),
    )
    .header("authorization", &format!("Bearer {bearer}"))
}

/// The id by which a worker token is revoked.
pub fn jti(token: &str) -> String {
    let claims: Value =
        serde_json::from_slice(&unbase64url(token.split('.').nth(1).unwrap())).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

pub fn unbase64url(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .unwrap()
}
