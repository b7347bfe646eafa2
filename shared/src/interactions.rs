//! An interaction's life: asked, claimed, settled, withdrawn. Chat is told what the store decided;
//! whatever chat does, the store's decision stands.

mod approve;

use crate::ask::Ask;
use crate::chat::{Card, Chat, Ending, Form, OnPlatform, Posted};
use crate::courier::Courier;
use crate::deadline::Deadline;
use crate::egress::{AllowedPrivate, Egress};
use crate::error::{Code, Error};
use crate::id::{InteractionId, TokenId};
use crate::scope::{Conversation, Scope};
use crate::secret::{Freshness, SecretNames, Secrets};
use crate::store::{
    Again, Answered, CardAddress, Connection, Delivery, NewInteraction, Owed, Status, Store,
    StoreError, Stored, Unsettled, Withdrawal,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::Full;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long chat may take over the news that a question was withdrawn or asked anew.
const NEWS: Duration = Duration::from_secs(8);
/// How many of what is due are taken at once, and tried at once. The lease outlasts a whole take.
const TAKEN: u32 = 64;
const AT_ONCE: usize = 16;
const LEASE: Duration = Duration::from_secs(90);
/// How long a card or a receipt of the sweep's may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long an asker waits for the note on where its card is.
const NOTE: Duration = Duration::from_millis(300);
/// Less time than this is not worth beginning with.
const WORTHWHILE: Duration = Duration::from_millis(500);

/// What asking came to.
#[derive(Debug)]
pub enum Asked {
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
enum How {
    Card,
    Text,
    Unknown,
}

/// Everything that interactions need.
pub struct Interactions {
    pub store: Arc<Store>,
    pub secrets: Arc<Secrets>,
    pub names: SecretNames,
    pub ttl: Duration,
    chat: Chat,
    courier: Courier,
    egress: Arc<Egress<Full<Bytes>>>,
}

impl Interactions {
    pub fn new(
        store: Arc<Store>,
        secrets: Arc<Secrets>,
        names: SecretNames,
        egress: Arc<Egress<Full<Bytes>>>,
        ttl: Duration,
    ) -> Self {
        Self {
            chat: Chat::new(Arc::clone(&egress)),
            courier: Courier::new(
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
    pub fn way_out(
        allowed: AllowedPrivate,
    ) -> Result<Arc<Egress<Full<Bytes>>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Arc::new(Egress::new(allowed, CONNECT_TIMEOUT)?))
    }

    /// Which private addresses a callback may have.
    pub fn allowed(&self) -> &AllowedPrivate {
        self.egress.allowed()
    }

    /// The connection's platform.
    ///
    /// # Errors
    /// `secret_unavailable`.
    pub async fn on(&self, connection: &Connection) -> Result<OnPlatform<'_>, Error> {
        let permit = connection
            .permit(&self.names)
            .map_err(|error| Error::from(Code::SecretUnavailable).because(error))?;
        let secret = self.secrets.read(&permit, Freshness::Cached).await?;
        self.chat.on(connection, &secret)
    }

    /// Stores, then posts; what cannot be posted is not kept.
    ///
    /// # Errors
    /// The contract's of `POST /v1/interactions`.
    pub async fn ask(
        &self,
        conversation: &Conversation,
        token: Option<&TokenId>,
        ask: &Ask,
    ) -> Result<Asked, Error> {
        let scope = conversation.scope();
        let payload = ask.payload(conversation);
        let new = NewInteraction {
            scope,
            agent: conversation.agent(),
            token,
            id: ask.id(),
            payload: &payload,
            digest: ask.digest(),
            again: Again::WhenChanged,
        };
        let (status, connection, former, anew) =
            match self.store.interaction_store(&new, self.ttl).await? {
                Stored::New(status, connection) => (status, connection, None, false),
                Stored::Anew(status, connection, former) => (status, connection, former, true),
                Stored::Unchanged(status) => return Ok(Asked::Unchanged(status)),
                Stored::ScopeConflict => return Err(Code::ScopeConflict.into()),
                Stored::Expired => return Err(Code::InteractionExpired.into()),
                Stored::UnknownConnection => return Err(Code::UnknownConnection.into()),
                Stored::Revoked => {
                    return Err(Error::from(Code::InvalidWorkerToken).because("revoked"));
                }
            };
        let how = self.post(scope, ask.id(), &payload, &connection).await?;
        if let Some(former) = former {
            let card = Card::of(ask.id(), scope.user(), &payload);
            let until = Instant::now() + NEWS;
            let edited = self.edit(&connection, &former, &card, &Ending::AskedAnew, until);
            log_failure("former card", edited.await);
        }
        Ok(match how {
            How::Unknown => Asked::Unknown(status),
            How::Text => Asked::AsText(status),
            How::Card if anew => Asked::Anew(status),
            How::Card => Asked::Posted(status),
        })
    }

    /// Posts what was stored; what cannot be posted is not kept.
    async fn post(
        &self,
        scope: &Scope,
        id: &InteractionId,
        payload: &Value,
        connection: &Connection,
    ) -> Result<How, Error> {
        let platform = match self.on(connection).await {
            Ok(platform) => platform,
            Err(error) => {
                self.undo(scope, id, payload).await;
                return Err(error);
            }
        };
        let card = Card::of(id, scope.user(), payload).posting(&nonce());
        match platform.post(&card).await {
            (Posted::Done(at), form) => {
                self.note(scope, id, at.as_ref(), payload).await;
                Ok(match form {
                    Form::Buttons => How::Card,
                    Form::Text => How::Text,
                })
            }
            (Posted::Unknown(why), _) => {
                self.note(scope, id, None, payload).await;
                tracing::warn!(
                    event = "post_unknown",
                    interaction_id = id.as_str(),
                    cause = why
                );
                Ok(How::Unknown)
            }
            (Posted::Refused(why), _) => {
                self.undo(scope, id, payload).await;
                Err(Error::from(Code::PostFailed).because(why))
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
            Err(error) => Posted::Refused(error.cause().unwrap_or_default()),
        }
    }

    /// A question that nobody can see is deleted, so that its id can be used again; not one that was
    /// answered, or asked with another content, meanwhile.
    async fn undo(&self, scope: &Scope, id: &InteractionId, payload: &Value) {
        if let Err(error) = self
            .store
            .interaction_delete(scope, id, Some(payload))
            .await
        {
            tracing::error!(event = "undo_failed", interaction_id = id.as_str(), cause = %error,
                "the unposted question stays until the sweep takes it");
        }
    }

    /// Writes down where the card is, which a withdrawal and another content want to know. The answer
    /// does not depend on it, and an environment that is frozen after its answer would not do it.
    async fn note(
        &self,
        scope: &Scope,
        id: &InteractionId,
        at: Option<&CardAddress>,
        payload: &Value,
    ) {
        let note = self.store.interaction_posted(scope, id, at, payload);
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
        platform: &OnPlatform<'_>,
        scope: &Scope,
        id: &InteractionId,
        settlement: Settlement<'_>,
        until: Instant,
    ) -> Result<(), StoreError> {
        let card = Card::of(id, scope.user(), &settlement.answered.payload);
        let ending = Ending::answered(&settlement.answered.answer);
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

    /// Tries a delivery once; what became of it is written down.
    pub async fn deliver(&self, delivery: &Delivery, until: Instant) {
        if let Err(error) = self.courier.deliver(delivery, until).await {
            log_store(delivery, &error);
        }
    }

    /// Withdraws what nobody has answered, and tells its card.
    pub async fn withdraw(
        &self,
        conversation: &Conversation,
        id: &InteractionId,
    ) -> Result<Withdrawal, Error> {
        let scope = conversation.scope();
        let withdrawal = self
            .store
            .interaction_withdraw(scope, conversation.agent(), id, self.ttl, NEWS)
            .await?;
        if let Withdrawal::Withdrawn(withdrawn) = &withdrawal {
            let until = Instant::now() + NEWS;
            let told = async {
                if let (Some(connection), Some(at)) = (&withdrawn.connection, &withdrawn.card) {
                    let card = Card::of(id, scope.user(), &withdrawn.payload);
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

    /// Tries what is due to be delivered, within the time left; how many arrived.
    ///
    /// # Errors
    /// The store's; what was taken is due again when its lease ends.
    pub async fn deliver_due(&self, deadline: Deadline) -> Result<u64, StoreError> {
        let mut delivered = 0;
        while deadline.left() > WORTHWHILE {
            let due = self.store.deliveries_due(TAKEN, LEASE).await?;
            let full = due.len() == TAKEN as usize;
            let tried = stream::iter(due).map(|delivery| async move {
                // The courier's own bound is shorter, so that a receiver that hangs gets its pause.
                let until = deadline.within(LEASE);
                let delivered = self.courier.deliver(&delivery, until).await;
                delivered.inspect_err(|error| log_store(&delivery, error))
            });
            let tried: Vec<_> = tried.buffer_unordered(AT_ONCE).collect().await;
            for outcome in tried {
                delivered += u64::from(outcome? == crate::courier::Delivered::Done);
            }
            if !full {
                break;
            }
        }
        Ok(delivered)
    }

    /// Sees to what answered interactions still owe to chat, within the time left.
    ///
    /// # Errors
    /// The store's; what was taken is due again later.
    pub async fn settle_due(&self, deadline: Deadline) -> Result<(), StoreError> {
        while deadline.left() > WORTHWHILE {
            let due = self.store.interactions_unsettled(TAKEN).await?;
            let full = due.len() == TAKEN as usize;
            let tried = stream::iter(due).map(|unsettled| async move {
                self.settle_one(&unsettled, deadline.within(ATTEMPT)).await
            });
            let tried: Vec<_> = tried.buffer_unordered(AT_ONCE).collect().await;
            tried.into_iter().collect::<Result<(), _>>()?;
            if !full {
                break;
            }
        }
        Ok(())
    }

    async fn settle_one(&self, unsettled: &Unsettled, until: Instant) -> Result<(), StoreError> {
        let platform = match self.on(&unsettled.connection).await {
            Ok(platform) => platform,
            Err(error) => {
                tracing::warn!(event = "settle_failed", what = "connection", cause = %error);
                return Ok(());
            }
        };
        let settlement = Settlement {
            answered: &unsettled.answered,
            card: &unsettled.card,
            owed: &unsettled.owed,
            done: None,
        };
        self.settle(
            &platform,
            &unsettled.scope,
            &unsettled.id,
            settlement,
            until,
        )
        .await
    }
}

/// What is to be settled.
#[derive(Debug, Clone, Copy)]
pub struct Settlement<'a> {
    pub answered: &'a Answered,
    pub card: &'a CardAddress,
    pub owed: &'a [Owed],
    /// What is done already, to be written down with the rest.
    pub done: Option<Owed>,
}

/// One posting's own, and of at most 25 characters, which is Discord's bound.
fn nonce() -> String {
    let mut nonce = uuid::Uuid::new_v4().simple().to_string();
    nonce.truncate(24);
    nonce
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
