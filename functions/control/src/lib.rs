//! The control function: the operator's commands. It has no public address; IAM decides who may invoke it.

mod command;
mod connection_test;
mod explain;
mod sealing;

pub use command::Command;
use command::{
    Explain, List, MintPlaceholder, MintWorkerToken, PutConnection, PutProfile, PutProvider,
};
use connection_test::ConnectionTest;
use postern::authority::token::{self, NewToken};
use postern::base::Base;
use postern::chat::{ApiHosts, Chat, check_config};
use postern::config::Env;
use postern::id::TokenId;
use postern::provider::{NewProvider, Providers};
use postern::question::GrantPattern;
use postern::secret::{Freshness, OperatorSecret, SecretNames};
use postern::store::{DatabaseConfig, NewPlaceholder, NewProfile, Record, Schema, Written};
use postern::wire::AllowedPrivate;
use postern::wire::answer::{error_body, log_error, rfc3339};
use postern::wire::client::GuardedClient;
use postern::{Code, Error, Placeholder, Secrets, Store};
use sealing::Sealing;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// Creates a login for each function, with the least rights and bounds of its own.
const LOGINS: &str = include_str!("logins.sql");

/// The control function.
pub struct App {
    store: Arc<Store>,
    /// The database as `migrate` sees it, with a login that owns the schema.
    owned: Store,
    secrets: Arc<Secrets>,
    names: SecretNames,
    signing_key: OperatorSecret,
    /// The operator's providers. Without a policy, only their hosts and those of the organization's own are allowed.
    providers: Providers,
    /// The private hosts that tenants' providers may use.
    allowed_private: AllowedPrivate,
    chat_hosts: ApiHosts,
    chat: Chat,
}

impl App {
    /// Reads the environment. The first command that needs the database connects to it.
    ///
    /// # Errors
    /// A variable is missing or malformed.
    pub async fn from_env(env: &Env) -> Result<Self, lambda_runtime::Error> {
        let base = Base::from_env(env, Schema::Control).await?;
        let owner = DatabaseConfig::of_migrations(env)?;
        let owned = Store::new(owner, Arc::clone(&base.secrets), Schema::Control)?;
        let allowed_private = AllowedPrivate::from_env(env)?;
        let chat_hosts = ApiHosts::from_env(env)?;
        let client = Arc::new(GuardedClient::for_chat(allowed_private.clone())?);
        Ok(Self {
            chat: Chat::new(client, chat_hosts.clone()),
            signing_key: OperatorSecret::from_env(env, "WORKER_TOKEN_SIGNING_SECRET_ID")?,
            providers: Providers::from_env(env)?,
            allowed_private,
            chat_hosts,
            owned,
            store: base.store,
            secrets: base.secrets,
            names: base.names,
        })
    }

    /// Runs one command and returns its JSON answer. Errors become answers too, in the form that all functions share,
    /// and are logged.
    pub async fn serve(&self, input: Value, request_id: &str) -> Value {
        let done = match Command::parse(input) {
            Ok(command) => Box::pin(self.run(command)).await,
            Err(error) => Err(error),
        };
        done.unwrap_or_else(|error| {
            log_error(&error, request_id);
            error_body(&error, request_id)
        })
    }

