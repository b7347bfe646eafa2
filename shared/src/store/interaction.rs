//! Pending interactions. Every operation takes the whole scope, so no field can be forgotten.

use super::connection::{Connection, connection};
use super::delivery::Delivery;
use super::{Parameter, Store, StoreError, malformed, millis};
use crate::hash;
use crate::id::{InteractionId, TokenId};
use crate::scope::{AgentScope, OwnInteraction, Scope};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;
use tokio_postgres::{
    Row,
    types::{Json, Type},
};

/// An interaction that is to be stored.
#[derive(Debug)]
pub struct NewInteraction<'a> {
    pub scope: &'a Scope,
    pub agent: &'a AgentScope,
    /// The token that asks, which must not have been revoked.
    pub token: Option<&'a TokenId>,
    pub id: &'a InteractionId,
    pub payload: &'a Value,
    /// Of what an approval shows.
    pub digest: Option<&'a str>,
    pub again: Again,
}

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
    New(Status, Connection),
    /// Something in it changed: it is stored anew and can be claimed again. Its former card, if known.
    Anew(Status, Connection, Option<CardAddress>),
    /// Nothing in it changed; this is how it stands.
    Unchanged(Status),
    /// The id stands under another connection, user or agent. Nothing changed.
    ScopeConflict,
    /// The id was stored longer ago than the TTL. Nothing changed.
    Expired,
    /// The organization has no such connection. Nothing changed.
    UnknownConnection,
    /// The token that asks was revoked. Nothing changed.
    Revoked,
}

/// How an interaction stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub outcome: Outcome,
    pub created_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

/// Every interaction ends in exactly one of the last two, or is withdrawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Pending,
    Answered(Value),
    Expired,
}

/// A posted card's own address on its platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardAddress {
    pub channel: String,
    pub message: String,
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
        Self(hash::of(parts).to_vec())
    }
}

/// A click as it claims.
#[derive(Debug)]
pub struct NewClaim<'a> {
    pub choice: Choice,
    pub click: &'a ClickKey,
    /// Where the clicked card is.
    pub card: Option<&'a CardAddress>,
    pub ttl: Duration,
    /// For how long settling and delivering are the claimer's own; then they are the sweep's.
    pub lease: Duration,
}

/// What claiming came to.
#[derive(Debug)]
pub enum Claim {
    /// This click is the one.
    Won(Answered, Option<Delivery>),
    /// This click was the one, and is delivered again.
    Again(Answered),
    /// The person who was asked clicked when it was over.
    Late(Late),
    /// No claimable row: not this scope's, or answered.
    Nothing,
}

/// The question as it was asked, and its answer.
#[derive(Debug)]
pub struct Answered {
    pub payload: Value,
    pub answer: Value,
}

/// Why a click came too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    Expired,
    Withdrawn,
    /// The card is of what stood under the id before.
    Replaced,
}

/// What withdrawing came to.
#[derive(Debug)]
pub enum Withdrawal {
    Withdrawn(Box<Withdrawn>),
    Answered,
    Unknown,
}

/// What was withdrawn, so that its card can be told.
#[derive(Debug)]
pub struct Withdrawn {
    pub payload: Value,
    pub card: Option<CardAddress>,
    pub connection: Option<Connection>,
    pub delivery: Option<Delivery>,
}

/// What an answered interaction may still owe to chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owed {
    Receipt,
    Card,
}

impl Owed {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Card => "card",
        }
    }
}

// One statement for all that must hold before a card may be posted. `created_at` is kept: retries
// must not extend a question's life.
const INTERACTION_STORE: &str = "
with revoked as (
    select from revoked_tokens where organization_id = $1 and jti = $9
), via as (
    select id, organization_id, platform, secret_ref, config
    from connections
    where organization_id = $1 and id = $3
), before as (
    select * from pending_interactions where organization_id = $1 and id = $2
), ended as (
    select former_cards from ended_interactions where organization_id = $1 and id = $2
), stored as (
    insert into pending_interactions as p
        (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload, digest, former_cards)
    select $1, $2, $3, $4, $5, $6, $10, coalesce((select former_cards from ended), '[]')
    from via where not exists (select from revoked)
    on conflict (organization_id, id) do update
    set entry_payload = excluded.entry_payload, digest = excluded.digest, claimed_at = null, answer = null,
        card = null, unsettled = '{}', settle_at = null,
        -- The card of what is replaced is a former one. One that may be anywhere is null, unless its click
        -- has said where it is.
        posted_card = null, former_cards = p.former_cards || case p.posted_card
            when 'null' then coalesce(p.card, p.posted_card) else coalesce(p.posted_card, '[]') end
    where p.connection_id = excluded.connection_id
        and p.expected_user_id = excluded.expected_user_id
        and p.agent_id = excluded.agent_id
        and p.created_at > now() - $7 * interval '1 millisecond'
        and ($8 or p.entry_payload is distinct from excluded.entry_payload)
    -- A row version that replaced none has no xmax.
    returning p.created_at, p.xmax = 0 as inserted
)
select via.id, via.organization_id, via.platform, via.secret_ref, via.config,
    coalesce(stored.created_at, before.created_at),
    coalesce(stored.created_at, before.created_at) + $7 * interval '1 millisecond',
    stored.created_at is null and before.claimed_at is not null, before.answer,
    before.created_at <= now() - $7 * interval '1 millisecond',
    exists (select from revoked), stored.inserted,
    before.connection_id = $3 and before.expected_user_id = $4 and before.agent_id = $5,
    before.card, before.entry_payload = $6
