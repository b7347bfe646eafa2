//! Pending interactions: stored, noted, read, deleted. Every operation takes the whole scope, so no field
//! can be forgotten. Claiming is in `claim`, withdrawing in `withdraw`.

use super::connection::{connection, via_sql};
use super::open::{MAX_OPEN, before_open_sql, open_sql, unposted_sql};
use super::row::{Columns, one};
use super::token::{token_sql, token_standing};
use super::{Parameter, Store, StoreError, malformed, millis};
use crate::authority::Connection;
use crate::authority::access::TokenStanding;
use crate::authority::scope::{PersonScope, VerifiedWorker};
use crate::id::{InteractionId, Revision};
use crate::question::{Answer, CardAddress, Outcome, Payload, Status};
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::{
    Row,
    types::{Json, Type},
};

/// An interaction that is to be stored.
#[derive(Debug)]
pub struct NewInteraction<'a> {
    /// The person who is asked.
    pub scope: &'a PersonScope,
    /// Who asks; its token must still count.
    pub worker: &'a VerifiedWorker,
    /// The id that the agent chose.
    pub id: &'a InteractionId,
    /// What is asked.
    pub payload: &'a Payload,
    /// Of what an approval shows.
    pub digest: Option<&'a str>,
    /// Of the card that is posted if this is stored.
    pub revision: &'a Revision,
}

/// What storing came to.
#[derive(Debug)]
pub enum Stored {
    /// The row is new.
    New(Status, Connection),
    /// A row stood there with other content, or with a card that nobody is known to have posted. It is stored
    /// again and can be claimed again. Holds the former card's address, if it is known.
    Anew(Status, Connection, Option<CardAddress>),
    /// Nothing in it changed; this is how it stands.
    Unchanged(Status),
    /// The id stands under another connection, user or agent. Nothing changed.
    ScopeConflict,
    /// The id was stored longer ago than the TTL. Nothing changed.
    Expired,
    /// The organization has no such connection. Nothing changed.
    UnknownConnection,
    /// The agent has too many open interactions. Nothing changed.
    TooManyOpen,
    /// The token that asks does not count. Nothing changed.
    Refused(TokenStanding),
}

/// What reading came to.
#[derive(Debug)]
pub enum Read {
    /// How it stands.
    Status(Status),
    /// The agent has no interaction of this id.
    Unknown,
    /// The token that reads does not count.
    Refused(TokenStanding),
}

// One statement for all that must hold before a card may be posted. A row is stored again where its content
// is another, or where nobody posted its card.
const INTERACTION_STORE: &str = concat!(
    "
with asker as (
    select ",
    token_sql!("$1", "$5", "$11", "$12", "$13"),
    " as token
), before as (
    select * from pending_interactions where organization_id = $1 and id = $2
), ",
    before_open_sql!(),
    ", stored as (",
    open_sql!(
        "via, asker, crowd where asker.token is null and not crowd.full",
        ""
    ),
    "p.created_at > now() - $7 * interval '1 millisecond'
        and (p.entry_payload is distinct from excluded.entry_payload
            or ",
    unposted_sql!(),
    ")
    -- A row version that replaced none has no xmax.
    returning p.created_at, p.xmax = 0 as inserted
)
select ",
    via_sql!("via"),
    ", asker.token,
    coalesce(stored.created_at, before.created_at) as created_at,
    coalesce(stored.created_at, before.created_at) + $7 * interval '1 millisecond' as expires_at,
    stored.inserted is null and before.claimed_at is not null as claimed, before.answer,
    coalesce(before.created_at <= now() - $7 * interval '1 millisecond', false) as past, stored.inserted, before.card as former_card,
    crowd.full as crowded,
    before.connection_id = $3 and before.expected_user_id = $4 and before.agent_id = $5 as own,
    before.entry_payload = $6 as same
from asker
cross join crowd
left join via on true
left join stored on true
left join before on true"
);

const INTERACTION_STATUS: &str = concat!(
    "
select ",
    token_sql!("$1", "$3", "$5", "$6", "$7"),
    " as token, p.id is not null as stands, p.created_at, p.created_at + $4 * interval '1 millisecond' as expires_at,
    p.claimed_at is not null as claimed, p.answer, p.created_at <= now() - $4 * interval '1 millisecond' as past
from (select) as one
left join pending_interactions p on p.organization_id = $1 and p.id = $2 and p.agent_id = $3"
);

// The note of a post that was overtaken by another content is of a card that answers nothing.
const INTERACTION_POSTED: &str = "
update pending_interactions
set posted_at = now(), card = coalesce(card, $6)
where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4 and revision = $5";

const INTERACTION_DELETE: &str = "
delete from pending_interactions
where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4
    and ($5::text is null or (revision = $5 and claimed_at is null))
returning id";

/// The four fields that every statement on a pending interaction compares, as its first parameters.
pub(super) fn whole<'a>(columns: &'a [&'a str; 4]) -> [Parameter<'a>; 4] {
    columns.each_ref().map(|column| {
        (
            column as &(dyn tokio_postgres::types::ToSql + Sync),
            Type::TEXT,
        )
    })
}

pub(super) fn columns<'a>(scope: &'a PersonScope, id: &'a InteractionId) -> [&'a str; 4] {
    [
        scope.organization().as_str(),
        id.as_str(),
        scope.connection().as_str(),
        scope.user().as_str(),
    ]
}

