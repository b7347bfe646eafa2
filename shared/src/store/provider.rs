//! Tenants' own providers.

use super::administration::Written;
use super::row::{Columns, one};
use super::{Parameter, Store, StoreError};
use crate::id::OrganizationId;
use crate::provider::NewProvider;
use tokio_postgres::types::{Json, Type};

/// Most providers of one organization.
const MOST: i64 = 200;

impl Store {
    /// Creates or replaces a provider of the organization. `TooMany` if it already has 200 others.
    pub async fn provider_put(
        &self,
        organization: &OrganizationId,
        new: &NewProvider,
    ) -> Result<Written, StoreError> {
        let NewProvider { provider, shape } = new;
        let parameters: [Parameter<'_>; 8] = [
            (&organization.as_str(), Type::TEXT),
            (&provider.slug.as_str(), Type::TEXT),
            (&provider.provider_id.as_str(), Type::TEXT),
            (&provider.base_url(), Type::TEXT),
            (&Json(&shape.auth), Type::JSONB),
            (&shape.oauth_auth.as_ref().map(Json), Type::JSONB),
            (&Json(&shape.options), Type::JSONB),
            (&MOST, Type::INT8),
        ];
        match self.call("provider_put_1", &parameters).await {
            Ok(rows) if one(&rows)?.column("written")? => Ok(Written::Done),
            Ok(_) => Ok(Written::TooMany),
            Err(error) => super::administration::unknown_owner(error),
        }
    }
}