from (select) as one
left join via on true
left join stored on true
left join before on true";

// The answer is made from the stored options; what the click says of its label is ignored. A card that
// showed what stood here before claims nothing. What follows from the answer, the delivery and the
// grant, stands or falls with it.
const INTERACTION_CLAIM: &str = "
with claimed as (
    update pending_interactions
    set claimed_at = now(),
        applied_clicks = applied_clicks || $7,
        card = coalesce($8, card),
        unsettled = '{receipt,card}',
        settle_at = now() + $9 * interval '1 millisecond',
        answer = jsonb_strip_nulls(jsonb_build_object(
            'value', (case when entry_payload ->> 'kind' = 'approval'
                then '[\"1h\", \"24h\", \"always\", \"deny\"]'::jsonb else entry_payload -> 'options' end) -> $6::int4,
            'index', $6::int4,
            'user_id', $4::text,
            'answered_at', to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),
            'digest', digest
        ))
    where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4
        and claimed_at is null
        and created_at > now() - $5 * interval '1 millisecond'
        and (case when entry_payload ->> 'kind' = 'approval'
            then '[\"1h\", \"24h\", \"always\", \"deny\"]'::jsonb else entry_payload -> 'options' end) -> $6::int4 is not null
        and not ($7 = any(applied_clicks))
        and not former_cards @> jsonb_build_array($8::jsonb)
        -- Where a former card may be anywhere, only the present one is not it, if it is known where that is.
        and (not former_cards @> '[null]' or posted_card is null or posted_card in ('null', $8))
    returning agent_id, entry_payload, answer
), delivery as (
    insert into deliveries (organization_id, id, interaction_id, url, payload, attempts, next_attempt_at)
    select $1, 'msg_' || replace(gen_random_uuid()::text, '-', ''), $2, entry_payload ->> 'callback_url',
        jsonb_build_object('type', 'interaction.answered', 'timestamp', answer -> 'answered_at',
            'data', jsonb_build_object('id', $2::text, 'status', 'answered', 'answer', answer)),
        1, now() + $9 * interval '1 millisecond'
    from claimed
    where entry_payload ->> 'callback_url' is not null
    returning id, url, payload
), decided as (
    -- A denial beats a grant, whichever was given first; a grant does not shorten another.
    insert into grants as g (organization_id, agent_id, pattern, denied, expires_at, granted_by)
    select $1, agent_id,
        -- A host's only where a policy asked for it: an agent's own tool has no colon.
        case when entry_payload ->> 'tool' like 'host:%' then entry_payload ->> 'tool'
            else '/mcp/' || split_part(entry_payload ->> 'tool', '/', 1) || '/tools/' || split_part(entry_payload ->> 'tool', '/', 2)
        end,
        answer ->> 'value' = 'deny',
        case answer ->> 'value' when '1h' then now() + interval '1 hour' when '24h' then now() + interval '24 hours' end,
        $4
    from claimed
    where entry_payload ->> 'kind' = 'approval'
        and entry_payload ->> 'tool' ~ '^([A-Za-z0-9_.-]{1,64}/[A-Za-z0-9_.-]{1,128}|host:[][a-z0-9_.:-]{1,255})$'
    on conflict (organization_id, agent_id, pattern) do update
    set denied = excluded.denied,
        expires_at = case
            when g.denied or g.expires_at <= now() then excluded.expires_at
            when excluded.expires_at is null or g.expires_at is null then null
            else greatest(excluded.expires_at, g.expires_at)
        end,
        granted_at = excluded.granted_at, granted_by = excluded.granted_by
    where excluded.denied or not g.denied or g.expires_at <= now()
)
select 'won', claimed.entry_payload, claimed.answer, delivery.id, delivery.url, delivery.payload
from claimed left join delivery on true
union all
select case
        when claimed_at is not null and applied_clicks[cardinality(applied_clicks)] = $7 then 'again'
        when claimed_at is null and created_at <= now() - $5 * interval '1 millisecond' then 'expired'
        when claimed_at is null and (former_cards @> jsonb_build_array($8::jsonb)
            or former_cards @> '[null]' and posted_card not in ('null', $8)) then 'replaced'
        else 'nothing'
    end,
    entry_payload, answer, null, null, null
