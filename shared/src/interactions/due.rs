//! Due work, for the sweep: cards to post, outcomes to deliver, and updates that chat has yet to receive about
//! answered interactions.

use super::deliver::{Delivered, log_store};
use super::settle::Settlement;
use super::turns::{OF_ORGANIZATION, TO_RECEIVER, UnderWay};
use super::{Interactions, catch_up};
use crate::deadline::Deadline;
use crate::id::OrganizationId;
use crate::store::{Delivery, StoreError, Take, Unposted, Unsettled};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{pin::pin, time::Duration};
use tokio::time::Instant;

/// How long a taken delivery is leased. An attempt takes less.
const LEASE: Duration = Duration::from_secs(60);
/// Timeout of settling one interaction.
const ATTEMPT: Duration = Duration::from_secs(10);
/// No delivery and no update is taken when less time than this is left.
const WORTHWHILE: Duration = Duration::from_millis(500);
/// No card is taken when less time than this is left. A card that cannot be posted in the rest of the time is put off.
const WORTHWHILE_POST: Duration = Duration::from_millis(4500);

impl Interactions {
    /// Attempts due deliveries, in turns by organization, until the deadline. Returns how many arrived.
    ///
    /// # Errors
    /// The store failed. Deliveries that were taken and not recorded are due again when their lease ends.
    pub async fn deliver_due(&self, deadline: Deadline) -> Result<u64, StoreError> {
        in_turns(&Deliveries(self), deadline).await
    }

    /// Posts the cards that are due, in turns by organization, until the deadline.
    ///
    /// # Errors
    /// The store failed. Cards that were taken and whose post was not noted are due again when their lease ends.
    pub async fn post_all_due(&self, deadline: Deadline) -> Result<(), StoreError> {
        in_turns(&Posts(self), deadline).await.map(drop)
    }

    /// Sends due updates about answered interactions to chat, in turns by organization, until the deadline.
    ///
    /// # Errors
    /// The store failed. Interactions that were taken and not recorded are due again later.
    pub async fn settle_due(&self, deadline: Deadline) -> Result<(), StoreError> {
        in_turns(&Settlements(self), deadline).await.map(drop)
    }
}

/// Cards to post.
struct Posts<'a>(&'a Interactions);

impl Work for Posts<'_> {
    type Item = Unposted;
    const BOUND: Duration = catch_up::ATTEMPT;
    const WORTHWHILE: Duration = WORTHWHILE_POST;

    /// All organizations share the chat platforms, so only organizations take turns and not receivers.
    fn turn(unposted: &Unposted) -> (&OrganizationId, &str) {
        (unposted.scope.organization(), "")
    }

    async fn take(&self, under_way: &UnderWay) -> Result<Vec<Unposted>, StoreError> {
        let (limit, busy) = (under_way.free(), under_way.busy_organizations());
        let (store, ttl) = (&self.0.store, self.0.ttl);
        store
            .interactions_unposted(limit, OF_ORGANIZATION, &busy, ttl, catch_up::LEASE)
            .await
    }

    async fn attempt(&self, unposted: &Unposted, until: Instant) -> Result<bool, StoreError> {
        Ok(self.0.post_due(unposted, until).await)
    }
}

/// A kind of due work.
trait Work: Sync {
    /// One piece of work, leased from the store.
    type Item: Send;
    /// Timeout of one attempt.
    const BOUND: Duration;
    /// Nothing more is taken when less time than this is left.
    const WORTHWHILE: Duration;

    /// The organization and the receiver that the item counts towards.
    fn turn(item: &Self::Item) -> (&OrganizationId, &str);

    /// Takes due items, except those of organizations and receivers that have enough under way.
    fn take(
        &self,
        under_way: &UnderWay,
    ) -> impl Future<Output = Result<Vec<Self::Item>, StoreError>> + Send;

    /// Makes one attempt. Returns whether the item is done.
    fn attempt(
        &self,
        item: &Self::Item,
        until: Instant,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Outcomes to deliver to agents.
struct Deliveries<'a>(&'a Interactions);

impl Work for Deliveries<'_> {
    type Item = Delivery;
    // The deliverer's own timeout is shorter, so that an attempt that hangs is recorded as failed.
    const BOUND: Duration = LEASE;
    const WORTHWHILE: Duration = WORTHWHILE;

