//! Outcomes to deliver to agents' callback addresses. Only the store makes a `Delivery`, so its organization,
//! whose key signs it, is always that of the row.

use super::row::Columns;
use super::{Parameter, Store, StoreError, malformed, millis};
use crate::id::{AgentId, InteractionId, OrganizationId};
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::{
    Row,
    types::{Json, Type},
};

/// An outcome to deliver, leased to the holder of this value.
#[derive(Debug)]
pub struct Delivery {
    organization: OrganizationId,
    /// The agent whose egress policy the address must obey, in addition to the organization's.
    agent: Option<AgentId>,
    /// The `webhook-id`: the same in every attempt.
    id: String,
    interaction: InteractionId,
    url: String,
    receiver: Option<String>,
    payload: Value,
    /// Attempts begun, including this one.
    attempts: u32,
}

impl Delivery {
    /// The organization, whose key signs the delivery.
    pub fn organization(&self) -> &OrganizationId {
        &self.organization
    }

    /// The agent whose egress policy the address must obey, in addition to the organization's. `None` for a row
    /// without an agent.
    pub fn agent(&self) -> Option<&AgentId> {
        self.agent.as_ref()
    }

    /// The `webhook-id`: the same in every attempt.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The interaction whose outcome is delivered.
    pub fn interaction(&self) -> &InteractionId {
        &self.interaction
    }

    /// The callback address as it was stored. Whether it may be called is checked at each attempt.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The receiver's host and port. Empty if the store did not return it.
    pub fn receiver(&self) -> &str {
        self.receiver.as_deref().unwrap_or_default()
    }

    /// The JSON body: how the interaction ended.
    pub fn payload(&self) -> &Value {
        &self.payload
    }

    /// Attempts begun, including this one.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Reads the columns `delivery_id`, `url` and `payload` of a delivery that the same statement wrote. The
    /// caller makes the first attempt. `None` if `delivery_id` is null.
    pub(super) fn just_written(
        row: &Row,
        organization: &OrganizationId,
        agent: &AgentId,
        interaction: &InteractionId,
    ) -> Result<Option<Self>, StoreError> {
        let Some(id) = row.column("delivery_id")? else {
            return Ok(None);
        };
        let Json(payload) = row.column("payload")?;
        Ok(Some(Self {
            organization: organization.clone(),
            agent: Some(agent.clone()),
            id,
            interaction: interaction.clone(),
            url: row.column("url")?,
            receiver: None,
            payload,
            attempts: 1,
        }))
    }

    /// Reads a row of `DELIVERIES_DUE`.
    fn due(row: &Row) -> Result<Self, StoreError> {
        let attempts: i32 = row.column("attempts")?;
        let Json(payload) = row.column("payload")?;
        Ok(Self {
            organization: row.parsed("organization_id", OrganizationId::parse)?,
            agent: row.parsed_or_null("agent_id", AgentId::parse)?,
            id: row.column("id")?,
            interaction: row.parsed("interaction_id", InteractionId::parse)?,
            url: row.column("url")?,
            receiver: row.column("receiver")?,
            payload,
            attempts: u32::try_from(attempts).map_err(malformed)?,
        })
    }
}

/// The time of the statement as payloads and answers show it: RFC 3339 in UTC, with milliseconds.
macro_rules! timestamp_sql {
    () => {
        "to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
    };
}

/// Inserts a delivery for each row of `$ended` that has a callback address. `$ended` needs the columns of the
/// key, `agent_id`, `callback_url`, `status` (the outcome) and `answer`. `$attempts` counts the attempts begun;
/// the next is due at `$due`. Returns the columns that `Delivery::just_written` reads.
macro_rules! delivery_sql {
    ($ended:literal, $attempts:literal, $due:literal) => {
        concat!(
            "
    insert into deliveries (organization_id, id, agent_id, interaction_id, url, payload, attempts, next_attempt_at)
    select organization_id, 'msg_' || replace(gen_random_uuid()::text, '-', ''), agent_id, id, callback_url,
        jsonb_build_object('type', 'interaction.' || status, 'timestamp', ",
            $crate::store::delivery::timestamp_sql!(),
            ",
            'data', jsonb_strip_nulls(jsonb_build_object('id', id, 'status', status, 'answer', answer))),
        ",
            $attempts,
            ", ",
            $due,
            "
    from ",
            $ended,
            "
    where callback_url is not null
    returning id as delivery_id, url, payload
"
        )
    };
}

pub(super) use {delivery_sql, timestamp_sql};

