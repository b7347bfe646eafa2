//! Settling: chat shows how an answered interaction ended.

use super::{Interactions, log_failure};
use crate::authority::scope::PersonScope;
use crate::chat::{Card, Connected, Earlier, Ending, Posted};
use crate::id::InteractionId;
use crate::question::{Answered, CardAddress, Malformed, Owed};
use crate::store::StoreError;
use std::time::Duration;
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
    /// Whether a refusal is final. The click's is not: the sweep tries once more, since a bot may just have been
    /// removed from its channel.
    pub(super) last: bool,
}

/// What became of an update.
enum Update {
    /// It was made, or it never can be.
    Done(Owed),
    /// It is to be made after this time.
    Later(Duration),
    /// It was not owed.
    None,
}

impl Interactions {
    /// Sends the owed updates to chat, and records those that were made or never can be. The others are the sweep's,
    /// not before the time that the platform asks for.
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
            return self
                .store
                .interaction_settled(scope, id, &all, Duration::ZERO)
                .await;
        };
        let at = settlement.card;
        let earlier = Earlier {
            unlisted: settlement.last,
            patient: true,
            ..Earlier::default()
        };
        let receipt = async {
            if !settlement.owed.contains(&Owed::Receipt) {
                return Update::None;
            }
            let posted = platform.receipt(at, &ending, earlier, until).await;
            update(Owed::Receipt, posted, settlement.last)
        };
        let edit = async {
            if !settlement.owed.contains(&Owed::Card) {
                return Update::None;
            }
            let posted = platform.edit(at, &card, &ending, earlier, until).await;
            update(Owed::Card, posted, settlement.last)
        };
        let (receipt, edit) = futures_util::future::join(receipt, edit).await;
        let mut done: Vec<Owed> = settlement.done.into_iter().collect();
        let mut after = None;
        for update in [receipt, edit] {
            match update {
                Update::Done(owed) => done.push(owed),
                Update::Later(time) => after = after.max(Some(time)),
                Update::None => {}
            }
        }
        if done.is_empty() && after.is_none() {
            return Ok(());
        }
        self.store
            .interaction_settled(scope, id, &done, after.unwrap_or_default())
            .await
    }
}

/// What the result of a call means for an update. A receipt without an answer may have been posted and is not posted
/// again; an edit is. `last` says whether a refusal is final.
fn update(owed: Owed, posted: Posted, last: bool) -> Update {
    let update = match (&posted, owed) {
        (Posted::Done(_), _) | (Posted::Unknown(_) | Posted::RefusedInDoubt(_), Owed::Receipt) => {
            Update::Done(owed)
        }
        (Posted::Refused(_), _) if last => Update::Done(owed),
        (Posted::Refused(_), _) | (Posted::Unknown(_) | Posted::RefusedInDoubt(_), Owed::Card) => {
            Update::Later(Duration::ZERO)
        }
        (Posted::Later(later), _) => Update::Later(later.after),
    };
    log_failure(owed.as_str(), posted);
    update
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
