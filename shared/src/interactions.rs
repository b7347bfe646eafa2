//! An interaction's life: asked, claimed, settled, withdrawn. Chat is told what the store decided;
//! whatever chat does, the store's decision stands.

mod approve;
pub mod deliver;
mod due;
mod turns;

use crate::authority::Connection;
use crate::authority::scope::{Conversation, PersonScope, VerifiedWorker};
use crate::chat::{ApiHosts, Card, Chat, Connected, Ending, Form, Posted};
use crate::config::{ConfigError, Env};
use crate::error::{Code, Error};
use crate::id::{InteractionId, Revision};
use crate::policy::Policies;
use crate::question::ask::Ask;
use crate::question::{
    Answered, CallbackAddress, CallbackUrl, CardAddress, Malformed, Owed, Place, Status,
};
use crate::secret::{Freshness, SecretNames, Secrets};
use crate::store::{Delivery, NewInteraction, Store, StoreError, Stored, Withdrawal};
use crate::wire::AllowedPrivate;
use crate::wire::client::GuardedClient;
use bytes::Bytes;
use deliver::Deliverer;
use http_body_util::Full;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long chat may take over the news that a question was withdrawn or asked anew.
const NEWS: Duration = Duration::from_secs(8);
/// How long an asker waits for the note that its card was posted. Without it, asking again posts it again.
const NOTE: Duration = Duration::from_secs(2);

/// What asking came to.
#[derive(Debug)]
pub enum AskOutcome {
    /// It is new, and posted.
    Posted(Status),
    /// It was stored before with another content, and is posted anew.
    Anew(Status),
    /// It was stored before and stands as it is.
    Unchanged(Status),
    /// The platform refused the card and took its plain text, which has nothing to click.
    AsText(Status),
    /// Whether the card was posted is not known; a click proves it.
    Unknown(Status),
}

/// How something was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PostedAs {
    Card,
    Text,
    Unknown,
}

/// Age past which a pending interaction can no longer be claimed, and is swept.
pub fn pending_ttl(env: &Env) -> Result<Duration, ConfigError> {
    env.bound("PENDING_TTL_MS", 86_400_000)
}

/// Everything that interactions need.
pub struct Interactions {
    pub store: Arc<Store>,
    pub secrets: Arc<Secrets>,
    pub names: SecretNames,
    pub ttl: Duration,
    chat: Chat,
    courier: Deliverer,
    egress: Arc<GuardedClient<Full<Bytes>>>,
}

impl Interactions {
    pub fn new(
        store: Arc<Store>,
        secrets: Arc<Secrets>,
        names: SecretNames,
        egress: Arc<GuardedClient<Full<Bytes>>>,
        chat_hosts: ApiHosts,
        ttl: Duration,
    ) -> Self {
        Self {
            chat: Chat::new(Arc::clone(&egress), chat_hosts),
            courier: Deliverer::new(
                Arc::clone(&store),
                Arc::clone(&secrets),
                names.clone(),
                Arc::clone(&egress),
            ),
            egress,
            store,
            secrets,
            names,
            ttl,
        }
    }