from pending_interactions
where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4
    and not exists (select from claimed)
union all
select case when expired then 'expired' else 'withdrawn' end, null, null, null, null, null
from ended_interactions
where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4
    and not exists (select from pending_interactions where organization_id = $1 and id = $2)";

// Its cards stay in chat, so they are remembered: the id may be used again.
const INTERACTION_DELETE: &str = "
with deleted as (
    delete from pending_interactions
    where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4
        and ($5::jsonb is null or (claimed_at is null and entry_payload = $5))
    returning former_cards || coalesce(posted_card, '[]') as cards
), remembered as (
    insert into ended_interactions (organization_id, id, connection_id, expected_user_id, former_cards)
    select $1, $2, $3, $4, cards from deleted where cards <> '[]'
    on conflict (organization_id, id) do update
    set connection_id = excluded.connection_id, expected_user_id = excluded.expected_user_id, ended_at = now(),
        expired = false, former_cards = excluded.former_cards
)
select from deleted";

// One that is past its time ends as expired, which a reader may already have been told.
const INTERACTION_WITHDRAW: &str = "
with own as (
    select from pending_interactions
    where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4 and agent_id = $5
), withdrawn as (
    delete from pending_interactions
    where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4 and agent_id = $5
        and claimed_at is null
    returning entry_payload, card, former_cards || coalesce(posted_card, '[]') as cards,
        case when created_at <= now() - $6 * interval '1 millisecond' then 'expired' else 'withdrawn' end as status
), remembered as (
    insert into ended_interactions (organization_id, id, connection_id, expected_user_id, expired, former_cards)
    select $1, $2, $3, $4, status = 'expired', cards from withdrawn
    on conflict (organization_id, id) do update
    set connection_id = excluded.connection_id, expected_user_id = excluded.expected_user_id, ended_at = now(),
        expired = excluded.expired, former_cards = excluded.former_cards
), delivery as (
    insert into deliveries (organization_id, id, interaction_id, url, payload, attempts, next_attempt_at)
    select $1, 'msg_' || replace(gen_random_uuid()::text, '-', ''), $2, entry_payload ->> 'callback_url',
        jsonb_build_object('type', 'interaction.' || status,
            'timestamp', to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),
            'data', jsonb_build_object('id', $2::text, 'status', status)),
        1, now() + $7 * interval '1 millisecond'
    from withdrawn
    where entry_payload ->> 'callback_url' is not null
    returning id, url, payload
)
select via.id, via.organization_id, via.platform, via.secret_ref, via.config,
    exists (select from own), withdrawn.entry_payload, withdrawn.card, delivery.id, delivery.url, delivery.payload
from (select) as one
left join withdrawn on true
left join delivery on true
left join connections via on via.organization_id = $1 and via.id = $3";

const INTERACTION_STATUS: &str = "
select created_at, created_at + $4 * interval '1 millisecond',
    claimed_at is not null, answer, created_at <= now() - $4 * interval '1 millisecond'
from pending_interactions
where organization_id = $1 and id = $2 and agent_id = $3";

// The note of a post that was overtaken, by another content or by a withdrawal, is of a former card.
const INTERACTION_POSTED: &str = "
with noted as (
    update pending_interactions
    set card = case when entry_payload = $6 then coalesce(card, nullif($5::jsonb, 'null')) else card end,
        posted_card = case when entry_payload = $6 then $5 else posted_card end,
        former_cards = case
            when entry_payload <> $6 then former_cards || $5::jsonb
            -- A platform that gives the same address again has put the new card there.
            when $5 <> 'null' and former_cards @> jsonb_build_array($5::jsonb)
                then (select coalesce(jsonb_agg(c), '[]') from jsonb_array_elements(former_cards) c where c <> $5)
            else former_cards
        end
    where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4
    returning id
)
update ended_interactions
set former_cards = former_cards || $5::jsonb
where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4
    and not exists (select from noted)";

