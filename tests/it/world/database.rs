//! The database of a world, for plain SQL and for the store that the functions use.

use super::World;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::config::Credentials;
use futures_util::{StreamExt, stream::poll_fn};
use postern::base::Base;
use postern::config::Env;
use postern::interactions::Interactions;
use postern::secret::{SecretNames, SecretsConfig};
use postern::store::{DatabaseConfig, Schema};
use postern::wire::{AllowedPrivate, client::GuardedClient};
use postern::{Secrets, Store};
use postern_stack::Postgres;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{OnceCell, mpsc};
use tokio_postgres::{AsyncMessage, NoTls};

static POSTGRES: OnceCell<Postgres> = OnceCell::const_new();

/// The server that the whole run shares; it holds a migrated template.
pub(super) async fn postgres() -> &'static Postgres {
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
        world.create_logins(&postgres).await;
        postgres
    };
    POSTGRES.get_or_init(start).await
}

impl World {
    /// Creates the functions' logins on the world's server.
    pub async fn create_logins(&self, postgres: &Postgres) {
        let printed = self.command(json!({"command": "logins"})).await;
        let sql = printed["sql"].as_str().unwrap();
        postgres.create_logins(sql).await.unwrap();
    }

    /// Runs plain SQL, as a legacy writer or an operator would.
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
        let (client, connection) = self.superuser().connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A client, and what the server sends beside the answers. A notice is there before the answer is.
    pub async fn noticing(&self) -> (tokio_postgres::Client, mpsc::UnboundedReceiver<String>) {
        let (client, mut connection) = self.superuser().connect(NoTls).await.unwrap();
        let (send, notices) = mpsc::unbounded_channel();
        let mut messages = poll_fn(move |context| connection.poll_message(context));
        tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                if let AsyncMessage::Notice(notice) = message {
                    let _ = send.send(notice.message().to_owned());
                }
            }
        });
        (client, notices)
    }

    fn superuser(&self) -> tokio_postgres::Config {
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
        config
    }

    /// Points the functions at a port without a database; returns the secret that brings it back.
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

    /// A store on this world's database, made as this function makes its own.
    pub async fn store(&self, schema: Schema) -> Store {
        let login = format!("{}_login", schema.as_str());
        self.store_as(schema, &[("DATABASE_USER", &login)]).await
    }

    /// The same with the login that owns the schema.
    pub async fn owning_store(&self) -> Store {
        self.store_as(Schema::Control, &[]).await
    }

    /// The operations on interactions of a Lambda function, in this process.
    pub async fn interactions(&self, schema: Schema, chat_hosts: &str) -> Interactions {
        let login = format!("{}_login", schema.as_str());
        let (store, secrets) = self.parts(schema, &[("DATABASE_USER", &login)]).await;
        let env = Env::from_pairs([("ALLOW_PRIVATE_UPSTREAMS", chat_hosts)]);
        let client = GuardedClient::for_chat(AllowedPrivate::from_env(&env).unwrap()).unwrap();
        let base = Base {
            store: Arc::new(store),
            secrets,
            names: SecretNames::new("postern/"),
        };
        Interactions::from_env(&env, &base, Arc::new(client)).unwrap()
    }

    async fn store_as(&self, schema: Schema, user: &[(&str, &str)]) -> Store {
        self.parts(schema, user).await.0
    }

    async fn parts(&self, schema: Schema, user: &[(&str, &str)]) -> (Store, Arc<Secrets>) {
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(self.secrets.url())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .load()
            .await;
        let env = Env::from_pairs(
            [
                ("DATABASE_SECRET_ID", "postern/database"),
                ("DATABASE_POOL_MAX", "16"),
                ("DATABASE_TIMEOUT_MS", "15000"),
            ]
            .into_iter()
            .chain(user.iter().copied()),
        );
        let secrets = Secrets::from_sdk(&sdk, &SecretsConfig::from_env(&env).unwrap());
        let (secrets, config) = (Arc::new(secrets), DatabaseConfig::from_env(&env).unwrap());
        let store = Store::new(config, Arc::clone(&secrets), schema).unwrap();
        (store, secrets)
    }
}
