//! What every function stands on: the database and the secrets.

use crate::config::Env;
use crate::secret::{SecretNames, Secrets, SecretsConfig};
use crate::store::{DatabaseConfig, Store};
use std::sync::Arc;

/// The store, the secrets, and the names of tenants' secrets.
pub struct Base {
    /// The database.
    pub store: Arc<Store>,
    /// Secrets Manager, with a cache.
    pub secrets: Arc<Secrets>,
    /// How tenants' secrets are named.
    pub names: SecretNames,
}

impl Base {
    /// Reads the environment. Neither the database nor Secrets Manager is called: the first request does, if it
    /// needs to.
    ///
    /// # Errors
    /// Where a variable of `SecretsConfig` or `DatabaseConfig` is missing or malformed, or the platform's
    /// certificate roots cannot be read.
    pub async fn from_env(env: &Env) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let config = SecretsConfig::from_env(env)?;
        let database = DatabaseConfig::from_env(env)?;
        let secrets = Arc::new(Secrets::new(&config).await);
        Ok(Self {
            store: Arc::new(Store::new(database, Arc::clone(&secrets))?),
            secrets,
            names: SecretNames::new(config.prefix),
        })
    }
}
