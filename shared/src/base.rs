//! The parts that every function needs: the database and the secrets.

use crate::config::Env;
use crate::secret::{SecretNames, Secrets, SecretsConfig};
use crate::store::{Caller, DatabaseConfig, Store};
use std::sync::Arc;

/// The store, the secrets, and the names of tenants' secrets.
pub struct Base {
    /// The database. It connects when the first statement is sent.
    pub store: Arc<Store>,
    /// Secrets Manager, behind a cache.
    pub secrets: Arc<Secrets>,
    /// The naming scheme of tenants' secrets.
    pub names: SecretNames,
}

impl Base {
    /// Reads the environment of the function `caller`. The database and Secrets Manager are called later, by the first request that
    /// needs them.
    ///
    /// # Errors
    /// A variable of `SecretsConfig` or `DatabaseConfig` is missing or malformed, or the connection pool cannot
    /// be built.
    pub async fn from_env(
        env: &Env,
        caller: Caller,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let config = SecretsConfig::from_env(env)?;
        let database = DatabaseConfig::from_env(env)?;
        let secrets = Arc::new(Secrets::new(&config).await);
        Ok(Self {
            store: Arc::new(Store::new(database, Arc::clone(&secrets), caller)?),
            secrets,
            names: SecretNames::new(config.prefix),
        })
    }
}