const INTERACTION_SETTLED: &str = "
update pending_interactions
set unsettled = array(select unnest(unsettled) except select unnest($5::text[])),
    settle_at = case when unsettled <@ $5 then null else settle_at end
where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4 and claimed_at is not null";

/// The four fields that every statement on a pending interaction compares, as its first parameters.
fn whole<'a>(columns: &'a [&'a str; 4]) -> [Parameter<'a>; 4] {
    columns.each_ref().map(|column| {
        (
            column as &(dyn tokio_postgres::types::ToSql + Sync),
            Type::TEXT,
        )
    })
}

fn columns<'a>(scope: &'a Scope, id: &'a InteractionId) -> [&'a str; 4] {
    [
        scope.organization().as_str(),
        id.as_str(),
        scope.connection().as_str(),
        scope.user().as_str(),
    ]
}

impl Store {
    /// Stores an interaction of this agent under this scope, if its connection is the organization's
    /// and the token that asks still counts.
    pub async fn interaction_store(
        &self,
        new: &NewInteraction<'_>,
        ttl: Duration,
    ) -> Result<Stored, StoreError> {
        let columns = columns(new.scope, new.id);
        let [organization, id, connection_id, user] = whole(&columns);
        let parameters: [Parameter<'_>; 10] = [
            organization,
            id,
            connection_id,
            user,
            (&new.agent.agent().as_str(), Type::TEXT),
            (&Json(new.payload), Type::JSONB),
            (&(millis(ttl) as f64), Type::FLOAT8),
            (&(new.again == Again::Always), Type::BOOL),
            (&new.token.map(TokenId::as_str), Type::TEXT),
            (&new.digest, Type::TEXT),
        ];
        // A row that appears or changes between the statement's snapshot and its insert is seen whole
        // by neither half.
        for _ in 0..3 {
            let rows = self.query(INTERACTION_STORE, &parameters).await?;
            let row = rows.first().ok_or_else(|| malformed("no row"))?;
            if row.try_get(10)? {
                return Ok(Stored::Revoked);
            }
            let Some(connection) = connection(row)? else {
                return Ok(Stored::UnknownConnection);
            };
            let (stored, own): (Option<bool>, Option<bool>) = (row.try_get(11)?, row.try_get(12)?);
            return Ok(match (stored, own) {
                (Some(true), _) => Stored::New(status(row, 5)?, connection),
                (Some(false), _) => Stored::Anew(status(row, 5)?, connection, card(row, 13)?),
                (None, Some(false)) => Stored::ScopeConflict,
                (None, Some(true)) if row.try_get(9)? => Stored::Expired,
                (None, Some(true)) if row.try_get(14)? => Stored::Unchanged(status(row, 5)?),
                // What this snapshot saw is not what the insert met.
                (None, Some(true) | None) => continue,
            });
        }
        Err(malformed(
            "the interaction was stored and removed by others three times",
        ))
    }

    /// Claims an interaction for the scope's user: one statement, and exactly one of many wins. Its
    /// answer, its delivery and its grant are written with it.
    pub async fn interaction_claim(
        &self,
        scope: &Scope,
        id: &InteractionId,
        claim: &NewClaim<'_>,
    ) -> Result<Claim, StoreError> {
        let columns = columns(scope, id);
        let [organization, interaction, connection, user] = whole(&columns);
        let parameters: [Parameter<'_>; 9] = [
            organization,
            interaction,
            connection,
            user,
            (&(millis(claim.ttl) as f64), Type::FLOAT8),
            (&i32::from(claim.choice.0), Type::INT4),
            (&claim.click.0, Type::BYTEA),
            (&claim.card.map(Json), Type::JSONB),
            (&(millis(claim.lease) as f64), Type::FLOAT8),
        ];
        let rows = self.query(INTERACTION_CLAIM, &parameters).await?;
        let Some(row) = rows.first() else {
            return Ok(Claim::Nothing);
        };
        let answered = || -> Result<Answered, StoreError> {
            let (Json(payload), Json(answer)) = (row.try_get(1)?, row.try_get(2)?);
            Ok(Answered { payload, answer })
        };
        Ok(match row.try_get(0)? {
            "won" => Claim::Won(
                answered()?,
                Delivery::of(row, 3, scope.organization(), id, 1)?,
            ),
            "again" => Claim::Again(answered()?),
            "expired" => Claim::Late(Late::Expired),
            "withdrawn" => Claim::Late(Late::Withdrawn),
            "replaced" => Claim::Late(Late::Replaced),
            _ => Claim::Nothing,
        })
    }

