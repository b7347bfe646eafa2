//! Withdrawing: an agent takes back its own question.

use super::connection::connection;
use super::delivery::Delivery;
use super::interaction::{columns, whole};
use super::row::{Columns, one};
use super::token::token_standing;
use super::{Parameter, Store, StoreError, millis};
use crate::authority::Connection;
use crate::authority::access::TokenStanding;
use crate::authority::scope::{Conversation, VerifiedWorker};
use crate::id::InteractionId;
use crate::question::{CardAddress, Malformed, Payload};
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::types::{Json, Type};

/// The outcome of withdrawing an interaction.
#[derive(Debug)]
pub enum Withdrawal {
    /// The interaction is deleted. A late click is answered that it was withdrawn.
    Withdrawn(Box<Withdrawn>),
    /// The interaction was answered before. Nothing changed.
    Answered,
    /// The agent has no interaction with this id in this scope.
    Unknown,
    /// The worker's token is no longer valid. Nothing changed.
    Refused(TokenStanding),
}

/// A withdrawn interaction, with what is needed to update its card and deliver its outcome.
#[derive(Debug)]
pub struct Withdrawn {
    /// The question, or why its card cannot be drawn. It is withdrawn in both cases.
    pub payload: Result<Payload, Malformed>,
    /// The address of its card, if that is known.
    pub card: Option<CardAddress>,
    /// The connection that its card was posted on, if it still exists.
    pub connection: Option<Connection>,
    /// The delivery of its outcome, if it had a callback address.
    pub delivery: Option<Delivery>,
}

impl Store {
    /// Deletes an unanswered interaction of the worker's agent and writes the delivery of its outcome, which the
    /// caller must attempt within `lease`. An interaction older than `ttl` ends as expired.
    pub async fn interaction_withdraw(
        &self,
        worker: &VerifiedWorker,
        conversation: &Conversation,
        id: &InteractionId,
        ttl: Duration,
        lease: Duration,
    ) -> Result<Withdrawal, StoreError> {
        let scope = conversation.scope();
        let columns = columns(scope, id);
        let [organization, interaction, connection_id, user] = whole(&columns);
        let parameters: [Parameter<'_>; 10] = [
            organization,
            interaction,
            connection_id,
            user,
            (&worker.agent().agent().as_str(), Type::TEXT),
            (&(millis(ttl) as f64), Type::FLOAT8),
            (&(millis(lease) as f64), Type::FLOAT8),
            (&worker.token().as_str(), Type::TEXT),
            (&worker.issued_at(), Type::FLOAT8),
            (&worker.deployment().as_str(), Type::TEXT),
        ];
        let rows = self.call("interaction_withdraw_1", &parameters).await?;
        let row = one(&rows)?;
        let token = token_standing(row)?;
        let payload: Option<Json<Value>> = row.column("entry_payload")?;
        Ok(match (token, payload, row.column("own")?) {
            (TokenStanding::Good, Some(Json(payload)), _) => {
                Withdrawal::Withdrawn(Box::new(Withdrawn {
                    payload: Payload::try_from(payload),
                    card: row.json("card")?,
                    connection: connection(row)?,
                    delivery: Delivery::just_written(
                        row,
                        scope.organization(),
                        worker.agent().agent(),
                        id,
                    )?,
                }))
            }
            (TokenStanding::Good, None, true) => Withdrawal::Answered,
            (TokenStanding::Good, None, false) => Withdrawal::Unknown,
            (refused, ..) => Withdrawal::Refused(refused),
        })
    }
}