    fn turn(delivery: &Delivery) -> (&OrganizationId, &str) {
        (delivery.organization(), delivery.receiver())
    }

    async fn take(&self, under_way: &UnderWay) -> Result<Vec<Delivery>, StoreError> {
        let take = Take {
            limit: under_way.free(),
            of_organization: OF_ORGANIZATION,
            to_receiver: TO_RECEIVER,
            busy_organizations: &under_way.busy_organizations(),
            busy_receivers: &under_way.busy_receivers(),
        };
        self.0.store.deliveries_due(take, LEASE).await
    }

    async fn attempt(&self, delivery: &Delivery, until: Instant) -> Result<bool, StoreError> {
        let outcome = self.0.deliverer.deliver(delivery, until).await;
        let outcome = outcome.inspect_err(|error| log_store(delivery, error))?;
        Ok(outcome == Delivered::Done)
    }
}

/// Answered interactions with updates to send to chat.
struct Settlements<'a>(&'a Interactions);

impl Work for Settlements<'_> {
    type Item = Unsettled;
    const BOUND: Duration = ATTEMPT;
    const WORTHWHILE: Duration = WORTHWHILE;

    /// All organizations share the chat platforms, so only organizations take turns and not receivers.
    fn turn(unsettled: &Unsettled) -> (&OrganizationId, &str) {
        (unsettled.scope.organization(), "")
    }

    async fn take(&self, under_way: &UnderWay) -> Result<Vec<Unsettled>, StoreError> {
        let (limit, busy) = (under_way.free(), under_way.busy_organizations());
        let store = &self.0.store;
        store
            .interactions_unsettled(limit, OF_ORGANIZATION, &busy)
            .await
    }

    async fn attempt(&self, unsettled: &Unsettled, until: Instant) -> Result<bool, StoreError> {
        let platform = match Box::pin(self.0.connect(&unsettled.connection)).await {
            Ok(platform) => platform,
            Err(error) => {
                tracing::warn!(event = "settle_failed", what = "connection", cause = %error);
                return Ok(false);
            }
        };
        let settlement = Settlement {
            answered: &unsettled.answered,
            card: &unsettled.card,
            owed: &unsettled.owed,
            done: None,
            last: true,
        };
        let (scope, id) = (&unsettled.scope, &unsettled.id);
        let settled = self.0.settle(&platform, scope, id, settlement, until);
        settled.await.map(|()| true)
    }
}

/// Takes items and attempts them, a few at a time, until nothing is due or the deadline is near. Returns how many
/// are done.
///
/// # Errors
/// The last failure of the store. After a failure nothing more is taken, and the items under way are finished.
async fn in_turns<W: Work>(work: &W, deadline: Deadline) -> Result<u64, StoreError> {
    let (mut done, mut failed) = (0, None);
    let mut under_way = UnderWay::default();
    let mut running = FuturesUnordered::new();
    loop {
        let mut ended = Vec::new();
        if failed.is_none() && under_way.free() > 0 && deadline.left() > W::WORTHWHILE {
            let taken;
            (taken, ended) = meanwhile(&mut running, work.take(&under_way)).await;
            match taken {
                Ok(taken) => {
                    for item in taken {
                        let (organization, receiver) = W::turn(&item);
                        under_way.begin(organization, receiver);
                        let until = deadline.within(W::BOUND);
                        running.push(async move {
                            let outcome = work.attempt(&item, until).await;
                            (item, outcome)
                        });
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        // A finished item makes room for others of its organization, which the last take may have skipped.
        if ended.is_empty() {
            let Some(one) = running.next().await else {
                break;
            };
            ended.push(one);
        }
        for (item, outcome) in ended {
            let (organization, receiver) = W::turn(&item);
            under_way.end(organization, receiver);
            match outcome {
                Ok(is_done) => done += u64::from(is_done),
                Err(error) => failed = Some(error),
            }
        }
    }
    failed.map_or(Ok(done), Err)
}

/// Waits for `wanted` while `running` goes on; returns its output, and those of the running futures that ended.
/// They must go on because one of them may hold the database connection that `wanted` waits for.
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
