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

    /// Reads the columns `delivery_id`, `url` and `payload` of a delivery that the same call wrote. The
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

    /// Reads a row of `deliveries_due_1`.
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
        let rows = self.call("deliveries_due_1", &parameters).await?;
        rows.iter().map(Delivery::due).collect()
    }

    /// Notes that the receiver accepted the delivery.
    pub async fn delivery_done(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let key = [
            (&delivery.organization.as_str() as _, Type::TEXT),
            (&delivery.id as _, Type::TEXT),
        ];
        self.call("delivery_done_1", &key).await.map(drop)
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
        self.call("delivery_failed_1", &parameters).await.map(drop)
    }

    /// Notes that the delivery is not tried again.
    pub async fn delivery_given_up(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let key = [
            (&delivery.organization.as_str() as _, Type::TEXT),
            (&delivery.id as _, Type::TEXT),
        ];
        self.call("delivery_given_up_1", &key).await.map(drop)
    }
}
