//! Pending interactions. Every operation takes the whole scope, so no field can be forgotten.

use super::{Parameter, Store, StoreError, malformed, millis};
use crate::id::InteractionId;
use crate::scope::{AgentScope, OwnInteraction, Scope};
use aws_lc_rs::digest;
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;
use tokio_postgres::{
    Row,
    types::{Json, Type},
};

/// What storing again does to a row whose payload is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// The row is stored anew: it can be claimed again.
    Always,
    /// The row stays as it stands, answered or pending.
    WhenChanged,
}

/// What storing came to.
#[derive(Debug)]
pub enum Stored {
    /// The row is new.
    New(Status),
    /// Something in it changed: it is stored anew and can be claimed again.
    Anew(Status),
    /// Nothing in it changed; this is how it stands.
    Unchanged(Status),
    /// The id stands under another connection, user or agent. Nothing changed.
    ScopeConflict,
    /// The id was stored longer ago than the TTL. Nothing changed.
    Expired,
}

/// How an interaction stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub outcome: Outcome,
    pub created_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

/// Every interaction ends in exactly one of the last two.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Pending,
    Answered(Value),
    Expired,
}

/// Which of the stored options was clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice(pub u8);

/// What makes a click the same click when the platform delivers it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickKey(Vec<u8>);

impl ClickKey {
    /// A key of these parts, in this order.
    pub fn of(parts: &[&str]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        Self(context.finish().as_ref().to_vec())
    }
}

/// What claiming came to.
#[derive(Debug)]
pub enum Claim {
    /// This click is the one: the question as it was asked, and its answer.
    Won { payload: Value, answer: Value },
    /// No claimable row: not this scope's, claimed, expired, or this very click again.
    Nothing,
}

/// What withdrawing came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Withdrawal {
    Withdrawn,
    Answered,
    Unknown,
}

// `created_at` is kept: retries must not extend a question's life.
const INTERACTION_STORE: &str = "
with stored as (
    insert into pending_interactions as p
        (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload)
    values ($1, $2, $3, $4, $5, $6)
    on conflict (organization_id, id) do update
    set entry_payload = excluded.entry_payload, claimed_at = null, answer = null
    where p.connection_id = excluded.connection_id
        and p.expected_user_id = excluded.expected_user_id
        and p.agent_id = excluded.agent_id
        and p.created_at > now() - $7 * interval '1 millisecond'
        and ($8 or p.entry_payload is distinct from excluded.entry_payload)
    -- A row version that replaced none has no xmax.
    returning p.created_at, p.xmax = 0 as inserted
)
select true, inserted, created_at, created_at + $7 * interval '1 millisecond', false, null::jsonb, false
from stored
union all
select false,
    p.connection_id = $3 and p.expected_user_id = $4 and p.agent_id = $5,
    p.created_at, p.created_at + $7 * interval '1 millisecond',
    p.claimed_at is not null, p.answer, p.created_at <= now() - $7 * interval '1 millisecond'
from pending_interactions p
where p.organization_id = $1 and p.id = $2 and not exists (select from stored)";

// The answer is made from the stored options; what the click says of its label is ignored.
const INTERACTION_CLAIM: &str = "
update pending_interactions
set claimed_at = now(),
    applied_clicks = applied_clicks || $7,
    answer = jsonb_build_object(
        'value', entry_payload -> 'options' -> $6::int4,
        'index', $6::int4,
        'user_id', $4::text,
        'answered_at', to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')
    )
where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4
    and claimed_at is null
    and created_at > now() - $5 * interval '1 millisecond'
    and entry_payload -> 'options' -> $6::int4 is not null
    and not ($7 = any(applied_clicks))
returning entry_payload, answer";

const INTERACTION_DELETE: &str = "
delete from pending_interactions
where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4
returning id";

const INTERACTION_WITHDRAW: &str = "
with own as (
    select from pending_interactions
    where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4 and agent_id = $5
), withdrawn as (
    delete from pending_interactions
    where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4 and agent_id = $5
        and claimed_at is null
    returning id
)
select exists (select from own), exists (select from withdrawn)";

const INTERACTION_STATUS: &str = "
select true, true, created_at, created_at + $4 * interval '1 millisecond',
    claimed_at is not null, answer, created_at <= now() - $4 * interval '1 millisecond'
from pending_interactions
where organization_id = $1 and id = $2 and agent_id = $3";

