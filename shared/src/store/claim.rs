//! Claiming: exactly one click answers a pending interaction, in one statement.

use super::delivery::{Delivery, delivery_sql, timestamp_sql};
use super::grant::grant_write_sql;
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
    /// The interaction expired before the click.
    Expired,
    /// The agent withdrew the interaction before the click.
    Withdrawn,
    /// The card shows former content: another question was stored under the same id since.
    Replaced,
    /// This person was not asked, another click answered, or this is not the card that was posted.
    Nothing,
}

// The revision identifies the content that was shown, the card's address the place. The answer is taken from
// the stored options; the label in the click is ignored. The delivery and the grant are written in the same
// statement as the answer.
const INTERACTION_CLAIM: &str = concat!(
    "
with claimed as (
    update pending_interactions
    set claimed_at = now(), claimed_click = $8, card = coalesce(card, $9),
        unsettled = '{receipt,card}', settle_at = now() + $10 * interval '1 millisecond',
        answer = jsonb_strip_nulls(jsonb_build_object(
            'value', options -> $7::int4,
            'index', $7::int4,
            'user_id', $4::text,
            'answered_at', ",
    timestamp_sql!(),
    ",
            'digest', digest
        ))
    where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4
        and claimed_at is null
        and created_at > now() - $5 * interval '1 millisecond'
        and revision = $6
        and (card is null or card = $9)
        and options -> $7::int4 is not null
    returning organization_id, id, agent_id, expected_user_id, entry_payload, answer, callback_url, grant_pattern,
        'answered' as status
), delivery as (",
    delivery_sql!("claimed", "1", "now() + $10 * interval '1 millisecond'"),
    "), decided as (",
    grant_write_sql!("claimed"),
    ")
select claimed.agent_id, claimed.entry_payload, claimed.answer,
    delivery.delivery_id, delivery.url, delivery.payload
from claimed left join delivery on true"
);

/// The kind of `Missed`, as the column `missed` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Again,
    Expired,
    Withdrawn,
    Replaced,
    Nothing,
}

literals! {
    Why {
        Again = "again",
        Expired = "expired",
        Withdrawn = "withdrawn",
        Replaced = "replaced",
        Nothing = "nothing",
    }
}

// Runs only after a click that claimed nothing, and reads only interactions that the clicker was asked.
const INTERACTION_MISSED: &str = "
select
    case
        when claimed_click = $5 then 'again'
        when claimed_at is not null then 'nothing'
        when created_at <= now() - $7 * interval '1 millisecond' then 'expired'
        when revision <> $6 then 'replaced'
        else 'nothing'
    end as missed,
    agent_id, entry_payload, answer
from pending_interactions
where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4
union all
select case when expired then 'expired' else 'withdrawn' end, null, null, null
from ended_interactions e
where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4
    and not exists (select from pending_interactions p where p.organization_id = $1 and p.id = $2)";

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
        let rows = self.query(INTERACTION_CLAIM, &parameters).await?;
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
        let parameters: [Parameter<'_>; 7] = [
            organization,
            interaction,
            connection,
            user,
            (&claim.click.as_bytes(), Type::BYTEA),
            (&claim.revision.as_str(), Type::TEXT),
            (&(millis(claim.ttl) as f64), Type::FLOAT8),
        ];
        let rows = self.query(INTERACTION_MISSED, &parameters).await?;
        let Some(row) = rows.first() else {
            return Ok(Missed::Nothing);
        };
        Ok(match row.parsed("missed", str::parse)? {
            Why::Again => Missed::Again(Box::new(answered(row)?)),
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
