//! The parts of the proxy, made once at cold start.

use crate::limiter::Limiter;
use crate::record::ProxyMetrics;
use crate::rule_cache::RuleCache;
use bytes::Bytes;
use http_body_util::Full;
use lambda_http::Error as BoxError;
use postern::authority::access::{LegacyPlaceholders, Rules};
use postern::authority::token::Verifier;
use postern::base::Base;
use postern::config::Env;
use postern::gate::Gate;
use postern::interactions::Interactions;
use postern::judge::{Judge, JudgeConfig};
use postern::provider::Providers;
use postern::secret::OperatorSecret;
use postern::store::Schema;
use postern::telemetry::Metrics;
use postern::wire::AllowedPrivate;
use postern::wire::client::GuardedClient;
use postern::{Secrets, Store};
use std::{sync::Arc, time::Duration};

/// The proxy with everything that it needs.
pub struct App {
    pub(crate) store: Arc<Store>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) providers: Providers,
    pub(crate) rules: Rules,
    pub(crate) rule_cache: RuleCache,
    pub(crate) gate: Gate,
    pub(crate) metrics: ProxyMetrics,
    pub(crate) workers: Verifier,
    pub(crate) limiter: Limiter,
    pub(crate) client: Arc<GuardedClient<Full<Bytes>>>,
    pub(crate) header_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) total_timeout: Option<Duration>,
}

impl App {
    /// Reads the environment. It connects to nothing: the first request does.
    ///
    /// # Errors
    /// Where a variable is missing or malformed, or the platform's certificate roots cannot be read.
    pub async fn from_env(env: &Env, metrics: Metrics) -> Result<Self, BoxError> {
        let base = Base::from_env(env, Schema::Proxy).await?;
        let worker_keys = OperatorSecret::from_env(env, "WORKER_TOKEN_JWKS_SECRET_ID")?;
        let providers = Providers::from_env(env)?;
        let rules = Rules {
            legacy: env.parsed("LEGACY_PLACEHOLDERS", LegacyPlaceholders::Warn)?,
            require_worker_token: env.parsed("REQUIRE_WORKER_TOKEN", false)?,
            names: base.names.clone(),
        };
        let connect_timeout = env.bound("UPSTREAM_CONNECT_TIMEOUT_MS", 5_000)?;
        let allowed = AllowedPrivate::from_env(env)?;
        let client = Arc::new(GuardedClient::new(allowed, connect_timeout)?);
        let judge = Judge::new(
            JudgeConfig::from_env(env, &providers)?,
            Arc::clone(&base.store),
            Arc::clone(&base.secrets),
            &base.names,
            Arc::clone(&client),
        );
        let interactions = Interactions::from_env(env, &base, Arc::clone(&client))?;
        Ok(Self {
            providers,
            rules,
            rule_cache: RuleCache::new(),
            gate: Gate::new(judge, interactions, metrics),
            metrics: ProxyMetrics::from_env(env, metrics)?,
            workers: Verifier::new(Arc::clone(&base.secrets), worker_keys),
            limiter: Limiter::new(),
            client,
            header_timeout: env.bound("UPSTREAM_HEADER_TIMEOUT_MS", 840_000)?,
            idle_timeout: env.bound("UPSTREAM_IDLE_TIMEOUT_MS", 300_000)?,
            total_timeout: env.bound_if_set("UPSTREAM_TOTAL_TIMEOUT_MS")?,
            store: base.store,
            secrets: base.secrets,
        })
    }
}
