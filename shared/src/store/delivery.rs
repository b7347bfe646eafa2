//! Outcomes on their way to agents' callback addresses. A delivery comes only from the store, so its
//! organization, whose key signs it, is the row's own.

use super::{Store, StoreError, malformed, millis};
use crate::id::{InteractionId, OrganizationId};
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
    /// The `webhook-id`, the same in every attempt.
    id: String,
    interaction: InteractionId,
    url: String,
    payload: Value,
    /// Attempts begun, this one included.
    attempts: u32,
}

impl Delivery {
    pub fn organization(&self) -> &OrganizationId {
        &self.organization
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn interaction(&self) -> &InteractionId {
        &self.interaction
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn payload(&self) -> &Value {
        &self.payload
    }

    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Reads three columns: id, url, payload.
    pub(super) fn of(
        row: &Row,
        from: usize,
        organization: &OrganizationId,
        interaction: &InteractionId,
        attempts: u32,
    ) -> Result<Option<Self>, StoreError> {
        let Some(id) = row.try_get(from)? else {
            return Ok(None);
        };
        let Json(payload) = row.try_get(from + 2)?;
        Ok(Some(Self {
            organization: organization.clone(),
            id,
            interaction: interaction.clone(),
            url: row.try_get(from + 1)?,
            payload,
            attempts,
        }))
    }
}

// The lease keeps another run from trying it meanwhile; when its holder dies, it ends by itself.
const DELIVERIES_DUE: &str = "
with due as (
    select organization_id, id
    from deliveries
    where delivered_at is null and given_up_at is null and next_attempt_at <= now()
        and created_at > now() - interval '24 hours'
    -- First tries before retries: receivers that hang do not keep others waiting.
    order by attempts, next_attempt_at
    limit $1
    for update skip locked
)
update deliveries d
set attempts = d.attempts + 1, next_attempt_at = now() + $2 * interval '1 millisecond'
from due
where d.organization_id = due.organization_id and d.id = due.id
returning d.id, d.url, d.payload, d.organization_id, d.interaction_id, d.attempts";

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
    /// Takes at most `limit` of the deliveries that are due, those tried least first, of them the longest
    /// due; nobody else gets them for the time of the lease.
    pub async fn deliveries_due(
        &self,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        let rows = self
            .query(
                DELIVERIES_DUE,
                &[
                    (&i64::from(limit), Type::INT8),
                    (&(millis(lease) as f64), Type::FLOAT8),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let organization =
                    OrganizationId::parse(row.try_get::<_, &str>(3)?).map_err(malformed)?;
                let interaction =
                    InteractionId::parse(row.try_get::<_, &str>(4)?).map_err(malformed)?;
                let attempts = u32::try_from(row.try_get::<_, i32>(5)?).map_err(malformed)?;
                Delivery::of(row, 0, &organization, &interaction, attempts)?
                    .ok_or_else(|| malformed("a delivery without an id"))
            })
            .collect()
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
