//! Keeps the rates of a connection in the store, for all environments.

use crate::authority::scope::ConnectionScope;
use crate::chat::{Paused, Turns};
use crate::rate::Rates;
use crate::store::Store;
use futures_util::future::{BoxFuture, FutureExt};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// The turns of one connection.
pub(super) struct StoredTurns {
    pub(super) store: Arc<Store>,
    pub(super) scope: ConnectionScope,
}

impl Turns for StoredTurns {
    fn take<'a>(
        &'a self,
        channel: &'a str,
        rates: Rates,
        most: Duration,
        until: Instant,
    ) -> BoxFuture<'a, Option<Duration>> {
        let taken = async move {
            let store = self.store.until(until);
            store.chat_turn(&self.scope, channel, most, rates).await
        };
        let logged = |result: Result<Duration, _>| {
            result.inspect_err(|error| tracing::warn!(event = "turn_failed", cause = %error))
        };
        taken.map(logged).map(Result::ok).boxed()
    }

    fn pause<'a>(&'a self, whom: Paused<'a>, time: Duration, until: Instant) -> BoxFuture<'a, ()> {
        let channel = match whom {
            Paused::Channel(channel) => Some(channel),
            Paused::Bot => None,
        };
        async move {
            // Without it others only learn from the platform that they have to wait.
            let store = self.store.until(until);
            let paused = store.chat_pause(&self.scope, channel, time);
            if let Err(error) = paused.await {
                tracing::warn!(event = "turn_failed", cause = %error);
            }
        }
        .boxed()
    }
}
