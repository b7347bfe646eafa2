//! The turns in which a connection's messages are sent, among all environments.

use super::row::{Columns, one};
use super::{Parameter, Store, StoreError, malformed, millis};
use crate::authority::scope::ConnectionScope;
use crate::rate::Rates;
use std::time::Duration;
use tokio_postgres::types::Type;

impl Store {
    /// Takes the next turn to send a message to the channel, if it comes within `most`. Returns how long to wait for the turn; if that is more
    /// than `most`, none was taken.
    pub async fn chat_turn(
        &self,
        scope: &ConnectionScope,
        channel: &str,
        most: Duration,
        rates: Rates,
    ) -> Result<Duration, StoreError> {
        let rates = [rates.channel, rates.bot];
        let apart = rates.map(|rate| millis(rate.apart) as f64);
        let each = rates.map(|rate| millis(rate.each) as f64);
        let burst = rates.map(|rate| i32::try_from(rate.burst).unwrap_or(i32::MAX));
        let parameters: [Parameter<'_>; 7] = [
            (&scope.organization().as_str(), Type::TEXT),
            (&scope.connection().as_str(), Type::TEXT),
            (&channel, Type::TEXT),
            (&(millis(most) as f64), Type::FLOAT8),
            (&apart.as_slice(), Type::FLOAT8_ARRAY),
            (&each.as_slice(), Type::FLOAT8_ARRAY),
            (&burst.as_slice(), Type::INT4_ARRAY),
        ];
        let rows = self.call("chat_turn_1", &parameters).await?;
        let wait: f64 = one(&rows)?.column("wait_ms")?;
        Duration::try_from_secs_f64(wait.max(0.0) / 1000.0).map_err(malformed)
    }

    /// Gives no turn to the channel for this time; to none of the connection's without a channel.
    pub async fn chat_pause(
        &self,
        scope: &ConnectionScope,
        channel: Option<&str>,
        time: Duration,
    ) -> Result<(), StoreError> {
        let parameters: [Parameter<'_>; 4] = [
            (&scope.organization().as_str(), Type::TEXT),
            (&scope.connection().as_str(), Type::TEXT),
            (&channel.unwrap_or_default(), Type::TEXT),
            (&(millis(time) as f64), Type::FLOAT8),
        ];
        self.call("chat_pause_1", &parameters).await.map(drop)
    }
}
