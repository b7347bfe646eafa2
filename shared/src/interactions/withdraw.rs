//! Withdrawing: an agent takes back its own question.

use super::settle::not_drawn;
use super::{Interactions, NEWS, log_failure, refused};
use crate::authority::scope::{Conversation, VerifiedWorker};
use crate::chat::{Card, Ending};
use crate::error::{Code, Error};
use crate::id::InteractionId;
use crate::store::Withdrawal;
use tokio::time::Instant;

impl Interactions {
    /// Withdraws an unanswered interaction, updates its card, and delivers its outcome.
    ///
    /// # Errors
    /// `interaction_answered`, `unknown_interaction`, `database_unavailable`, or the error for a token that is no
    /// longer valid.
    pub async fn withdraw(
        &self,
        worker: &VerifiedWorker,
        conversation: &Conversation,
        id: &InteractionId,
    ) -> Result<(), Error> {
        let scope = conversation.scope();
        let withdrawal = self
            .store
            .interaction_withdraw(worker, conversation, id, self.ttl, NEWS)
            .await?;
        let withdrawn = match withdrawal {
            Withdrawal::Withdrawn(withdrawn) => withdrawn,
            Withdrawal::Answered => return Err(Code::InteractionAnswered.into()),
            Withdrawal::Unknown => return Err(Code::UnknownInteraction.into()),
            Withdrawal::Refused(token) => return Err(refused(token)),
        };
        let until = Instant::now() + NEWS;
        let updated = async {
            if let (Some(connection), Some(at)) = (&withdrawn.connection, &withdrawn.card) {
                let payload = match &withdrawn.payload {
                    Ok(payload) => payload,
                    Err(error) => return not_drawn(scope, id, error),
                };
                let agent = worker.agent().agent();
                let card = Card::new(id, scope, agent, payload, None);
                let edited = self.edit(connection, at, &card, &Ending::Withdrawn, until);
                log_failure("withdrawn card", edited.await);
            }
        };
        let delivered = async {
            if let Some(delivery) = &withdrawn.delivery {
                self.deliver(delivery, until).await;
            }
        };
        futures_util::future::join(updated, delivered).await;
        Ok(())
    }
}