    async fn run(&self, command: Command) -> Result<Value, Error> {
        let store = &self.store;
        let sealing = Sealing {
            store,
            secrets: &self.secrets,
        };
        match command {
            Command::Migrate {} => self.owned.migrate().await?,
            Command::Logins {} => return Ok(json!({"sql": LOGINS})),
            Command::PutOrganization(put) => {
                let providers = put.system_providers.as_deref();
                store.organization_put(&put.id, providers).await?;
            }
            Command::PutAgent(put) => {
                let put = store.agent_put(&put.organization_id, &put.agent_id);
                written(put.await?)?;
            }
            Command::PutConnection(put) => self.put_connection(put).await?,
            Command::TestConnection(test) => {
                let chat = ConnectionTest {
                    store,
                    secrets: &self.secrets,
                    names: &self.names,
                    chat: &self.chat,
                };
                return chat.run(test).await;
            }
            Command::PutProfile(put) => self.put_profile(put).await?,
            Command::PutSecret(put) => written(sealing.put(put).await?)?,
            Command::Reseal(reseal) => return sealing.reseal(&reseal).await,
            Command::PutProvider(put) => self.put_provider(*put).await?,
            Command::MintPlaceholder(mint) => return self.mint_placeholder(mint).await,
            Command::RevokeDeployment(revoke) => {
                let (organization, deployment) = (&revoke.organization_id, &revoke.deployment_name);
                let revoked = store.deployment_revoke(organization, deployment).await?;
                return Ok(json!({"revoked": revoked}));
            }
            Command::MintWorkerToken(mint) => return self.mint_worker_token(mint).await,
            Command::RevokeWorkerToken(revoke) => {
                let (organization, token) = (&revoke.organization_id, &revoke.jti);
                store
                    .token_revoke(organization, token, revoke.expires_at)
                    .await?;
            }
            Command::PutPolicy(put) => {
                let (organization, agent) = (&put.organization_id, put.agent_id.as_ref());
                let put = store.policy_put(organization, agent, &put.rules, put.observe);
                written(put.await?)?;
            }
            Command::Explain(explain) => return self.explain(explain).await,
            Command::RevokeGrant(grant) => {
                let revoked = store.record_delete(&Record::Grant(grant)).await?;
                return Ok(json!({"revoked": revoked}));
            }
            Command::List(list) => return self.list(list).await,
            Command::Get(record) => return self.get(&record).await,
            Command::Delete(record) => {
                while store.record_empty(&record).await? {}
                store.record_delete(&record).await?;
            }
        }
        Ok(json!({"ok": true}))
    }

    async fn explain(&self, explain: Explain) -> Result<Value, Error> {
        let target = explain::target(&explain.method, &explain.url)?;
        let (organization, agent) = (&explain.organization_id, &explain.agent_id);
        let pattern = GrantPattern::Host(target.host.clone());
        let facts = self.store.policy_explain(organization, agent, &pattern);
        explain::explain(facts.await?, &target, &self.providers)
    }

    async fn list(&self, list: List) -> Result<Value, Error> {
        let (organization, after) = (list.organization_id.as_ref(), list.after.as_ref());
        let page = self.store.record_list(list.kind, organization, after);
        let page = page.await?;
        let mut answer = json!({"items": page.items});
        if let Some(next) = page.next {
            answer["next"] = next.text().into();
        }
        Ok(answer)
    }

    async fn get(&self, record: &Record) -> Result<Value, Error> {
        let found = self.store.record_get(record).await?;
        found.ok_or_else(|| {
            let kind = record.kind();
            let (name, list) = (kind.as_str(), kind.plural());
            let message = format!("there is no such {name}; `list_{list}` shows those that exist");
            Error::new(Code::NotFound, message)
        })
    }

    async fn put_connection(&self, put: PutConnection) -> Result<(), Error> {
        self.names.chat(&put.organization_id, &put.secret_ref)?;
        let config = Value::Object(put.config);
        self.chat_hosts
            .base(put.platform, &config)
            .map_err(|rule| Error::field("config.api_base_url", rule))?;
        check_config(put.platform, &config)?;
        let put = self.store.connection_put(
            &put.organization_id,
            &put.id,
            put.platform,
            &put.secret_ref,
            &config,
        );
        written(put.await?)
    }

    async fn put_profile(&self, put: PutProfile) -> Result<(), Error> {
        self.names.key(&put.organization_id, &put.secret_ref)?;
        if put.user_id.is_some() && put.agent_id.is_none() {
            return Err(Error::field(
                "agent_id",
                "is required where `user_id` is given",
            ));
        }
        let profile = NewProfile {
            id: put.id,
            provider_id: put.provider_id,
            agent_id: put.agent_id,
            user_id: put.user_id,
            auth_type: put.auth_type,
            secret_ref: put.secret_ref,
            disabled: put.disabled,
        };
        written(
            self.store
                .profile_put(&put.organization_id, &profile)
                .await?,
        )
    }

