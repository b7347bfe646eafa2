//! Approvals that a policy asks for. One is open at a time for an agent and a host, whoever asks for it.

use super::connection::{Connection, connection};
use super::{Parameter, Store, StoreError, malformed, millis};
use crate::id::InteractionId;
use crate::scope::{AgentScope, Scope};
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::types::{Json, Type};

/// An approval that is to be open.
#[derive(Debug)]
pub struct NewApproval<'a> {
    pub scope: &'a Scope,
    pub agent: &'a AgentScope,
    /// Made from what it is about, so that all who ask for it mean the same row.
    pub id: &'a InteractionId,
    pub payload: &'a Value,
    pub digest: &'a str,
}

/// What opening came to.
#[derive(Debug)]
pub enum Opened {
    /// There was none, or it is over: this one is new, and its card is to be posted.
    New(Connection),
    /// One is open already.
    Standing,
    /// The organization has no such connection.
    UnknownConnection,
}

// What stands there and is over makes room: it expired, or its answer has been a grant or a denial for so
// long that whoever asks has read that it is no more; or it is so old that its card should be posted and
// nobody knows of one, since whoever was to post it died. The clicks that it took are not taken again.
const APPROVAL_OPEN: &str = "
with via as (
    select id, organization_id, platform, secret_ref, config
    from connections
    where organization_id = $1 and id = $3
), ended as (
    select former_cards from ended_interactions where organization_id = $1 and id = $2
), opened as (
    insert into pending_interactions as p
        (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload, digest, former_cards)
    select $1, $2, $3, $4, $5, $6, $7, coalesce((select former_cards from ended), '[]')
    from via
    on conflict (organization_id, id) do update
    set entry_payload = excluded.entry_payload, digest = excluded.digest, created_at = now(), claimed_at = null,
        answer = null, card = null, unsettled = '{}', settle_at = null,
        -- Where its card is, or null: it may be anywhere.
        posted_card = null, former_cards = p.former_cards || coalesce(nullif(p.posted_card, 'null'), p.card, 'null')
    where p.connection_id = excluded.connection_id
        and p.expected_user_id = excluded.expected_user_id
        and p.agent_id = excluded.agent_id
        and (p.claimed_at <= now() - interval '10 seconds'
            or p.created_at <= now() - $8 * interval '1 millisecond'
            or (p.claimed_at is null and p.posted_card is null and p.created_at <= now() - interval '1 minute'))
    returning 1
)
select via.id, via.organization_id, via.platform, via.secret_ref, via.config, exists (select from opened)
from (select) as one
left join via on true";

impl Store {
    /// Opens an approval, unless it is open: one statement, and of many at once exactly one is new.
    pub async fn approval_open(
        &self,
        new: &NewApproval<'_>,
        ttl: Duration,
    ) -> Result<Opened, StoreError> {
        let parameters: [Parameter<'_>; 8] = [
            (&new.scope.organization().as_str(), Type::TEXT),
            (&new.id.as_str(), Type::TEXT),
            (&new.scope.connection().as_str(), Type::TEXT),
            (&new.scope.user().as_str(), Type::TEXT),
            (&new.agent.agent().as_str(), Type::TEXT),
            (&Json(new.payload), Type::JSONB),
            (&new.digest, Type::TEXT),
            (&(millis(ttl) as f64), Type::FLOAT8),
        ];
        let rows = self.query(APPROVAL_OPEN, &parameters).await?;
        let row = rows.first().ok_or_else(|| malformed("no row"))?;
        Ok(match (connection(row)?, row.try_get(5)?) {
            (None, _) => Opened::UnknownConnection,
            (Some(connection), true) => Opened::New(connection),
            (Some(_), false) => Opened::Standing,
        })
    }
}
