//! Withdrawing: an agent takes back its own question.

use super::connection::{connection, via_sql};
use super::delivery::{Delivery, delivery_sql};
use super::ended::ended_sql;
use super::interaction::{columns, whole};
use super::row::{Columns, one};
use super::token::{token_sql, token_standing};
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

// A question older than the TTL ends as expired and not as withdrawn, because a reader may have seen that
// already.
const INTERACTION_WITHDRAW: &str = concat!(
    "
with asker as (
    select ",
    token_sql!("$1", "$5", "$8", "$9", "$10"),
    " as token
), own as (
    select from pending_interactions
    where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4 and agent_id = $5
), withdrawn as (
    delete from pending_interactions
    where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4 and agent_id = $5
        and claimed_at is null and (select token from asker) is null
    returning organization_id, id, connection_id, expected_user_id, agent_id, entry_payload, card, callback_url, answer,
        case when created_at <= now() - $6 * interval '1 millisecond' then 'expired' else 'withdrawn' end as status
), remembered as (",
    ended_sql!("withdrawn"),
    "), delivery as (",
    delivery_sql!("withdrawn", "1", "now() + $7 * interval '1 millisecond'"),
    ")
select ",
    via_sql!("via"),
    ", asker.token, exists (select from own) as own, withdrawn.entry_payload, withdrawn.card,
    delivery.delivery_id, delivery.url, delivery.payload
from asker
left join withdrawn on true
left join delivery on true
left join connections via on via.organization_id = $1 and via.id = $3"
);

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
        let rows = self.query(INTERACTION_WITHDRAW, &parameters).await?;
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
