//! Pending interactions: stored, read and deleted. Operations take a whole scope or a whole
//! worker, so no field can be forgotten. Posting is in `post`, claiming in
//! `claim`, withdrawing in `withdraw`.

use super::connection::connection;
use super::row::{Columns, one};
use super::token::token_standing;
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

/// Maximum number of open interactions of one agent.
pub(super) const MAX_OPEN: i64 = 1000;

/// An interaction to store.
#[derive(Debug)]
pub struct NewInteraction<'a> {
    /// The person who is asked.
    pub scope: &'a PersonScope,
    /// The worker that asks. Its token must still be valid.
    pub worker: &'a VerifiedWorker,
    /// The id that the agent chose.
    pub id: &'a InteractionId,
    /// The question that the card shows.
    pub payload: &'a Payload,
    /// SHA-256 of what an approval shows, in hexadecimal; `None` for a question.
    pub digest: Option<&'a str>,
    /// The revision of the card that is posted if the interaction is stored.
    pub revision: &'a Revision,
}

/// The outcome of storing an interaction.
#[derive(Debug)]
pub enum Stored {
    /// The row is new. Its card is to be posted on this connection.
    New(Status, Connection),
    /// The row replaced one with other content, or one whose card was never noted as posted. It can be claimed
    /// again. Holds the former card's address, if it is known.
    Replaced(Status, Connection, Option<CardAddress>),
    /// The same interaction was stored before. Nothing changed.
    Unchanged(Status),
    /// The id is in use for another connection, user or agent. Nothing changed.
    ScopeConflict,
    /// The id is in use by an interaction that has expired. Nothing changed.
    Expired,
    /// The organization does not have the connection. Nothing changed.
    UnknownConnection,
    /// The agent has too many open interactions. Nothing changed.
    TooManyOpen,
    /// The worker's token is no longer valid. Nothing changed.
    Refused(TokenStanding),
}

/// The outcome of reading an interaction.
#[derive(Debug)]
pub enum Read {
    /// The interaction's status.
    Status(Status),
    /// The agent has no interaction with this id.
    Unknown,
    /// The worker's token is no longer valid.
    Refused(TokenStanding),
}

/// The four scope columns as the first parameters of a statement on a pending interaction.
pub(super) fn whole<'a>(columns: &'a [&'a str; 4]) -> [Parameter<'a>; 4] {
    columns.each_ref().map(|column| {
        (
            column as &(dyn tokio_postgres::types::ToSql + Sync),
            Type::TEXT,
        )
    })
}

/// The values of the four scope columns: organization, id, connection, user.
pub(super) fn columns<'a>(scope: &'a PersonScope, id: &'a InteractionId) -> [&'a str; 4] {
    [
        scope.organization().as_str(),
        id.as_str(),
        scope.connection().as_str(),
        scope.user().as_str(),
    ]
}

impl Store {
    /// Stores an interaction of the worker's agent under this scope, if the organization has the connection and
    /// the token is still valid. `ttl` is the age at which interactions expire.
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
        // If a row appears or changes between the statement's snapshot and its insert, the result is
        // inconsistent, so the statement runs again.
        for _ in 0..3 {
            let rows = match self.call("interaction_store_1", &parameters).await {
                // The agent or the connection was deleted in between.
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
                    Stored::Replaced(status(row)?, connection, row.json("former_card")?)
                }
                (None, Some(false)) => Stored::ScopeConflict,
                (None, Some(true)) if row.column("past")? => Stored::Expired,
                (None, Some(true)) if row.column("same")? => Stored::Unchanged(status(row)?),
                (None, None) if row.column("crowded")? => Stored::TooManyOpen,
                // The snapshot and the insert saw different rows.
                (None, Some(true) | None) => continue,
            });
        }
        Err(malformed(
            "the interaction was stored and removed by others three times",
        ))
    }

    /// Deletes an interaction. Returns whether a row was deleted. With a revision, it deletes only an unanswered
    /// row of that revision; this undoes a failed post. Without one, it deletes any row; only tests call it so,
    /// to check its scope.
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
        let rows = self.call("interaction_delete_1", &parameters).await?;
        let deleted: i64 = one(&rows)?.column("deleted")?;
        Ok(deleted > 0)
    }

    /// Reads the status of an interaction of the worker's agent. Another agent's interaction is `Unknown`.
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
        let rows = self.call("interaction_status_1", &parameters).await?;
        let row = one(&rows)?;
        Ok(match (token_standing(row)?, row.column("stands")?) {
            (TokenStanding::Good, true) => Read::Status(status(row)?),
            (TokenStanding::Good, false) => Read::Unknown,
            (refused, _) => Read::Refused(refused),
        })
    }
}

/// Reads the columns `claimed`, `answer`, `past`, `created_at` and `expires_at`.
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
