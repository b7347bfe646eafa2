//! Settling: chat is told how an answered interaction ended.

use super::{Interactions, log_failure};
use crate::authority::scope::PersonScope;
use crate::chat::{Card, Connected, Ending, Posted};
use crate::id::InteractionId;
use crate::question::{Answered, CardAddress, Owed};
use crate::store::StoreError;
use tokio::time::Instant;

/// What is to be settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settlement<'a> {
    pub(super) answered: &'a Answered,
    pub(super) card: &'a CardAddress,
    pub(super) owed: &'a [Owed],
    /// What is done already, to be written down with the rest.
    pub(super) done: Option<Owed>,
}

impl Interactions {
    /// Tells chat how an answered interaction ended, and writes down what is done of what it owes.
    /// A receipt is sent again only when it is sure that it was not sent.
    pub(super) async fn settle(
        &self,
        platform: &Connected<'_>,
        scope: &PersonScope,
        id: &InteractionId,
        settlement: Settlement<'_>,
        until: Instant,
    ) -> Result<(), StoreError> {
        let answered = settlement.answered;
        let card = Card::new(id, scope.user(), &answered.agent, &answered.payload);
        let ending = Ending::answered(&answered.answer);
        let at = settlement.card;
        let receipt = async {
            if !settlement.owed.contains(&Owed::Receipt) {
                return None;
            }
            let posted = platform.receipt(at, &card, &ending, until).await;
            let done = !matches!(posted, Posted::Refused(_));
            log_failure("receipt", posted);
            done.then_some(Owed::Receipt)
        };
        let edit = async {
            if !settlement.owed.contains(&Owed::Card) {
                return None;
            }
            let posted = platform.edit(at, &card, &ending, until).await;
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
