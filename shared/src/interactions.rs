//! The life of an interaction: asked, claimed, settled, withdrawn. The store decides first, and chat is then
//! updated; a failure in chat never changes the store's decision.

mod any_id;
mod approve;
mod ask;
mod called;
mod catch_up;
mod claim;
mod deliver;
mod due;
mod post;
mod rates;
mod settle;
mod turns;
mod wait;
mod withdraw;

pub use ask::AskOutcome;
pub use claim::AckBudget;

use crate::authority::Connection;
use crate::authority::access::TokenStanding;
use crate::base::Base;
use crate::chat::{ApiHosts, Chat, Connected, Later, Posted};
use crate::config::{ConfigError, Env};
use crate::error::{Code, Error};
use crate::secret::{Freshness, SecretNames, Secrets};
use crate::store::Store;
use crate::wire::AllowedPrivate;
use crate::wire::client::GuardedClient;
use bytes::Bytes;
use called::Remembered;
use deliver::Deliverer;
use http_body_util::Full;
use rates::StoredTurns;
use std::{sync::Arc, time::Duration};

/// Timeout of updating the card, and delivering the outcome, after a question was withdrawn or replaced.
const NEWS: Duration = Duration::from_secs(8);

/// The age at which a pending interaction can no longer be claimed and is swept: `PENDING_TTL_MS`, 24 hours by
/// default.
///
/// # Errors
/// `PENDING_TTL_MS` is malformed.
pub fn pending_ttl(env: &Env) -> Result<Duration, ConfigError> {
    env.bound("PENDING_TTL_MS", 86_400_000)
}

/// Operations on interactions, in the store, in chat and at agents' callback addresses.
pub struct Interactions {
    store: Arc<Store>,
    secrets: Arc<Secrets>,
    names: SecretNames,
    ttl: Duration,
    chat: Chat,
    remembered: Remembered,
    deliverer: Deliverer,
    client: Arc<GuardedClient<Full<Bytes>>>,
}

impl Interactions {
    /// Reads the environment. Calls to chat and to callback addresses go through `client`.
    ///
    /// # Errors
    /// `PENDING_TTL_MS`, `CHAT_API_HOSTS` or `ALLOW_PRIVATE_UPSTREAMS` is malformed.
    pub fn from_env(
        env: &Env,
        base: &Base,
        client: Arc<GuardedClient<Full<Bytes>>>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            ttl: pending_ttl(env)?,
            chat: Chat::new(Arc::clone(&client), ApiHosts::from_env(env)?),
            remembered: Remembered::default(),
            deliverer: Deliverer::new(base, Arc::clone(&client)),
            client,
            store: Arc::clone(&base.store),
            secrets: Arc::clone(&base.secrets),
            names: base.names.clone(),
        })
    }

    /// The private addresses that callback addresses may name.
    pub fn allowed(&self) -> &AllowedPrivate {
        self.client.allowed()
    }

    /// The connection's platform, with the connection's secret.
    ///
    /// # Errors
    /// `secret_unavailable`; `database_unavailable` where the secret is sealed.
    pub async fn connect(&self, connection: &Connection) -> Result<Connected<'_>, Error> {
        let permit = connection
            .permit(&self.names)
            .map_err(|error| Code::SecretUnavailable.because(error))?;
        let permit = self.store.located(permit).await?;
        let secret = self.secrets.read(&permit, Freshness::Cached).await?;
        #[expect(clippy::disallowed_methods, reason = "a turn gives access to nothing")]
        let scope = connection.own_scope();
        let turns = StoredTurns {
            store: Arc::clone(&self.store),
            scope,
        };
        self.chat.on(connection, &secret, turns)
    }
}

/// The error for a token that is no longer valid.
fn refused(token: TokenStanding) -> Error {
    match token.check() {
        Err(error) => error,
        Ok(()) => Code::InvalidWorkerToken.into(),
    }
}

/// Logs a call to chat that failed or may have failed. `what` names the message.
fn log_failure(what: &'static str, posted: Posted) {
    let why = match posted {
        Posted::Done(_) => return,
        Posted::Refused(why)
        | Posted::RefusedInDoubt(why)
        | Posted::Unknown(why)
        | Posted::Later(Later { why, .. }) => why,
    };
    tracing::warn!(event = "settle_failed", what, cause = why);
}