/// How many deliveries to take at once, and whose to skip.
#[derive(Debug, Clone, Copy)]
pub struct Take<'a> {
    /// The most to take altogether.
    pub limit: usize,
    /// The most to take of one organization.
    pub of_organization: usize,
    /// The most to take for one receiver.
    pub to_receiver: usize,
    /// Organizations to skip, because enough of their deliveries are under way.
    pub busy_organizations: &'a [&'a OrganizationId],
    /// Receivers to skip, for the same reason.
    pub busy_receivers: &'a [&'a str],
}

// Takes only a few deliveries of each organization and receiver, so that a receiver that hangs does not delay
// everybody. First attempts come before retries. The lease keeps other runs from taking the same rows; it
// expires if its holder dies.
const DELIVERIES_DUE: &str = "
with candidate as (
    select d.*
    from organizations o
    cross join lateral (
        select d.organization_id, d.id, d.receiver, d.attempts, d.next_attempt_at
        from deliveries d
        where d.organization_id = o.id and d.delivered_at is null and d.given_up_at is null
            and d.next_attempt_at <= now() and d.created_at > now() - interval '24 hours'
            and coalesce(d.receiver, '') <> all ($6::text[])
        order by d.attempts, d.next_attempt_at
        limit $2
        for update skip locked
    ) d
    where o.id <> all ($5::text[])
), due as (
    select organization_id, id
    from (
        select organization_id, id, attempts, next_attempt_at,
            row_number() over (partition by receiver order by attempts, next_attempt_at) as turn
        from candidate
    ) ranked
    where turn <= $3
    order by attempts, next_attempt_at
    limit $1
)
update deliveries d
set attempts = d.attempts + 1, next_attempt_at = now() + $4 * interval '1 millisecond'
from due
where d.organization_id = due.organization_id and d.id = due.id
returning d.organization_id, d.id, d.agent_id, d.interaction_id, d.url, d.receiver, d.payload, d.attempts";

const DELIVERY_DONE: &str = "
update deliveries set delivered_at = now()
where organization_id = $1 and id = $2 and delivered_at is null";

// The pause is multiplied by 0.5 to 1.5, so that deliveries that failed together are not retried together.
const DELIVERY_FAILED: &str = "
update deliveries
set next_attempt_at = now() + greatest($3 * (0.5 + random()), $4) * interval '1 millisecond'
where organization_id = $1 and id = $2 and delivered_at is null";

const DELIVERY_GIVEN_UP: &str = "
update deliveries set given_up_at = now()
where organization_id = $1 and id = $2 and delivered_at is null";

impl Store {
    /// Takes due deliveries and leases them for `lease`. Those with the fewest attempts come first, then those
    /// that have been due longest. Each begins another attempt.
    pub async fn deliveries_due(
        &self,
        take: Take<'_>,
        lease: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        let busy: Vec<&str> = take
            .busy_organizations
            .iter()
            .map(|id| id.as_str())
            .collect();
        let parameters: [Parameter<'_>; 6] = [
            (&(take.limit as i64), Type::INT8),
            (&(take.of_organization as i64), Type::INT8),
            (&(take.to_receiver as i64), Type::INT8),
            (&(millis(lease) as f64), Type::FLOAT8),
            (&busy, Type::TEXT_ARRAY),
            (&take.busy_receivers, Type::TEXT_ARRAY),
        ];
        let rows = self.query(DELIVERIES_DUE, &parameters).await?;
        rows.iter().map(Delivery::due).collect()
    }

    /// Notes that the receiver accepted the delivery.
    pub async fn delivery_done(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let key = [
            (&delivery.organization.as_str() as _, Type::TEXT),
            (&delivery.id as _, Type::TEXT),
        ];
        self.query(DELIVERY_DONE, &key).await.map(drop)
    }

    /// Notes that the attempt failed. The next is due after about `pause`, but not before `at_least`.
    pub async fn delivery_failed(
        &self,
        delivery: &Delivery,
        pause: Duration,
        at_least: Duration,
    ) -> Result<(), StoreError> {
        let parameters = [
            (&delivery.organization.as_str() as _, Type::TEXT),
            (&delivery.id as _, Type::TEXT),
            (&(millis(pause) as f64) as _, Type::FLOAT8),
            (&(millis(at_least) as f64) as _, Type::FLOAT8),
        ];
        self.query(DELIVERY_FAILED, &parameters).await.map(drop)
    }

    /// Notes that the delivery is not tried again.
    pub async fn delivery_given_up(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let key = [
            (&delivery.organization.as_str() as _, Type::TEXT),
            (&delivery.id as _, Type::TEXT),
        ];
        self.query(DELIVERY_GIVEN_UP, &key).await.map(drop)
    }
}