    /// The way out to chat platforms and callback addresses.
    ///
    /// # Errors
    /// Where the platform's certificate roots cannot be read.
    pub fn outbound_client(
        allowed: AllowedPrivate,
    ) -> Result<Arc<GuardedClient<Full<Bytes>>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Arc::new(GuardedClient::new(allowed, CONNECT_TIMEOUT)?))
    }

    /// Which private addresses a callback may have.
    pub fn allowed(&self) -> &AllowedPrivate {
        self.egress.allowed()
    }

    /// The connection's platform.
    ///
    /// # Errors
    /// `secret_unavailable`.
    pub async fn on(&self, connection: &Connection) -> Result<Connected<'_>, Error> {
        let permit = connection
            .permit(&self.names)
            .map_err(|error| Code::SecretUnavailable.because(error))?;
        let secret = self.secrets.read(&permit, Freshness::Cached).await?;
        self.chat.on(connection, &secret)
    }

    /// Stores, then posts; what cannot be posted is not kept.
    ///
    /// # Errors
    /// The contract's of `POST /v1/interactions`.
    pub async fn ask(
        &self,
        worker: &VerifiedWorker,
        conversation: &Conversation,
        ask: &Ask,
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
        let new = NewInteraction {
            scope,
            worker,
            id: ask.id(),
            payload: &payload,
            digest: digest.as_deref(),
            revision: &revision,
        };
        let (status, connection, former, anew) =
            match self.store.interaction_store(&new, self.ttl).await? {
                Stored::New(status, connection) => (status, connection, None, false),
                Stored::Anew(status, connection, former) => (status, connection, former, true),
                Stored::Unchanged(status) => return Ok(AskOutcome::Unchanged(status)),
                Stored::ScopeConflict => return Err(Code::ScopeConflict.into()),
                Stored::Expired => return Err(Code::InteractionExpired.into()),
                Stored::UnknownConnection => return Err(Code::UnknownConnection.into()),
                Stored::TooManyOpen => return Err(Code::TooManyOpen.into()),
                Stored::Refused(token) => {
                    token.check()?;
                    return Err(Code::InvalidWorkerToken.into());
                }
            };
        let card = Card::new(ask.id(), scope.user(), worker.agent().agent(), &payload);
        let how = self
            .post(scope, &card, &place, &revision, &connection)
            .await?;
        if let Some(former) = former {
            let until = Instant::now() + NEWS;
            let edited = self.edit(&connection, &former, &card, &Ending::AskedAnew, until);
            log_failure("former card", edited.await);
        }
        Ok(match how {
            PostedAs::Unknown => AskOutcome::Unknown(status),
            PostedAs::Text => AskOutcome::AsText(status),
            PostedAs::Card if anew => AskOutcome::Anew(status),
            PostedAs::Card => AskOutcome::Posted(status),
        })
    }

    /// The callback's address, if the agent's policies allow a POST to it.
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

    /// Posts what was stored; what cannot be posted is not kept.
    async fn post(
        &self,
        scope: &PersonScope,
        card: &Card,
        place: &Place,
        revision: &Revision,
        connection: &Connection,
    ) -> Result<PostedAs, Error> {
        let platform = match self.on(connection).await {
            Ok(platform) => platform,
            Err(error) => {
                self.undo(scope, card.id(), revision).await;
                return Err(error);
            }
        };
        match platform.post(card, place, revision).await {
            (Posted::Done(at), form) => {
                self.note(scope, card.id(), revision, at.as_ref()).await;
                Ok(match form {
                    Form::Buttons => PostedAs::Card,
                    Form::Text => PostedAs::Text,
                })
            }
            (Posted::Unknown(why), _) => {
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

    async fn edit(
        &self,
        connection: &Connection,
        at: &CardAddress,
        card: &Card,
        ending: &Ending,
        until: Instant,
    ) -> Posted {
        match self.on(connection).await {
            Ok(platform) => platform.edit(at, card, ending, until).await,
            Err(error) => Posted::Refused(error.cause().unwrap_or_else(|| error.to_string())),
        }
    }

    /// A question that nobody can see is deleted, so that its id can be used again; not one that was
    /// answered, or asked with another content, meanwhile.
    async fn undo(&self, scope: &PersonScope, id: &InteractionId, revision: &Revision) {
        let deleted = self.store.interaction_delete(scope, id, Some(revision));
        if let Err(error) = deleted.await {
            tracing::error!(event = "undo_failed", interaction_id = id.as_str(), cause = %error,
                "the unposted question stays; asking again after 30 s posts it");
        }
    }

    /// Writes down that the card was posted, and where, which a click, a withdrawal and another content
    /// want to know. The answer does not depend on it, and an environment that is frozen after its answer
    /// would not do it.
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

    /// Tells chat how an answered interaction ended, and writes down what is done of what it owes.
    /// A receipt is sent again only when it is sure that it was not sent.
    pub async fn settle(
        &self,
        platform: &Connected<'_>,
        scope: &PersonScope,
        id: &InteractionId,
        settlement: Settlement<'_>,
        until: Instant,
    ) -> Result<(), StoreError> {
        let Some((card, ending)) = drawn(scope, id, settlement.answered) else {
            // It will not be drawn later either, so nothing is owed any more.
            let all = [Owed::Receipt, Owed::Card];
            return self.store.interaction_settled(scope, id, &all).await;
        };
        let at = settlement.card;
        let receipt = async {
            if !settlement.owed.contains(&Owed::Receipt) {
                return None;
            }
            let posted = platform.receipt(at, &ending, until).await;
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

    /// Tries a delivery once; what became of it is written down.
    pub async fn deliver(&self, delivery: &Delivery, until: Instant) {
        if let Err(error) = self.courier.deliver(delivery, until).await {
            log_store(delivery, &error);
        }
    }

    /// Withdraws what nobody has answered, and tells its card.
    pub async fn withdraw(
        &self,
        worker: &VerifiedWorker,
        conversation: &Conversation,
        id: &InteractionId,
    ) -> Result<Withdrawal, Error> {
        let scope = conversation.scope();
        let withdrawal = self
            .store
            .interaction_withdraw(worker, conversation, id, self.ttl, NEWS)
            .await?;
        if let Withdrawal::Withdrawn(withdrawn) = &withdrawal {
            let until = Instant::now() + NEWS;
            let told = async {
                if let (Some(connection), Some(at)) = (&withdrawn.connection, &withdrawn.card) {
                    let payload = match &withdrawn.payload {
                        Ok(payload) => payload,
                        Err(error) => return not_drawn(scope, id, error),
                    };
                    let agent = worker.agent().agent();
                    let card = Card::new(id, scope.user(), agent, payload);
                    let edited = self.edit(connection, at, &card, &Ending::Withdrawn, until);
                    log_failure("withdrawn card", edited.await);
                }
            };
            let delivered = async {
                if let Some(delivery) = &withdrawn.delivery {
                    self.deliver(delivery, until).await;
                }
            };
            futures_util::future::join(told, delivered).await;
        }
        Ok(withdrawal)
    }
}

/// What is to be settled.
#[derive(Debug, Clone, Copy)]
pub struct Settlement<'a> {
    /// The question and its answer.
    pub answered: &'a Result<Answered, Malformed>,
    /// Where its card is.
    pub card: &'a CardAddress,
    /// What is to be sent now.
    pub owed: &'a [Owed],
    /// What is done already, to be written down with the rest.
    pub done: Option<Owed>,
}

/// The card of an answered interaction, and how it ended. Where what is stored is malformed, that is
/// logged and nothing is drawn: the answer stands.
pub fn drawn(
    scope: &PersonScope,
    id: &InteractionId,
    answered: &Result<Answered, Malformed>,
) -> Option<(Card, Ending)> {
    match answered {
        Ok(answered) => Some((
            Card::new(id, scope.user(), &answered.agent, &answered.payload),
            Ending::answered(&answered.answer),
        )),
        Err(error) => {
            not_drawn(scope, id, error);
            None
        }
    }
}

fn not_drawn(scope: &PersonScope, id: &InteractionId, error: &Malformed) {
    tracing::error!(
        event = "card_not_drawn",
        organization_id = scope.organization().as_str(),
        interaction_id = id.as_str(),
        cause = %error
    );
}

fn log_failure(what: &'static str, posted: Posted) {
    if let Posted::Refused(why) | Posted::Unknown(why) = posted {
        tracing::warn!(event = "settle_failed", what, cause = why);
    }
}

fn log_store(delivery: &Delivery, error: &StoreError) {
    tracing::error!(
        event = "delivery_not_recorded",
        organization_id = delivery.organization().as_str(),
        interaction_id = delivery.interaction().as_str(),
        cause = %error
    );
}
