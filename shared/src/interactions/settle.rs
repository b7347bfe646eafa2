//! Settling: chat shows how an answered interaction ended.

use super::{Interactions, log_failure};
use crate::authority::scope::PersonScope;
use crate::chat::{Card, Connected, Earlier, Ending, Posted};
use crate::id::InteractionId;
use crate::question::{Answered, CardAddress, Malformed, Owed};
use crate::store::StoreError;
use tokio::time::Instant;

/// An answered interaction to settle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settlement<'a> {
    /// The question and its answer, or why they cannot be read.
    pub(super) answered: &'a Result<Answered, Malformed>,
    /// The address of its card.
    pub(super) card: &'a CardAddress,
    /// The updates to send.
    pub(super) owed: &'a [Owed],
    /// An update that was made already and must be recorded with the others.
    pub(super) done: Option<Owed>,
}

impl Interactions {
    /// Sends the owed updates to chat and records those that were made. A receipt whose call may have succeeded
    /// is recorded as sent, so that it never appears twice.
    ///
    /// # Errors
    /// The updates could not be recorded.
    pub(super) async fn settle(
        &self,
        platform: &Connected<'_>,
        scope: &PersonScope,
        id: &InteractionId,
        settlement: Settlement<'_>,
        until: Instant,
    ) -> Result<(), StoreError> {
        let Some((card, ending)) = drawn(scope, id, settlement.answered) else {
            // It cannot be drawn later either, so its updates are dropped.
            let all = [Owed::Receipt, Owed::Card];
            return self.store.interaction_settled(scope, id, &all).await;
        };
        let at = settlement.card;
        let receipt = async {
            if !settlement.owed.contains(&Owed::Receipt) {
                return None;
            }
            let posted = platform
                .receipt(at, &ending, Earlier::default(), until)
                .await;
            let done = !matches!(posted, Posted::Refused(_) | Posted::Later(_));
            log_failure("receipt", posted);
            done.then_some(Owed::Receipt)
        };
        let edit = async {
            if !settlement.owed.contains(&Owed::Card) {
                return None;
            }
            let posted = platform
                .edit(at, &card, &ending, Earlier::default(), until)
                .await;
            let done = matches!(posted, Posted::Done(_));
            log_failure("card", posted);
            done.then_some(Owed::Card)
        };
        let (receipt, edit) = futures_util::future::join(receipt, edit).await;
        let mut done: Vec<Owed> = [receipt, edit].into_iter().flatten().collect();
        done.extend(settlement.done);
        if done.is_empty() {
            return Ok(());
        }
        self.store.interaction_settled(scope, id, &done).await
    }
}

/// The card of an answered interaction, and how it ended. If the stored JSON is malformed, that is logged and the
/// result is `None`; the answer stays valid.
pub(super) fn drawn(
    scope: &PersonScope,
    id: &InteractionId,
    answered: &Result<Answered, Malformed>,
) -> Option<(Card, Ending)> {
    match answered {
        Ok(answered) => Some((
            Card::new(id, scope, &answered.agent, &answered.payload, None),
            Ending::answered(scope.user(), &answered.answer),
        )),
        Err(error) => {
            not_drawn(scope, id, error);
            None
        }
    }
}

/// Logs that a card cannot be drawn.
pub(super) fn not_drawn(scope: &PersonScope, id: &InteractionId, error: &Malformed) {
    tracing::error!(
        event = "card_not_drawn",
        organization_id = scope.organization().as_str(),
        interaction_id = id.as_str(),
        cause = %error
    );
}
