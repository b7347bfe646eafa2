//! Outcomes on their way to agents' callback addresses. A delivery comes only from the store, so its
//! organization, whose key signs it, is the row's own.

use super::row::Columns;
use super::{Parameter, Store, StoreError, malformed, millis};
use crate::id::{AgentId, InteractionId, OrganizationId};
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::{
    Row,
    types::{Json, Type},
};

/// An outcome that is to be delivered, leased to whoever holds this.
#[derive(Debug)]
pub struct Delivery {
    organization: OrganizationId,
    /// Whose egress policy the address must obey beside the organization's.
    agent: Option<AgentId>,
    /// The `webhook-id`, the same in every attempt.
    id: String,
    interaction: InteractionId,
    url: String,
    receiver: Option<String>,
    payload: Value,
    /// Attempts begun, this one included.
    attempts: u32,
}

impl Delivery {
    /// The organization, whose key signs it.
    pub fn organization(&self) -> &OrganizationId {
        &self.organization
    }

    /// The agent whose egress policy the address must obey, beside the organization's.
    pub fn agent(&self) -> Option<&AgentId> {
        self.agent.as_ref()
    }

    /// The `webhook-id`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The interaction whose outcome it is.
    pub fn interaction(&self) -> &InteractionId {
        &self.interaction
    }

    /// Where it is to go, as it was written. What may be called is decided when it is sent.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Who takes it: host and port. Empty where the store did not say.
    pub fn receiver(&self) -> &str {
        self.receiver.as_deref().unwrap_or_default()
    }

    /// The body: what became of the interaction.
    pub fn payload(&self) -> &Value {
        &self.payload
    }

    /// Attempts begun, this one included.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The columns `delivery_id`, `url` and `payload` of one that was written just now, and is tried for
    /// the first time by whoever wrote it.
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

    /// A row that is due.
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

/// The time of the statement as payloads and answers show it: RFC 3339, UTC, in milliseconds.
macro_rules! timestamp_sql {
    () => {
        "to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
    };
}

/// The insert of the outcomes of the rows of `$ended` that have a callback address. Their `status` is the
/// outcome; they have the columns of the key, `agent_id` and `answer`. `$attempts` are begun, and the next
/// is due at `$due`. It returns the columns of `Delivery::just_written`.
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

/// How many deliveries are taken at once.
#[derive(Debug, Clone, Copy)]
pub struct Take<'a> {
    /// Altogether.
    pub limit: usize,
    /// Of one organization.
    pub of_organization: usize,
    /// To one receiver.
    pub to_receiver: usize,
    /// Organizations that have their share already.
    pub busy_organizations: &'a [&'a OrganizationId],
    /// Receivers that have theirs.
    pub busy_receivers: &'a [&'a str],
}

// In turns: at most a few of one organization and to one receiver, so that nobody's receivers that hang
// take others' time. First tries before retries. The lease keeps another run from trying what was taken;
// when its holder dies, it ends by itself.
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

// Half to one and a half of the pause, so that what failed together is not tried together.
const DELIVERY_FAILED: &str = "
update deliveries
set next_attempt_at = now() + greatest($3 * (0.5 + random()), $4) * interval '1 millisecond'
where organization_id = $1 and id = $2 and delivered_at is null";

const DELIVERY_GIVEN_UP: &str = "
update deliveries set given_up_at = now()
where organization_id = $1 and id = $2 and delivered_at is null";

impl Store {
    /// Takes deliveries that are due, those tried least first, of them the longest due; nobody else gets
    /// them for the time of the lease.
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

    /// The receiver has it.
    pub async fn delivery_done(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let key = [
            (&delivery.organization.as_str() as _, Type::TEXT),
            (&delivery.id as _, Type::TEXT),
        ];
        self.query(DELIVERY_DONE, &key).await.map(drop)
    }

    /// It is tried again after about `pause`, and not before `at_least`.
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

    /// It is not tried again.
    pub async fn delivery_given_up(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let key = [
            (&delivery.organization.as_str() as _, Type::TEXT),
            (&delivery.id as _, Type::TEXT),
        ];
        self.query(DELIVERY_GIVEN_UP, &key).await.map(drop)
    }
}