impl Store {
    /// Stores an interaction of this agent under this scope.
    pub async fn interaction_store(
        &self,
        scope: &Scope,
        agent: &AgentScope,
        id: &InteractionId,
        payload: &Value,
        ttl: Duration,
        again: Again,
    ) -> Result<Stored, StoreError> {
        // A row that appears between the statement's snapshot and its insert is seen by neither half.
        for _ in 0..3 {
            let rows = self
                .query(
                    INTERACTION_STORE,
                    &[
                        (&scope.organization().as_str(), Type::TEXT),
                        (&id.as_str(), Type::TEXT),
                        (&scope.connection().as_str(), Type::TEXT),
                        (&scope.user().as_str(), Type::TEXT),
                        (&agent.agent().as_str(), Type::TEXT),
                        (&Json(payload), Type::JSONB),
                        (&(millis(ttl) as f64), Type::FLOAT8),
                        (&(again == Again::Always), Type::BOOL),
                    ],
                )
                .await?;
            let Some(row) = rows.first() else {
                continue;
            };
            let status = status(row)?;
            // The second column says of a stored row whether it is new, of any other whose it is.
            return Ok(match (row.try_get(0)?, row.try_get(1)?) {
                (true, true) => Stored::New(status),
                (true, false) => Stored::Anew(status),
                (false, false) => Stored::ScopeConflict,
                (false, true) if row.try_get(6)? => Stored::Expired,
                (false, true) => Stored::Unchanged(status),
            });
        }
        Err(malformed(
            "the interaction was stored and removed by others three times",
        ))
    }

    /// Claims an interaction for the scope's user: one statement, and exactly one of many wins.
    pub async fn interaction_claim(
        &self,
        scope: &Scope,
        id: &InteractionId,
        choice: Choice,
        click: &ClickKey,
        ttl: Duration,
    ) -> Result<Claim, StoreError> {
        let parameters: [Parameter<'_>; 7] = [
            (&scope.organization().as_str(), Type::TEXT),
            (&id.as_str(), Type::TEXT),
            (&scope.connection().as_str(), Type::TEXT),
            (&scope.user().as_str(), Type::TEXT),
            (&(millis(ttl) as f64), Type::FLOAT8),
            (&i32::from(choice.0), Type::INT4),
            (&click.0, Type::BYTEA),
        ];
        let rows = self.query(INTERACTION_CLAIM, &parameters).await?;
        let Some(row) = rows.first() else {
            return Ok(Claim::Nothing);
        };
        let (Json(payload), Json(answer)): (Json<Value>, Json<Value>) =
            (row.try_get(0)?, row.try_get(1)?);
        Ok(Claim::Won { payload, answer })
    }

    /// Deletes an interaction for good; true when a row went.
    pub async fn interaction_delete(
        &self,
        scope: &Scope,
        id: &InteractionId,
    ) -> Result<bool, StoreError> {
        let parameters: [Parameter<'_>; 4] = [
            (&scope.organization().as_str(), Type::TEXT),
            (&id.as_str(), Type::TEXT),
            (&scope.connection().as_str(), Type::TEXT),
            (&scope.user().as_str(), Type::TEXT),
        ];
        Ok(!self
            .query(INTERACTION_DELETE, &parameters)
            .await?
            .is_empty())
    }

    /// Deletes the agent's own interaction unless it was answered.
    pub async fn interaction_withdraw(
        &self,
        scope: &Scope,
        agent: &AgentScope,
        id: &InteractionId,
    ) -> Result<Withdrawal, StoreError> {
        let parameters: [Parameter<'_>; 5] = [
            (&scope.organization().as_str(), Type::TEXT),
            (&id.as_str(), Type::TEXT),
            (&scope.connection().as_str(), Type::TEXT),
            (&scope.user().as_str(), Type::TEXT),
            (&agent.agent().as_str(), Type::TEXT),
        ];
        let rows = self.query(INTERACTION_WITHDRAW, &parameters).await?;
        let row = rows.first().ok_or_else(|| malformed("no row"))?;
        Ok(match (row.try_get(0)?, row.try_get(1)?) {
            (_, true) => Withdrawal::Withdrawn,
            (true, false) => Withdrawal::Answered,
            (false, false) => Withdrawal::Unknown,
        })
    }

    /// How the agent's own interaction stands; another's is as if absent.
    pub async fn interaction_status(
        &self,
        own: OwnInteraction<'_>,
        ttl: Duration,
    ) -> Result<Option<Status>, StoreError> {
        let parameters: [Parameter<'_>; 4] = [
            (&own.agent.organization().as_str(), Type::TEXT),
            (&own.id.as_str(), Type::TEXT),
            (&own.agent.agent().as_str(), Type::TEXT),
            (&(millis(ttl) as f64), Type::FLOAT8),
        ];
        self.query(INTERACTION_STATUS, &parameters)
            .await?
            .first()
            .map(status)
            .transpose()
    }
}

/// Reads columns 2 to 6: created, expires, claimed, answer, expired.
fn status(row: &Row) -> Result<Status, StoreError> {
    let answer: Option<Json<Value>> = row.try_get(5)?;
    let outcome = match (row.try_get(4)?, row.try_get(6)?) {
        (true, _) => Outcome::Answered(answer.map(|Json(answer)| answer).unwrap_or_default()),
        (false, true) => Outcome::Expired,
        (false, false) => Outcome::Pending,
    };
    Ok(Status {
        outcome,
        created_at: row.try_get(2)?,
        expires_at: row.try_get(3)?,
    })
}
