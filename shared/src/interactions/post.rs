//! Posting and editing cards, and undoing a post that failed.
//!
//! Whoever posts a card holds a lease on it: it ends 30 s after the interaction was stored, or after the sweep took it.
//! How the post went is noted before then. Otherwise the sweep takes the card over, so that no question is lost with
//! the environment that was to post it.

use super::Interactions;
use crate::authority::Connection;
use crate::authority::scope::PersonScope;
use crate::chat::{Card, Connected, Done, Earlier, Ending, Form, Later, Posted};
use crate::error::{Code, Error};
use crate::id::{InteractionId, Revision};
use crate::question::{CardAddress, Place};
use crate::store::{Attempts, StoreError};
use std::time::Duration;
use tokio::time::Instant;

/// Timeout of posting a card, with all its pauses. With `NOTE` it is shorter than the lease.
pub(super) const POST: Duration = Duration::from_secs(20);
/// Timeout of noting how a post went.
const NOTE: Duration = Duration::from_secs(2);
/// Timeout of editing a card that was posted too late.
const EDIT: Duration = Duration::from_secs(2);

/// A card to post.
#[derive(Debug, Clone, Copy)]
pub(super) struct Post<'a> {
    pub(super) scope: &'a PersonScope,
    pub(super) card: &'a Card,
    pub(super) place: &'a Place,
    pub(super) revision: &'a Revision,
    /// The posts so far.
    pub(super) attempts: Attempts,
    /// When the post is left to the sweep.
    pub(super) until: Instant,
    /// Whether the post is put off if the platform cannot be reached: by the sweep, whose result nobody waits for.
    pub(super) patient: bool,
}

/// How an interaction was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PostedAs {
    /// As a card with buttons.
    Card,
    /// As plain text, because the platform refused the card.
    Text,
    /// Not yet. The platform put it off, and the sweep posts it.
    Later,
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
        post: &Post<'_>,
        connection: &Connection,
    ) -> Result<PostedAs, Error> {
        let posted = match Box::pin(self.connect(connection)).await {
            Ok(platform) => self.post_on(&platform, post).await,
            Err(error) => Err(error),
        };
        if posted.is_err() {
            self.undo(post.scope, post.card.id(), post.revision).await;
        }
        posted
    }

    /// Posts the card on its platform, and notes how that went.
    ///
    /// # Errors
    /// `post_failed` if the platform refuses the card for good. The interaction stays.
    pub(super) async fn post_on(
        &self,
        platform: &Connected<'_>,
        post: &Post<'_>,
    ) -> Result<PostedAs, Error> {
        let Attempts {
            count,
            unlisted,
            doubtful,
        } = post.attempts;
        let earlier = Earlier {
            attempts: count,
            doubtful,
            unlisted,
            patient: post.patient,
        };
        let posting = platform.post(post.card, post.place, post.revision, earlier, post.until);
        match posting.await {
            (Posted::Done(Done { at, doubtful }), form) => {
                let stands = self.note(post, at.as_ref(), doubtful).await;
                if !stands && let Some(at) = at {
                    self.end_late_card(platform, post, &at).await;
                }
                Ok(match form {
                    Form::Buttons => PostedAs::Card,
                    Form::Text => PostedAs::Text,
                })
            }
            (Posted::Later(later), _) => {
                self.put_off(post, later).await;
                Ok(PostedAs::Later)
            }
            (Posted::Unknown(why), _) => {
                self.note(post, None, true).await;
                tracing::warn!(
                    event = "post_unknown",
                    interaction_id = post.card.id().as_str(),
                    cause = why
                );
                Ok(PostedAs::Unknown)
            }
            (Posted::Refused(why) | Posted::RefusedInDoubt(why), _) => {
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
                let edited = platform.edit(at, card, ending, Earlier::default(), until);
                edited.await
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
                "the unposted question stays; the sweep tries to post it");
        }
    }

    /// Notes that the sweep is to post the card. A failure is only logged: the lease ends then, and the sweep posts
    /// the card all the same.
    pub(super) async fn put_off(&self, post: &Post<'_>, later: Later) {
        tracing::warn!(
            event = "post_put_off",
            interaction_id = post.card.id().as_str(),
            after_ms = u64::try_from(later.after.as_millis()).unwrap_or(u64::MAX),
            cause = later.why
        );
        let attempts = Attempts {
            count: 0,
            unlisted: later.unlisted,
            doubtful: later.doubtful,
        };
        let (id, revision) = (post.card.id(), post.revision);
        let store = self.store.until(Instant::now() + NOTE);
        let note = store.interaction_put_off(post.scope, id, revision, later.after, attempts);
        noted(id, note.await);
    }

    /// Notes that the card was posted, and its address, which later edits and the check of clicks need. This is
    /// done before answering, because Lambda freezes the environment afterwards. A failure is only logged. Returns
    /// whether the card is still the interaction's, as far as is known.
    async fn note(&self, post: &Post<'_>, at: Option<&CardAddress>, doubtful: bool) -> bool {
        let (id, revision) = (post.card.id(), post.revision);
        let store = self.store.until(Instant::now() + NOTE);
        let note = store.interaction_posted(post.scope, id, revision, at, doubtful);
        noted(id, note.await).unwrap_or(true)
    }

    /// Takes the buttons off a card that was posted after its question was answered, over or changed.
    async fn end_late_card(&self, platform: &Connected<'_>, post: &Post<'_>, at: &CardAddress) {
        let until = Instant::now() + EDIT;
        let ending = Ending::Over;
        let edited = platform.edit(at, post.card, &ending, Earlier::default(), until);
        super::log_failure("late card", edited.await);
    }
}

/// The result of noting something; `None`, with a warning in the log, if it failed.
fn noted<T>(id: &InteractionId, result: Result<T, StoreError>) -> Option<T> {
    let failed = |error: &StoreError| {
        tracing::warn!(event = "note_failed", interaction_id = id.as_str(), cause = %error);
    };
    result.inspect_err(failed).ok()
}
