//! An interaction's life: asked, claimed, settled, withdrawn. Chat is told what the store decided;
//! whatever chat does, the store's decision stands.

use crate::ask::Ask;
use crate::chat::{Card, Chat, Ending, OnPlatform, Posted};
use crate::courier::Courier;
use crate::deadline::Deadline;
use crate::egress::{AllowedPrivate, Egress};
use crate::error::{Code, Error};
use crate::id::{InteractionId, TokenId, UserId};
use crate::scope::{Conversation, Scope};
use crate::secret::{Freshness, SecretNames, Secrets};
use crate::store::{
    Again, Answered, CardAddress, ClickKey, Connection, Delivery, NewInteraction, Owed, Status,
    Store, StoreError, Stored, Unsettled, Withdrawal,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::Full;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::Instant};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long chat may take over the news that a question was withdrawn or asked anew.
const NEWS: Duration = Duration::from_secs(8);
/// How many of what is due are taken at once, and tried at once. The lease outlasts a whole take.
const TAKEN: u32 = 64;
const AT_ONCE: usize = 16;
const LEASE: Duration = Duration::from_secs(90);
const ATTEMPT: Duration = Duration::from_secs(10);
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
    /// Whether the card was posted is not known; a click proves it.
    Unknown(Status),
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
    /// Notes on where cards are, which nobody waits for.
    notes: tokio::sync::Mutex<JoinSet<()>>,
}

impl Interactions {
    pub fn new(
        store: Arc<Store>,
        secrets: Arc<Secrets>,
        names: SecretNames,
        allowed: AllowedPrivate,
        ttl: Duration,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let egress = Arc::new(Egress::new(allowed, CONNECT_TIMEOUT)?);
        Ok(Self {
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
            notes: tokio::sync::Mutex::default(),
        })
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
        let digest = ask.digest();
        let new = NewInteraction {
            scope,
            agent: conversation.agent(),
            token,
            id: ask.id(),
            payload: &payload,
            digest: digest.as_deref(),
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
        let platform = match self.on(&connection).await {
            Ok(platform) => platform,
            Err(error) => {
                self.undo(scope, ask.id()).await;
                return Err(error);
            }
        };
        let card = Card::of(ask.id(), scope.user(), &payload).posting(&nonce(
            scope,
            ask.id(),
            &status,
            &payload,
        ));
        let posted = platform.post(&card).await;
        if let Some(former) = former {
            let until = Instant::now() + NEWS;
            log_failure(
                "former card",
                platform
                    .edit(&former, &card, &Ending::AskedAnew, until)
                    .await,
            );
        }
        match posted {
            Posted::Done(at) => {
                if let Some(at) = at {
                    self.note(scope.clone(), ask.id().clone(), at).await;
                }
                Ok(if anew {
                    Asked::Anew(status)
                } else {
                    Asked::Posted(status)
                })
            }
            Posted::Unknown(why) => {
                tracing::warn!(
                    event = "post_unknown",
                    interaction_id = ask.id().as_str(),
                    cause = why
                );
                Ok(Asked::Unknown(status))
            }
            Posted::Refused(why) => {
                self.undo(scope, ask.id()).await;
                Err(Error::from(Code::PostFailed).because(why))
            }
        }
    }

    /// A question that nobody can see is deleted, so that its id can be used again.
    async fn undo(&self, scope: &Scope, id: &InteractionId) {
        if let Err(error) = self.store.interaction_delete(scope, id).await {
            tracing::error!(event = "undo_failed", interaction_id = id.as_str(), cause = %error,
                "the unposted question stays until the sweep takes it");
        }
    }

    /// Writes down where the card is, while the answer is on its way: only a later withdrawal wants it.
    async fn note(&self, scope: Scope, id: InteractionId, at: CardAddress) {
        let store = Arc::clone(&self.store);
        let mut notes = self.notes.lock().await;
        while notes.try_join_next().is_some() {}
        notes.spawn(async move {
            if let Err(error) = store.interaction_posted(&scope, &id, &at).await {
                tracing::warn!(event = "note_failed", interaction_id = id.as_str(), cause = %error);
            }
        });
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
        // What this environment has noted of the card must be there before the row goes.
        while self.notes.lock().await.join_next().await.is_some() {}
        let scope = conversation.scope();
        let withdrawal = self
            .store
            .interaction_withdraw(scope, conversation.agent(), id, self.ttl, NEWS)
            .await?;
        if let Withdrawal::Withdrawn(withdrawn) = &withdrawal {
            let until = Instant::now() + NEWS;
            let told = async {
                if let (Some(connection), Some(at)) = (&withdrawn.connection, &withdrawn.card) {
                    self.tell(connection, scope.user(), id, &withdrawn.payload, at, until)
                        .await;
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

    async fn tell(
        &self,
        connection: &Connection,
        user: &UserId,
        id: &InteractionId,
        payload: &Value,
        at: &CardAddress,
        until: Instant,
    ) {
        match self.on(connection).await {
            Ok(platform) => {
                let card = Card::of(id, user, payload);
                log_failure(
                    "withdrawn card",
                    platform.edit(at, &card, &Ending::Withdrawn, until).await,
                );
            }
            Err(error) => {
                tracing::warn!(event = "settle_failed", what = "withdrawn card", cause = %error);
            }
        }
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
                let until = Instant::now() + ATTEMPT.min(deadline.left());
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
                let until = Instant::now() + ATTEMPT.min(deadline.left());
                self.settle_one(&unsettled, until).await
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

/// The same for the same posting, and of at most 25 characters, which is Discord's bound.
fn nonce(scope: &Scope, id: &InteractionId, status: &Status, payload: &Value) -> String {
    let created = status.created_at.unix_timestamp_nanos().to_string();
    let organization = scope.organization().as_str();
    ClickKey::of(&[organization, id.as_str(), &created, &payload.to_string()])
        .hex()
        .chars()
        .take(24)
        .collect()
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
