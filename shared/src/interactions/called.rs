//! What a platform's webhook call needs before it can be verified: the connection's row and its secret.

use super::Interactions;
use super::claim::AckBudget;
use crate::authority::Connection;
use crate::chat::Connected;
use crate::error::{Code, Error};
use crate::id::ConnectionId;
use crate::secret::ChatPermit;
use lru::LruCache;
use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

/// Maximum number of connections whose secret's name one environment remembers.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1000).expect("1000 is not zero");

/// The secrets of connections that called before, by name. After an idle hour the row and the secret have to be read
/// again; with the name, both are read at the same time. The row decides: a name that it no longer has was read in
/// vain.
pub(super) struct Remembered(Mutex<LruCache<ConnectionId, ChatPermit>>);

impl Default for Remembered {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl Remembered {
    fn of(&self, id: &ConnectionId) -> Option<ChatPermit> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(id).cloned()
    }

    fn hold(&self, id: &ConnectionId, permit: ChatPermit) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.put(id.clone(), permit);
    }
}

impl Interactions {
    /// The connection that a webhook names, and its platform with the connection's secret. `None` if there is no such
    /// connection.
    ///
    /// # Errors
    /// `database_unavailable` or `secret_unavailable`, also if the budget is used up before.
    pub async fn called(
        &self,
        id: &ConnectionId,
        budget: AckBudget,
    ) -> Result<Option<(Connection, Connected<'_>)>, Error> {
        let store = self.store.until(budget.calls_end());
        let ahead = async {
            if let Some(permit) = self.remembered.of(id) {
                let read = self.secrets.read_ahead(&permit);
                // What is missing then fails below.
                let _ = tokio::time::timeout_at(budget.calls_end(), read).await;
            }
        };
        let (row, ()) = futures_util::future::join(store.connection_claimed(id), ahead).await;
        let Some(connection) = row? else {
            return Ok(None);
        };
        let connecting = Box::pin(self.connect(&connection));
        let connected = tokio::time::timeout_at(budget.calls_end(), connecting).await;
        let platform = connected
            .map_err(|_| Code::SecretUnavailable.because("ACK_BUDGET_MS is used up"))??;
        if let Ok(permit) = connection.permit(&self.names) {
            self.remembered.hold(id, permit);
        }
        Ok(Some((connection, platform)))
    }
}
