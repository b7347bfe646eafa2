//! Claiming: exactly one click answers a pending interaction, in one call.

use super::delivery::Delivery;
use super::interaction::{columns, whole};
use super::row::Columns;
use super::{Parameter, Store, StoreError, millis};
use crate::authority::scope::PersonScope;
use crate::id::{AgentId, InteractionId, Revision};
use crate::literal::literals;
use crate::question::{Answered, CardAddress, Choice, ClickKey, Malformed};
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::{
    Row,
    types::{Json, Type},
};

/// A click that tries to claim an interaction.
#[derive(Debug)]
pub struct NewClaim<'a> {
    /// The revision of the card that was clicked.
    pub revision: &'a Revision,
    /// The option that was clicked.
    pub choice: Choice,
    /// Identifies the click, because a platform may deliver the same click again.
    pub click: &'a ClickKey,
    /// The address of the clicked card, if the platform gives it.
    pub card: Option<&'a CardAddress>,
    /// How long after it was stored an interaction can be answered.
    pub ttl: Duration,
    /// How long settling and delivering are left to the claimer. After that the sweep takes over.
    pub lease: Duration,
}

/// What a claim wrote: the answer, and the outcome that the claimer must deliver if there is a callback address.
pub type Claimed = (Result<Answered, Malformed>, Option<Delivery>);

/// Why a click claimed nothing, as far as the person who was asked may know.
#[derive(Debug)]
pub enum Missed {
    /// The same click claimed the interaction before, and the platform delivered it again.
    Again(Box<Result<Answered, Malformed>>),
    /// The interaction was answered on another card of the same content: its post was repeated.
    Twin(Box<Result<Answered, Malformed>>),
    /// The interaction expired before the click.
    Expired,
    /// The agent withdrew the interaction before the click.
    Withdrawn,
    /// The card shows former content: another question was stored under the same id since.
    Replaced,
    /// This person was not asked, another click answered, or this is not the card that was posted.
    Nothing,
}

/// The kind of `Missed`, as the column `missed` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Again,
    Twin,
    Expired,
    Withdrawn,
    Replaced,
    Nothing,
}

literals! {
    Why {
        Again = "again",
        Twin = "twin",
        Expired = "expired",
        Withdrawn = "withdrawn",
        Replaced = "replaced",
        Nothing = "nothing",
    }
}

impl Store {
    /// Claims an interaction for the scope's user. Of several clicks, exactly one succeeds. Its answer, delivery
    /// and grant are written together, even if the stored payload is too malformed to draw a card. `None` if
    /// the click claimed nothing.
    pub async fn interaction_claim(
        &self,
        scope: &PersonScope,
        id: &InteractionId,
        claim: &NewClaim<'_>,
    ) -> Result<Option<Claimed>, StoreError> {
        let columns = columns(scope, id);
        let [organization, interaction, connection, user] = whole(&columns);
        let parameters: [Parameter<'_>; 10] = [
            organization,
            interaction,
            connection,
            user,
            (&(millis(claim.ttl) as f64), Type::FLOAT8),
            (&claim.revision.as_str(), Type::TEXT),
            (&i32::from(claim.choice.0), Type::INT4),
            (&claim.click.as_bytes(), Type::BYTEA),
            (&claim.card.map(Json), Type::JSONB),
            (&(millis(claim.lease) as f64), Type::FLOAT8),
        ];
        let rows = self.call("interaction_claim_1", &parameters).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let answered = answered(row)?;
        let agent = row.parsed("agent_id", AgentId::parse)?;
        let delivery = Delivery::just_written(row, scope.organization(), &agent, id)?;
        Ok(Some((answered, delivery)))
    }

    /// Reads why a click claimed nothing.
    pub async fn interaction_missed(
        &self,
        scope: &PersonScope,
        id: &InteractionId,
        claim: &NewClaim<'_>,
    ) -> Result<Missed, StoreError> {
        let columns = columns(scope, id);
        let [organization, interaction, connection, user] = whole(&columns);
        let parameters: [Parameter<'_>; 8] = [
            organization,
            interaction,
            connection,
            user,
            (&claim.click.as_bytes(), Type::BYTEA),
            (&claim.revision.as_str(), Type::TEXT),
            (&claim.card.map(Json), Type::JSONB),
            (&(millis(claim.ttl) as f64), Type::FLOAT8),
        ];
        let rows = self.call("interaction_missed_1", &parameters).await?;
        let Some(row) = rows.first() else {
            return Ok(Missed::Nothing);
        };
        Ok(match row.parsed("missed", str::parse)? {
            Why::Again => Missed::Again(Box::new(answered(row)?)),
            Why::Twin => Missed::Twin(Box::new(answered(row)?)),
            Why::Expired => Missed::Expired,
            Why::Withdrawn => Missed::Withdrawn,
            Why::Replaced => Missed::Replaced,
            Why::Nothing => Missed::Nothing,
        })
    }
}

/// Reads the columns `agent_id`, `entry_payload` and `answer`. Malformed JSON is part of the result rather than
/// an error: the statement has taken effect, and other rows must still be handled.
pub(super) fn answered(row: &Row) -> Result<Result<Answered, Malformed>, StoreError> {
    let agent = row.parsed("agent_id", AgentId::parse)?;
    let Json(payload): Json<Value> = row.column("entry_payload")?;
    // A row that was claimed by hand, with plain SQL, may have no answer.
    let answer: Option<Json<Value>> = row.column("answer")?;
    let answer = answer.map_or(Value::Null, |Json(answer)| answer);
    let read = |payload: Value, answer: Value| {
        Ok(Answered {
            agent,
            payload: payload.try_into()?,
            answer: answer.try_into()?,
        })
    };
    Ok(read(payload, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_click_claimed_nothing_is_read_back_from_its_name() {
        crate::literal::assert_read_back(&Why::ALL, Why::as_str);
    }
}
