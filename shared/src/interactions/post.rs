//! Posting and editing cards, and undoing a post that failed.

use super::Interactions;
use crate::authority::Connection;
use crate::authority::scope::PersonScope;
use crate::chat::{Card, Earlier, Ending, Form, Later, Posted};
use crate::error::{Code, Error};
use crate::id::{InteractionId, Revision};
use crate::question::{CardAddress, Place};
use std::time::Duration;
use tokio::time::Instant;

/// Timeout of noting that a card was posted. Without the note, asking the same again posts the card again.
const NOTE: Duration = Duration::from_secs(2);

/// Timeout of posting a card.
const POST: Duration = Duration::from_secs(20);

/// How an interaction was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PostedAs {
    /// As a card with buttons.
    Card,
    /// As plain text, because the platform refused the card.
    Text,
    /// It is unknown whether the card was posted.
    Unknown,
}

impl Interactions {
    /// Posts the card of a stored interaction. If it cannot be posted, the interaction is deleted.
    ///
    /// # Errors
    /// `secret_unavailable` or `post_failed`.
    pub(super) async fn post(
        &self,
        scope: &PersonScope,
        card: &Card,
        place: &Place,
        revision: &Revision,
        connection: &Connection,
    ) -> Result<PostedAs, Error> {
        let platform = match Box::pin(self.connect(connection)).await {
            Ok(platform) => platform,
            Err(error) => {
                self.undo(scope, card.id(), revision).await;
                return Err(error);
            }
        };
        let until = Instant::now() + POST;
        let posted = platform.post(card, place, revision, Earlier::default(), until);
        match posted.await {
            (Posted::Done(at), form) => {
                self.note(scope, card.id(), revision, at.as_ref()).await;
                Ok(match form {
                    Form::Buttons => PostedAs::Card,
                    Form::Text => PostedAs::Text,
                })
            }
            (Posted::Unknown(why) | Posted::Later(Later { why, .. }), _) => {
                self.note(scope, card.id(), revision, None).await;
                tracing::warn!(
                    event = "post_unknown",
                    interaction_id = card.id().as_str(),
                    cause = why
                );
                Ok(PostedAs::Unknown)
            }
            (Posted::Refused(why), _) => {
                self.undo(scope, card.id(), revision).await;
                Err(Code::PostFailed.because(why))
            }
        }
    }

    /// Edits a posted card to show how its interaction ended.
    pub(super) async fn edit(
        &self,
        connection: &Connection,
        at: &CardAddress,
        card: &Card,
        ending: &Ending,
        until: Instant,
    ) -> Posted {
        match Box::pin(self.connect(connection)).await {
            Ok(platform) => {
                platform
                    .edit(at, card, ending, Earlier::default(), until)
                    .await
            }
            Err(error) => Posted::Refused(error.cause().unwrap_or_default()),
        }
    }

    /// Deletes an interaction whose card could not be posted, so that its id can be used again. One that was
    /// meanwhile answered or replaced is kept.
    pub(super) async fn undo(&self, scope: &PersonScope, id: &InteractionId, revision: &Revision) {
        let deleted = self.store.interaction_delete(scope, id, Some(revision));
        if let Err(error) = deleted.await {
            tracing::error!(event = "undo_failed", interaction_id = id.as_str(), cause = %error,
                "the unposted question stays; asking again after 30 s posts it");
        }
    }

    /// Notes that the card was posted, and its address, which later edits and the check of clicks need. This is
    /// done before answering, because Lambda freezes the environment afterwards. A failure is only logged.
    async fn note(
        &self,
        scope: &PersonScope,
        id: &InteractionId,
        revision: &Revision,
        at: Option<&CardAddress>,
    ) {
        let note = self.store.interaction_posted(scope, id, revision, at);
        let failed = match tokio::time::timeout(NOTE, note).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the database took too long".into(),
        };
        tracing::warn!(
            event = "note_failed",
            interaction_id = id.as_str(),
            cause = failed
        );
    }
}