    async fn put_provider(&self, put: PutProvider) -> Result<(), Error> {
        let shape = put.shape(&self.providers)?;
        let provider_id = put.provider_id.unwrap_or_else(|| put.slug.clone().into());
        let new = NewProvider::check(
            &self.providers,
            &self.allowed_private,
            put.slug,
            provider_id,
            &put.base_url,
            shape,
        )?;
        written(self.store.provider_put(&put.organization_id, &new).await?)
    }

    async fn mint_placeholder(&self, mint: MintPlaceholder) -> Result<Value, Error> {
        if let Some(secret_ref) = &mint.secret_ref {
            self.names.key(&mint.organization_id, secret_ref)?;
            if mint.allowed_hosts.is_empty() {
                return Err(Code::AllowedHostsRequired.into());
            }
        }
        let placeholder = Placeholder::mint();
        let new = NewPlaceholder {
            hash: placeholder.hash(),
            agent_id: mint.agent_id,
            user_id: mint.user_id,
            env_var_name: mint.env_var_name,
            deployment_name: mint.deployment_name,
            ttl_seconds: mint.ttl_seconds,
            secret_ref: mint.secret_ref,
            allowed_hosts: mint.allowed_hosts,
        };
        let minted = self.store.placeholder_mint(&mint.organization_id, &new);
        let expires_at = minted.await?.ok_or(Code::UnknownAgent)?;
        Ok(json!({"placeholder": placeholder.expose(), "expires_at": rfc3339(expires_at)}))
    }

    async fn mint_worker_token(&self, mint: MintWorkerToken) -> Result<Value, Error> {
        let (organization, agent) = (&mint.organization_id, &mint.agent_id);
        let issued_at = self
            .store
            .token_issue_time(organization, agent, &mint.deployment_name)
            .await?
            .ok_or(Code::UnknownAgent)?;
        let key = self
            .secrets
            .read(&self.signing_key, Freshness::Cached)
            .await?;
        let expires_at = issued_at + Duration::seconds(i64::from(mint.ttl_seconds));
        let jti = TokenId::parse(uuid::Uuid::new_v4().to_string())
            .map_err(|error| Code::Internal.because(error))?;
        let new = NewToken {
            agent: mint.agent_id,
            organization: mint.organization_id,
            deployment: mint.deployment_name,
            token: jti.clone(),
            issued_at: seconds(issued_at),
            expires_at: expires_at.unix_timestamp(),
            connection_id: mint.connection_id,
            user_id: mint.user_id,
            channel_id: mint.channel_id,
            conversation_id: mint.conversation_id,
            team_id: mint.team_id,
        };
        let token = token::mint(&key, new)?;
        // The token itself expires in whole seconds.
        let expires_at = expires_at.replace_nanosecond(0).unwrap_or(expires_at);
        Ok(json!({"token": token.expose_secret(), "jti": jti, "expires_at": rfc3339(expires_at)}))
    }
}

/// Converts the outcome of a write into an answer.
fn written(outcome: Written) -> Result<(), Error> {
    match outcome {
        Written::Done => Ok(()),
        Written::UnknownAgent => Err(Code::UnknownAgent.into()),
        Written::UnknownOrganization => Err(Code::UnknownOrganization.into()),
        Written::Taken => Err(Error::new(
            Code::ScopeConflict,
            "another organization has a connection of this id; use another id",
        )),
        Written::TooMany => Err(Error::new(
            Code::InvalidRequest,
            "the organization has 200 providers; delete one first",
        )),
    }
}

/// Unix seconds. Until the year 2242 an `f64` is precise enough for microseconds, the database's unit.
fn seconds(at: OffsetDateTime) -> f64 {
    at.unix_timestamp() as f64 + f64::from(at.microsecond()) / 1e6
}
