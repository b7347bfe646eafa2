//! Approvals that a policy requires. Concurrent requests of one agent for one host share one open approval.

use super::connection::connection;
use super::interaction::MAX_OPEN;
use super::row::{Columns, one};
use super::{Parameter, Store, StoreError, millis};
use crate::authority::Connection;
use crate::authority::scope::{AgentScope, PersonScope};
use crate::id::{InteractionId, Revision};
use crate::question::Payload;
use std::time::Duration;
use time::OffsetDateTime;
use tokio_postgres::types::{Json, Type};

/// An approval to open.
#[derive(Debug)]
pub struct NewApproval<'a> {
    /// The person who is asked.
    pub scope: &'a PersonScope,
    /// The agent whose request it is about.
    pub agent: &'a AgentScope,
    /// Derived from the agent, the host and the approver, so that all requests that need it use the same row.
    pub id: &'a InteractionId,
    /// The question that the card shows.
    pub payload: &'a Payload,
    /// SHA-256 of what the approval shows, in hexadecimal.
    pub digest: &'a str,
    /// The revision of the card that is posted if the approval is new.
    pub revision: &'a Revision,
}

/// The outcome of opening an approval.
#[derive(Debug)]
pub enum Opened {
    /// The approval is new, or replaces one that is over. The caller must post its card on this connection. It expires
    /// at this time.
    New(Connection, OffsetDateTime),
    /// The approval is open already, or was answered a moment ago. Nothing changed.
    Standing,
    /// The organization does not have the connection.
    UnknownConnection,
    /// The agent has too many open interactions.
    TooManyOpen,
}

impl Store {
    /// Opens an approval unless it is open. Of several concurrent calls, exactly one returns `New`.
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
            (&(millis(ttl) as f64), Type::FLOAT8),
            (&new.digest, Type::TEXT),
            (&new.revision.as_str(), Type::TEXT),
            (&MAX_OPEN, Type::INT8),
        ];
        let rows = self.call("approval_open_1", &parameters).await?;
        let row = one(&rows)?;
        let (opened, crowded) = (row.column("opened")?, row.column("crowded")?);
        Ok(match (connection(row)?, opened, crowded) {
            (None, ..) => Opened::UnknownConnection,
            (Some(connection), true, _) => Opened::New(connection, row.column("expires_at")?),
            (Some(_), false, true) => Opened::TooManyOpen,
            (Some(_), false, false) => Opened::Standing,
        })
    }
}
