//! Cards that the sweep posts: those that a platform put off, and those whose poster has died.

use super::Interactions;
use super::post::{POST, Post, PostedAs};
use crate::authority::scope::PersonScope;
use crate::chat::{Card, Later};
use crate::id::{InteractionId, Revision};
use crate::question::approval;
use crate::store::{Attempts, Unposted};
use std::time::Duration;
use tokio::time::Instant;

/// How long a taken card is leased. A post takes less.
pub(super) const LEASE: Duration = Duration::from_secs(60);
/// Timeout of one post.
pub(super) const ATTEMPT: Duration = POST;
/// The first pause after a connection's secret could not be read. Each further pause is twice as long.
const SECRET_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(60 * 60);

impl Interactions {
    /// Posts a card that is due. Returns whether it is posted now.
    pub(super) async fn post_due(&self, due: &Unposted, until: Instant) -> bool {
        let payload = due.payload.as_ref().map_err(ToString::to_string);
        let placed = payload.and_then(|payload| {
            let place = payload.place().ok_or("the payload names no place")?;
            Ok((payload, place))
        });
        let (payload, place) = match placed {
            Ok(placed) => placed,
            Err(why) => {
                self.give_up(&due.scope, &due.id, &due.revision, &why).await;
                return false;
            }
        };
        let card = Card::new(
            &due.id,
            &due.scope,
            &due.agent,
            payload,
            Some(due.expires_at),
        );
        let post = Post {
            scope: &due.scope,
            card: &card,
            place,
            revision: &due.revision,
            attempts: due.attempts,
            until,
            patient: true,
        };
        let platform = match Box::pin(self.connect(&due.connection)).await {
            Ok(platform) => platform,
            Err(error) => {
                self.put_off(&post, without_secret(due.attempts, &error))
                    .await;
                return false;
            }
        };
        match self.post_on(&platform, &post).await {
            Ok(PostedAs::Card | PostedAs::Unknown) => true,
            Ok(PostedAs::Later) => false,
            // Plain text has no buttons, so nobody could decide.
            Ok(PostedAs::Text) if due.id.as_str().starts_with(approval::OWN_IDS) => {
                let why = "the platform takes no buttons";
                self.give_up(&due.scope, &due.id, &due.revision, why).await;
                false
            }
            Ok(PostedAs::Text) => true,
            Err(error) => {
                let why = error.cause().unwrap_or_default();
                self.give_up(&due.scope, &due.id, &due.revision, &why).await;
                false
            }
        }
    }

    /// Deletes an interaction whose card cannot be posted. Its callback, if it has one, receives `interaction.expired`.
    async fn give_up(
        &self,
        scope: &PersonScope,
        id: &InteractionId,
        revision: &Revision,
        why: &str,
    ) {
        tracing::error!(
            event = "question_not_posted",
            organization_id = scope.organization().as_str(),
            connection_id = scope.connection().as_str(),
            interaction_id = id.as_str(),
            cause = why
        );
        self.undo(scope, id, revision).await;
    }
}

/// A post that has to wait because the connection's secret could not be read.
fn without_secret(attempts: Attempts, error: &crate::error::Error) -> Later {
    let pause = SECRET_PAUSE * 2_u32.saturating_pow(attempts.count.min(12));
    Later {
        after: pause.min(MAX_PAUSE),
        doubtful: attempts.doubtful,
        unlisted: attempts.unlisted,
        why: error.cause().unwrap_or_else(|| error.to_string()),
    }
}
