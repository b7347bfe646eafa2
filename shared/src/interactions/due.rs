//! What is due, for the sweep: outcomes that were not delivered, and what answered interactions still owe
//! to chat.

use super::turns::{OF_ORGANIZATION, TO_RECEIVER, UnderWay};
use super::{Interactions, Settlement, log_store};
use crate::deadline::Deadline;
use crate::interactions::deliver::Delivered;
use crate::store::{Delivery, StoreError, Take, Unsettled};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{pin::pin, time::Duration};
use tokio::time::Instant;

/// How long what was taken is the taker's own; longer than an attempt takes.
const LEASE: Duration = Duration::from_secs(60);
/// How long a card or a receipt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Less time than this is not worth beginning with.
const WORTHWHILE: Duration = Duration::from_millis(500);

impl Interactions {
    /// Tries what is due to be delivered, in turns by organization, within the time left; how many
    /// arrived.
    ///
    /// # Errors
    /// The store's; what was taken is due again when its lease ends.
    pub async fn deliver_due(&self, deadline: Deadline) -> Result<u64, StoreError> {
        let (mut delivered, mut failed) = (0, None);
        let mut under_way = UnderWay::default();
        let mut running = FuturesUnordered::new();
        loop {
            let mut ended = Vec::new();
            if failed.is_none() && under_way.free() > 0 && deadline.left() > WORTHWHILE {
                let taking = self.take_deliveries(&under_way);
                let taken;
                (taken, ended) = meanwhile(&mut running, taking).await;
                match taken {
                    Ok(taken) => {
                        for delivery in taken {
                            under_way.begin(delivery.organization(), delivery.receiver());
                            running.push(self.try_delivery(delivery, deadline.within(LEASE)));
                        }
                    }
                    Err(error) => failed = Some(error),
                }
            }
            // Whoever is done makes room for more of its own organization, which may have been skipped.
            if ended.is_empty() {
                let Some(one) = running.next().await else {
                    break;
                };
                ended.push(one);
            }
            for (delivery, outcome) in ended {
                under_way.end(delivery.organization(), delivery.receiver());
                match outcome {
                    Ok(outcome) => delivered += u64::from(outcome == Delivered::Done),
                    Err(error) => failed = Some(error),
                }
            }
        }
        failed.map_or(Ok(delivered), Err)
    }

    async fn take_deliveries(&self, under_way: &UnderWay) -> Result<Vec<Delivery>, StoreError> {
        let take = Take {
            limit: under_way.free(),
            of_organization: OF_ORGANIZATION,
            to_receiver: TO_RECEIVER,
            busy_organizations: &under_way.busy_organizations(),
            busy_receivers: &under_way.busy_receivers(),
        };
        self.store.deliveries_due(take, LEASE).await
    }

    async fn try_delivery(
        &self,
        delivery: Delivery,
        until: Instant,
    ) -> (Delivery, Result<Delivered, StoreError>) {
        // The courier's own bound is shorter, so that a receiver that hangs gets its pause.
        let outcome = self.courier.deliver(&delivery, until).await;
        let outcome = outcome.inspect_err(|error| log_store(&delivery, error));
        (delivery, outcome)
    }

    /// Sees to what answered interactions still owe to chat, in turns by organization, within the time
    /// left.
    ///
    /// # Errors
    /// The store's; what was taken is due again later.
    pub async fn settle_due(&self, deadline: Deadline) -> Result<(), StoreError> {
        let mut failed = None;
        let mut under_way = UnderWay::default();
        let mut running = FuturesUnordered::new();
        loop {
            let mut ended = Vec::new();
            if failed.is_none() && under_way.free() > 0 && deadline.left() > WORTHWHILE {
                let busy = under_way.busy_organizations();
                let limit = under_way.free();
                let taking = self
                    .store
                    .interactions_unsettled(limit, OF_ORGANIZATION, &busy);
                let taken;
                (taken, ended) = meanwhile(&mut running, taking).await;
                match taken {
                    Ok(taken) => {
                        for unsettled in taken {
                            under_way.begin(unsettled.scope.organization(), "");
                            running.push(self.try_settling(unsettled, deadline.within(ATTEMPT)));
                        }
                    }
                    Err(error) => failed = Some(error),
                }
            }
            if ended.is_empty() {
                let Some(one) = running.next().await else {
                    break;
                };
                ended.push(one);
            }
            for (unsettled, outcome) in ended {
                under_way.end(unsettled.scope.organization(), "");
                if let Err(error) = outcome {
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn try_settling(
        &self,
        unsettled: Unsettled,
        until: Instant,
    ) -> (Unsettled, Result<(), StoreError>) {
        let outcome = match self.on(&unsettled.connection).await {
            Ok(platform) => {
                let settlement = Settlement {
                    answered: &unsettled.answered,
                    card: &unsettled.card,
                    owed: &unsettled.owed,
                    done: None,
                };
                let (scope, id) = (&unsettled.scope, &unsettled.id);
                self.settle(&platform, scope, id, settlement, until).await
            }
            Err(error) => {
                tracing::warn!(event = "settle_failed", what = "connection", cause = %error);
                Ok(())
            }
        };
        (unsettled, outcome)
    }
}

/// Waits for `wanted` while what runs goes on, and returns what of it ended. What runs may hold the
/// connection that `wanted` waits for, and its time passes.
async fn meanwhile<T, R: Future>(
    running: &mut FuturesUnordered<R>,
    wanted: impl Future<Output = T>,
) -> (T, Vec<R::Output>) {
    let mut wanted = pin!(wanted);
    let mut ended = Vec::new();
    loop {
        tokio::select! {
            got = &mut wanted => return (got, ended),
            Some(one) = running.next() => ended.push(one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{sync::Mutex, time::timeout};

    #[tokio::test]
    async fn what_runs_gives_back_the_connection_that_the_next_take_waits_for() {
        let connection = Mutex::new(());
        let mut running = FuturesUnordered::new();
        running.push(async {
            let held = connection.lock().await;
            tokio::task::yield_now().await;
            drop(held);
        });
        // It has the connection, and has not ended.
        assert!(futures_util::poll!(running.next()).is_pending());
        let taking = async { drop(connection.lock().await) };
        let both = meanwhile(&mut running, taking);
        timeout(Duration::from_secs(5), both).await.unwrap();
    }
}
