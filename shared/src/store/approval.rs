//! Approvals that a policy asks for. One is open at a time for an agent and a host, whoever asks for it.

use super::connection::{connection, via_sql};
use super::interaction::MAX_OPEN;
use super::{Parameter, Store, StoreError, malformed, millis};
use crate::authority::Connection;
use crate::authority::scope::{AgentScope, PersonScope};
use crate::id::{InteractionId, Revision};
use crate::question::Payload;
use std::time::Duration;
use tokio_postgres::types::{Json, Type};

/// An approval that is to be open.
#[derive(Debug)]
pub struct NewApproval<'a> {
    pub scope: &'a PersonScope,
    pub agent: &'a AgentScope,
    /// Made from what it is about, so that all who ask for it mean the same row.
    pub id: &'a InteractionId,
    pub payload: &'a Payload,
    pub digest: &'a str,
    /// Of the card that is posted if this is new.
    pub revision: &'a Revision,
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
    /// The agent has too many open interactions.
    TooManyOpen,
}

// What stands there and is over makes room: it expired, or its answer has been a grant or a denial for so
// long that whoever asks has read that it no longer is; or no post of it was noted in 30 s, since whoever
// was to post it died.
const APPROVAL_OPEN: &str = concat!(
    "
with via as (
    select * from connections where organization_id = $1 and id = $3
), open as (
    select from pending_interactions
    where organization_id = $1 and agent_id = $5 and claimed_at is null
        and created_at > now() - $8 * interval '1 millisecond'
    limit $10
), crowd as (
    select count(*) >= $10
        and not exists (select from pending_interactions where organization_id = $1 and id = $2) as full
    from open
), opened as (
    insert into pending_interactions as p
        (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload, digest, revision)
    select $1, $2, $3, $4, $5, $6, $7, $9
    from via, crowd
    where not crowd.full
    on conflict (organization_id, id) do update
    set entry_payload = excluded.entry_payload, digest = excluded.digest, revision = excluded.revision,
        created_at = now(), stored_at = now(), posted_at = null, card = null,
        claimed_at = null, answer = null, claimed_click = null, unsettled = '{}', settle_at = null
    where p.connection_id = excluded.connection_id
        and p.expected_user_id = excluded.expected_user_id
        and p.agent_id = excluded.agent_id
        and (p.claimed_at <= now() - interval '10 seconds'
            or p.created_at <= now() - $8 * interval '1 millisecond'
            or (p.claimed_at is null and p.posted_at is null and p.stored_at <= now() - interval '30 seconds'))
    returning 1
)
select ",
    via_sql!("via"),
    ", exists (select from opened) as opened, crowd.full as crowded
from crowd
left join via on true"
);

impl Store {
    /// Opens an approval, unless it is open: one statement, and of many at once exactly one is new.
    pub async fn approval_open(
        &self,
        new: &NewApproval<'_>,
        ttl: Duration,
    ) -> Result<Opened, StoreError> {
        let parameters: [Parameter<'_>; 10] = [
            (&new.scope.organization().as_str(), Type::TEXT),
            (&new.id.as_str(), Type::TEXT),
            (&new.scope.connection().as_str(), Type::TEXT),
            (&new.scope.user().as_str(), Type::TEXT),
            (&new.agent.agent().as_str(), Type::TEXT),
            (&Json(new.payload), Type::JSONB),
            (&new.digest, Type::TEXT),
            (&(millis(ttl) as f64), Type::FLOAT8),
            (&new.revision.as_str(), Type::TEXT),
            (&MAX_OPEN, Type::INT8),
        ];
        let rows = self.query(APPROVAL_OPEN, &parameters).await?;
        let row = rows.first().ok_or_else(|| malformed("no row"))?;
        let (opened, crowded) = (row.try_get("opened")?, row.try_get("crowded")?);
        Ok(match (connection(row)?, opened, crowded) {
            (None, ..) => Opened::UnknownConnection,
            (Some(connection), true, _) => Opened::New(connection),
            (Some(_), false, true) => Opened::TooManyOpen,
            (Some(_), false, false) => Opened::Standing,
        })
    }
}
