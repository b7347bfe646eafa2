//! Asking: a question or an agent's approval is stored, and then its card is posted.

use super::post::{POST, Post, PostedAs};
use super::{Interactions, NEWS, log_failure, refused};
use crate::authority::scope::{Conversation, VerifiedWorker};
use crate::chat::{Card, Ending};
use crate::deadline::Deadline;
use crate::error::{Code, Error};
use crate::id::Revision;
use crate::policy::Policies;
use crate::question::ask::Ask;
use crate::question::{CallbackAddress, CallbackUrl, Place, Status};
use crate::store::{Attempts, NewInteraction, Stored};

/// The outcome of asking. Each variant holds the interaction's status.
#[derive(Debug)]
pub enum AskOutcome {
    /// The interaction is new, and its card was posted.
    Posted(Status),
    /// The interaction was stored before with other content or without a posted card. It was replaced, and its
    /// card was posted.
    Reposted(Status),
    /// The same interaction was stored before. Nothing changed.
    Unchanged(Status),
    /// The platform refused the card and accepted its plain text, which has no buttons.
    AsText(Status),
    /// The card is not posted yet. The platform put it off, and the sweep posts it.
    Later(Status),
    /// It is unknown whether the card was posted. If it was, it can be clicked.
    Unknown(Status),
}

impl Interactions {
    /// Stores the interaction, and then posts its card. If the card cannot be posted, the interaction is deleted. If
    /// the platform puts it off beyond the deadline, the sweep posts it.
    ///
    /// # Errors
    /// `docs/api.md` lists them under `POST /v1/interactions`.
    pub async fn ask(
        &self,
        worker: &VerifiedWorker,
        conversation: &Conversation,
        ask: &Ask,
        deadline: Deadline,
    ) -> Result<AskOutcome, Error> {
        let scope = conversation.scope();
        let callback = match ask.callback() {
            Some(address) => Some(self.permitted(worker, address).await?),
            None => None,
        };
        let place = Place::from(conversation);
        let payload = ask.payload(place.clone(), callback.as_ref());
        let digest = ask.digest();
        let revision = Revision::new();
        // Counted from before the row exists, because its lease is.
        let until = deadline.within(POST);
        let new = NewInteraction {
            scope,
            worker,
            id: ask.id(),
            payload: &payload,
            digest: digest.as_deref(),
            revision: &revision,
        };
        let (status, connection, former, replaced) =
            match self.store.interaction_store(&new, self.ttl).await? {
                Stored::New(status, connection) => (status, connection, None, false),
                Stored::Replaced(status, connection, former) => (status, connection, former, true),
                Stored::Unchanged(status) => return Ok(AskOutcome::Unchanged(status)),
                Stored::ScopeConflict => return Err(Code::ScopeConflict.into()),
                Stored::Expired => return Err(Code::InteractionExpired.into()),
                Stored::UnknownConnection => return Err(Code::UnknownConnection.into()),
                Stored::TooManyOpen => return Err(Code::TooManyOpen.into()),
                Stored::Refused(token) => return Err(refused(token)),
            };
        let card = Card::new(
            ask.id(),
            scope,
            worker.agent().agent(),
            &payload,
            Some(status.expires_at),
        );
        let post = Post {
            scope,
            card: &card,
            place: &place,
            revision: &revision,
            attempts: Attempts::default(),
            until,
            patient: false,
        };
        let posted = self.post(&post, &connection).await?;
        if let Some(former) = former {
            let until = deadline.within(NEWS);
            let edited = self.edit(&connection, &former, &card, &Ending::AskedAnew, until);
            log_failure("former card", edited.await);
        }
        Ok(match posted {
            PostedAs::Unknown => AskOutcome::Unknown(status),
            PostedAs::Later => AskOutcome::Later(status),
            PostedAs::Text => AskOutcome::AsText(status),
            PostedAs::Card if replaced => AskOutcome::Reposted(status),
            PostedAs::Card => AskOutcome::Posted(status),
        })
    }

    /// The callback address, if the agent's policies allow a POST to it; otherwise `egress_denied`.
    async fn permitted(
        &self,
        worker: &VerifiedWorker,
        address: &CallbackAddress,
    ) -> Result<CallbackUrl, Error> {
        let facts = self.store.policy_facts(worker, None, &[]).await?;
        facts.token.check()?;
        let policies = Policies::resolve(facts.policies, &[]);
        address.clone().permitted(&policies).map_err(|by| {
            let message = format!(
                "the egress policy does not allow a POST to the field `callback_url`: {by}; add a rule that allows it"
            );
            Error::new(Code::EgressDenied, message)
        })
    }
}