    /// Deletes an interaction for good; true when a row went. With a payload only while the
    /// interaction is unanswered and still says that.
    pub async fn interaction_delete(
        &self,
        scope: &Scope,
        id: &InteractionId,
        only: Option<&Value>,
    ) -> Result<bool, StoreError> {
        let columns = columns(scope, id);
        let [organization, interaction, connection, user] = whole(&columns);
        let only: Parameter<'_> = (&only.map(Json), Type::JSONB);
        let parameters = [organization, interaction, connection, user, only];
        Ok(!self
            .query(INTERACTION_DELETE, &parameters)
            .await?
            .is_empty())
    }

    /// Deletes the agent's own interaction unless it was answered; its outcome goes out with it.
    pub async fn interaction_withdraw(
        &self,
        scope: &Scope,
        agent: &AgentScope,
        id: &InteractionId,
        ttl: Duration,
        lease: Duration,
    ) -> Result<Withdrawal, StoreError> {
        let columns = columns(scope, id);
        let [organization, interaction, connection_id, user] = whole(&columns);
        let parameters: [Parameter<'_>; 7] = [
            organization,
            interaction,
            connection_id,
            user,
            (&agent.agent().as_str(), Type::TEXT),
            (&(millis(ttl) as f64), Type::FLOAT8),
            (&(millis(lease) as f64), Type::FLOAT8),
        ];
        let rows = self.query(INTERACTION_WITHDRAW, &parameters).await?;
        let row = rows.first().ok_or_else(|| malformed("no row"))?;
        let payload: Option<Json<Value>> = row.try_get(6)?;
        Ok(match (row.try_get(5)?, payload) {
            (_, Some(Json(payload))) => Withdrawal::Withdrawn(Box::new(Withdrawn {
                payload,
                card: card(row, 7)?,
                connection: connection(row)?,
                delivery: Delivery::of(row, 8, scope.organization(), id, 1)?,
            })),
            (true, None) => Withdrawal::Answered,
            (false, None) => Withdrawal::Unknown,
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
        let rows = self.query(INTERACTION_STATUS, &parameters).await?;
        rows.first().map(|row| status(row, 0)).transpose()
    }

    /// Remembers where the card that shows this payload is, for when the question is withdrawn or asked
    /// anew; or that nobody knows.
    pub async fn interaction_posted(
        &self,
        scope: &Scope,
        id: &InteractionId,
        at: Option<&CardAddress>,
        payload: &Value,
    ) -> Result<(), StoreError> {
        let columns = columns(scope, id);
        let [organization, interaction, connection, user] = whole(&columns);
        let at: Parameter<'_> = (&Json(at), Type::JSONB);
        let payload: Parameter<'_> = (&Json(payload), Type::JSONB);
        let parameters = [organization, interaction, connection, user, at, payload];
        self.query(INTERACTION_POSTED, &parameters).await.map(drop)
    }

    /// Strikes out what an answered interaction no longer owes to chat.
    pub async fn interaction_settled(
        &self,
        scope: &Scope,
        id: &InteractionId,
        done: &[Owed],
    ) -> Result<(), StoreError> {
        let columns = columns(scope, id);
        let [organization, interaction, connection, user] = whole(&columns);
        let done: Vec<&str> = done.iter().map(|owed| owed.as_str()).collect();
        let done: Parameter<'_> = (&done, Type::TEXT_ARRAY);
        let parameters = [organization, interaction, connection, user, done];
        self.query(INTERACTION_SETTLED, &parameters).await.map(drop)
    }
}

/// A column that holds a card's address, if it does.
pub(super) fn card(row: &Row, column: usize) -> Result<Option<CardAddress>, StoreError> {
    let card: Option<Json<Value>> = row.try_get(column)?;
    Ok(card.and_then(|Json(card)| serde_json::from_value(card).ok()))
}

/// Reads five columns: created, expires, claimed, answer, past its time.
fn status(row: &Row, from: usize) -> Result<Status, StoreError> {
    let answer: Option<Json<Value>> = row.try_get(from + 3)?;
    let past: Option<bool> = row.try_get(from + 4)?;
    let outcome = match (row.try_get(from + 2)?, past) {
        (true, _) => Outcome::Answered(answer.map(|Json(answer)| answer).unwrap_or_default()),
        (false, Some(true)) => Outcome::Expired,
        (false, Some(false) | None) => Outcome::Pending,
    };
    Ok(Status {
        outcome,
        created_at: row.try_get(from)?,
        expires_at: row.try_get(from + 1)?,
    })
}
