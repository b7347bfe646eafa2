//! Lists, shows and deletes records for the operator, who was authorized by IAM. No answer holds a hash or a token.

use super::kind::{Kind, Record};
use super::position::Position;
use super::row::{Columns, one};
use super::{Parameter, Store, StoreError};
use crate::id::OrganizationId;
use serde_json::Value;
use tokio_postgres::types::{Json, Type};

/// The most records of a page.
const PAGE: usize = 100;
/// The most rows of a table that one call of `record_empty` deletes: what the database does well within
/// `DATABASE_TIMEOUT_MS`.
const BATCH: i64 = 1000;

/// A page of a list.
#[derive(Debug)]
pub struct Page {
    /// The records, in the order of their keys.
    pub items: Vec<Value>,
    /// Where the next page begins; `None` if there are no more records.
    pub next: Option<Position>,
}

impl Store {
    /// A page of the records of a kind. The organization is `None` for a list of organizations alone.
    pub async fn record_list(
        &self,
        kind: Kind,
        organization: Option<&OrganizationId>,
        after: Option<&Position>,
    ) -> Result<Page, StoreError> {
        let organization = organization.map(OrganizationId::as_str);
        let after = after.map(Position::key);
        // One more, to see whether there is another page.
        let limit = PAGE as i64 + 1;
        let mut parameters: Vec<Parameter<'_>> =
            vec![(&after, Type::TEXT_ARRAY), (&limit, Type::INT8)];
        if let Some(organization) = &organization {
            parameters.insert(0, (organization, Type::TEXT));
        }
        let function = format!("{}_list_1", kind.as_str());
        let rows = self.call(&function, &parameters).await?;
        let shown = &rows[..rows.len().min(PAGE)];
        let items = shown.iter().map(|row| {
            let Json(item) = row.column("item")?;
            Ok(item)
        });
        let next = match shown.last() {
            Some(last) if rows.len() > PAGE => Some(Position::after(kind, last.column("key")?)),
            Some(_) | None => None,
        };
        Ok(Page {
            items: items.collect::<Result<_, StoreError>>()?,
            next,
        })
    }

    /// The record of this key, or `None` if it does not exist.
    pub async fn record_get(&self, record: &Record) -> Result<Option<Value>, StoreError> {
        let function = format!("{}_get_1", record.kind().as_str());
        let key = record.key();
        let rows = self.call(&function, &texts(&key)).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let Json(item) = row.column("item")?;
        Ok(Some(item))
    }

    /// Deletes a batch of what the record owns, if it may own much. Returns whether there is more: call it again, and
    /// delete the record once there is not. An interrupted deletion goes on where it was.
    pub async fn record_empty(&self, record: &Record) -> Result<bool, StoreError> {
        let kind = record.kind();
        if !kind.owns_much() {
            return Ok(false);
        }
        let function = format!("{}_empty_1", kind.as_str());
        let key = record.key();
        let mut parameters = texts(&key);
        parameters.push((&BATCH, Type::INT8));
        let rows = self.call(&function, &parameters).await?;
        one(&rows)?.column("remaining")
    }

    /// Deletes a record, and with it what it owns. Returns the number of records deleted, 0 or 1.
    pub async fn record_delete(&self, record: &Record) -> Result<i64, StoreError> {
        let function = format!("{}_delete_1", record.kind().as_str());
        let key = record.key();
        let rows = self.call(&function, &texts(&key)).await?;
        one(&rows)?.column("deleted")
    }
}

/// The parts of a key as parameters.
fn texts(key: &[Option<String>]) -> Vec<Parameter<'_>> {
    let mut parameters: Vec<Parameter<'_>> = Vec::with_capacity(key.len());
    for part in key {
        parameters.push((part, Type::TEXT));
    }
    parameters
}