impl Store {
    /// Stores an interaction of the worker's agent under this scope, if its connection is the
    /// organization's and its token still counts.
    pub async fn interaction_store(
        &self,
        new: &NewInteraction<'_>,
        ttl: Duration,
    ) -> Result<Stored, StoreError> {
        let columns = columns(new.scope, new.id);
        let [organization, id, connection_id, user] = whole(&columns);
        let parameters: [Parameter<'_>; 13] = [
            organization,
            id,
            connection_id,
            user,
            (&new.worker.agent().agent().as_str(), Type::TEXT),
            (&Json(new.payload), Type::JSONB),
            (&(millis(ttl) as f64), Type::FLOAT8),
            (&new.digest, Type::TEXT),
            (&new.revision.as_str(), Type::TEXT),
            (&MAX_OPEN, Type::INT8),
            (&new.worker.token().as_str(), Type::TEXT),
            (&new.worker.issued_at(), Type::FLOAT8),
            (&new.worker.deployment().as_str(), Type::TEXT),
        ];
        // A row that appears or changes between the statement's snapshot and its insert is seen whole
        // by neither half.
        for _ in 0..3 {
            let rows = match self.query(INTERACTION_STORE, &parameters).await {
                // So is an agent or a connection that went in between.
                Err(error) if error.orphan().is_some() => continue,
                rows => rows?,
            };
            let row = one(&rows)?;
            let token = token_standing(row)?;
            if token != TokenStanding::Good {
                return Ok(Stored::Refused(token));
            }
            let Some(connection) = connection(row)? else {
                return Ok(Stored::UnknownConnection);
            };
            return Ok(match (row.column("inserted")?, row.column("own")?) {
                (Some(true), _) => Stored::New(status(row)?, connection),
                (Some(false), _) => {
                    Stored::Anew(status(row)?, connection, row.json("former_card")?)
                }
                (None, Some(false)) => Stored::ScopeConflict,
                (None, Some(true)) if row.column("past")? => Stored::Expired,
                (None, Some(true)) if row.column("same")? => Stored::Unchanged(status(row)?),
                (None, None) if row.column("crowded")? => Stored::TooManyOpen,
                // What this snapshot saw is not what the insert met.
                (None, Some(true) | None) => continue,
            });
        }
        Err(malformed(
            "the interaction was stored and removed by others three times",
        ))
    }

    /// Notes that the card of this revision was posted, and where, if that is known.
    pub async fn interaction_posted(
        &self,
        scope: &PersonScope,
        id: &InteractionId,
        revision: &Revision,
        at: Option<&CardAddress>,
    ) -> Result<(), StoreError> {
        let columns = columns(scope, id);
        let [organization, interaction, connection, user] = whole(&columns);
        let parameters: [Parameter<'_>; 6] = [
            organization,
            interaction,
            connection,
            user,
            (&revision.as_str(), Type::TEXT),
            (&at.map(Json), Type::JSONB),
        ];
        self.query(INTERACTION_POSTED, &parameters).await.map(drop)
    }

    /// Deletes an interaction for good; true when a row went. With a revision only while that revision stands
    /// there unanswered, which is how a post that failed is undone. Without one, whatever stands there: the
    /// plain operation, which nothing in production calls and the tests hold to its scope.
    pub async fn interaction_delete(
        &self,
        scope: &PersonScope,
        id: &InteractionId,
        only: Option<&Revision>,
    ) -> Result<bool, StoreError> {
        let columns = columns(scope, id);
        let [organization, interaction, connection, user] = whole(&columns);
        let only: Parameter<'_> = (&only.map(Revision::as_str), Type::TEXT);
        let parameters = [organization, interaction, connection, user, only];
        let rows = self.query(INTERACTION_DELETE, &parameters).await?;
        Ok(!rows.is_empty())
    }

    /// How the worker's agent's own interaction stands; another's is as if absent.
    pub async fn interaction_status(
        &self,
        worker: &VerifiedWorker,
        id: &InteractionId,
        ttl: Duration,
    ) -> Result<Read, StoreError> {
        let parameters: [Parameter<'_>; 7] = [
            (&worker.agent().organization().as_str(), Type::TEXT),
            (&id.as_str(), Type::TEXT),
            (&worker.agent().agent().as_str(), Type::TEXT),
            (&(millis(ttl) as f64), Type::FLOAT8),
            (&worker.token().as_str(), Type::TEXT),
            (&worker.issued_at(), Type::FLOAT8),
            (&worker.deployment().as_str(), Type::TEXT),
        ];
        let rows = self.query(INTERACTION_STATUS, &parameters).await?;
        let row = one(&rows)?;
        Ok(match (token_standing(row)?, row.column("stands")?) {
            (TokenStanding::Good, true) => Read::Status(status(row)?),
            (TokenStanding::Good, false) => Read::Unknown,
            (refused, _) => Read::Refused(refused),
        })
    }
}

/// The columns `claimed`, `answer`, `past`, `created_at` and `expires_at`.
fn status(row: &Row) -> Result<Status, StoreError> {
    let outcome = match (row.column("claimed")?, row.column("past")?) {
        (true, _) => {
            let Json(answer): Json<Value> = row.column("answer")?;
            Outcome::Answered(Answer::try_from(answer).map_err(malformed)?)
        }
        (false, true) => Outcome::Expired,
        (false, false) => Outcome::Pending,
    };
    Ok(Status {
        outcome,
        created_at: row.column("created_at")?,
        expires_at: row.column("expires_at")?,
    })
}
