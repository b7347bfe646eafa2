//! Cards that are posted, and those that are still to be posted.

use super::connection::connection;
use super::interaction::{columns, whole};
use super::row::{Columns, one};
use super::{Parameter, Store, StoreError, malformed, millis};
use crate::authority::Connection;
use crate::authority::scope::PersonScope;
use crate::id::{AgentId, InteractionId, OrganizationId, Revision, UserId};
use crate::question::{CardAddress, Malformed, Payload};
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;
use tokio_postgres::types::{Json, Type};

/// What is known about the posts of a card that were not noted as done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How many the platform put off.
    pub count: u32,
    /// Whether the last of them met an error that the platform's table does not have.
    pub unlisted: bool,
    /// Whether one of them may have succeeded.
    pub doubtful: bool,
}

/// An interaction whose card is to be posted, leased to the holder of this value.
#[derive(Debug)]
pub struct Unposted {
    /// The person who is asked.
    pub scope: PersonScope,
    /// The interaction's id.
    pub id: InteractionId,
    /// The connection that its card is posted on.
    pub connection: Connection,
    /// The agent that asks.
    pub agent: AgentId,
    /// The question, or why it cannot be read.
    pub payload: Result<Payload, Malformed>,
    /// The revision of the card.
    pub revision: Revision,
    /// When the interaction expires.
    pub expires_at: OffsetDateTime,
    /// The posts so far.
    pub attempts: Attempts,
}

impl Store {
    /// Notes that the card of this revision was posted, and its address if that is known and not `doubtful`: then
    /// another card of the same content may stand, and either may be answered. Returns whether the card can still be
    /// answered, or was; if not, the question is over, was changed, or was answered on another card.
    pub async fn interaction_posted(
        &self,
        scope: &PersonScope,
        id: &InteractionId,
        revision: &Revision,
        at: Option<&CardAddress>,
        doubtful: bool,
    ) -> Result<bool, StoreError> {
        let columns = columns(scope, id);
        let [organization, interaction, connection, user] = whole(&columns);
        let parameters: [Parameter<'_>; 7] = [
            organization,
            interaction,
            connection,
            user,
            (&revision.as_str(), Type::TEXT),
            (&at.map(Json), Type::JSONB),
            (&doubtful, Type::BOOL),
        ];
        let rows = self.call("interaction_posted_1", &parameters).await?;
        one(&rows)?.column("stands")
    }

    /// Notes that the post of this revision's card is put off for this time. Then the sweep posts it. `attempts` says
    /// what is known now; its count is not used.
    pub async fn interaction_put_off(
        &self,
        scope: &PersonScope,
        id: &InteractionId,
        revision: &Revision,
        after: Duration,
        attempts: Attempts,
    ) -> Result<(), StoreError> {
        let columns = columns(scope, id);
        let [organization, interaction, connection, user] = whole(&columns);
        let parameters: [Parameter<'_>; 8] = [
            organization,
            interaction,
            connection,
            user,
            (&revision.as_str(), Type::TEXT),
            (&(millis(after) as f64), Type::FLOAT8),
            (&attempts.unlisted, Type::BOOL),
            (&attempts.doubtful, Type::BOOL),
        ];
        self.call("interaction_put_off_1", &parameters)
            .await
            .map(drop)
    }

    /// Takes at most `limit` interactions whose card is to be posted, those due longest first: at most `each` of one
    /// organization, and none of the organizations in `busy`. `ttl` is the age at which interactions expire, `lease`
    /// the time after which they are due again unless the result is noted.
    #[expect(clippy::disallowed_methods, reason = "the rows are the store's own")]
    pub async fn interactions_unposted(
        &self,
        limit: usize,
        each: usize,
        busy: &[&OrganizationId],
        ttl: Duration,
        lease: Duration,
    ) -> Result<Vec<Unposted>, StoreError> {
        let busy: Vec<&str> = busy.iter().map(|id| id.as_str()).collect();
        let parameters: [Parameter<'_>; 5] = [
            (&(limit as i64), Type::INT8),
            (&(each as i64), Type::INT8),
            (&busy, Type::TEXT_ARRAY),
            (&(millis(ttl) as f64), Type::FLOAT8),
            (&(millis(lease) as f64), Type::FLOAT8),
        ];
        let rows = self.call("interactions_unposted_1", &parameters).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let connection = connection(row)?.ok_or_else(|| malformed("no connection"))?;
            let Json(payload): Json<Value> = row.column("entry_payload")?;
            let count: i32 = row.column("attempts")?;
            found.push(Unposted {
                scope: connection
                    .own_scope()
                    .user(row.parsed("expected_user_id", UserId::parse)?),
                id: row.parsed("id", InteractionId::parse)?,
                connection,
                agent: row.parsed("agent_id", AgentId::parse)?,
                payload: payload.try_into(),
                revision: row.parsed("revision", Revision::parse)?,
                expires_at: row.column("expires_at")?,
                attempts: Attempts {
                    count: u32::try_from(count).map_err(malformed)?,
                    unlisted: row.column("unlisted")?,
                    doubtful: row.column("doubtful")?,
                },
            });
        }
        Ok(found)
    }
}
