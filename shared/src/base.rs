//! The parts that every function needs: the database and the secrets.

use crate::config::Env;
use crate::secret::{SecretNames, Secrets, SecretsConfig};
use crate::store::{DatabaseConfig, Schema, Store};
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
    /// Reads the environment of a function that calls this schema. The database and Secrets Manager are called
    /// later, by the first request that needs them.
    ///
    /// # Errors
    /// A variable of `SecretsConfig` or `DatabaseConfig` is missing or malformed, or the connection pool cannot
    /// be built.
    pub async fn from_env(
        env: &Env,
        schema: Schema,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let config = SecretsConfig::from_env(env)?;
        let database = DatabaseConfig::from_env(env)?;
        let secrets = Arc::new(Secrets::new(&config).await);
        Ok(Self {
            store: Arc::new(Store::new(database, Arc::clone(&secrets), schema)?),
            secrets,
            names: SecretNames::new(config.prefix),
        })
    }
}
