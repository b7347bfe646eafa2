//! The column that holds a card's address.

use super::{StoreError, malformed};
use crate::question::CardAddress;
use serde_json::Value;
use tokio_postgres::{Row, types::Json};

/// The address of a card, where the column holds one.
pub(super) fn card(row: &Row, column: &str) -> Result<Option<CardAddress>, StoreError> {
    let card: Option<Json<Value>> = row.try_get(column)?;
    card.map(|Json(card)| serde_json::from_value(card).map_err(malformed))
        .transpose()
}
