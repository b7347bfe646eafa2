//! Reading rows. Every column is read by its name, so a statement's columns may stand in any order.

use super::{StoreError, malformed};
use serde::Deserialize;
use std::fmt::Display;
use tokio_postgres::{
    Row,
    types::{FromSql, Json},
};

/// The one row of a statement that always answers one.
pub(super) fn one(rows: &[Row]) -> Result<&Row, StoreError> {
    rows.first().ok_or_else(|| malformed("no row"))
}

/// Reads columns by name.
///
/// # Errors
/// Each returns `StoreError::Row` where the row has no such column, or one of another form.
pub(super) trait Columns {
    /// A column as Postgres types it. Only an `Option` takes null.
    fn column<'a, T: FromSql<'a>>(&'a self, name: &str) -> Result<T, StoreError>;

    /// A column of JSON, or `None` where it is null.
    fn json<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Result<Option<T>, StoreError> {
        let json: Option<Json<T>> = self.column(name)?;
        Ok(json.map(|Json(value)| value))
    }

    /// What `parse` makes of a column of text.
    fn parsed<'a, T, E: Display>(
        &'a self,
        name: &str,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        parse(self.column(name)?).map_err(|error| malformed(format_args!("{name}: {error}")))
    }

    /// What `parse` makes of a column of text, or `None` where it is null.
    fn parsed_or_null<'a, T, E: Display>(
        &'a self,
        name: &str,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.column(name)?;
        text.map(parse)
            .transpose()
            .map_err(|error| malformed(format_args!("{name}: {error}")))
    }
}

impl Columns for Row {
    fn column<'a, T: FromSql<'a>>(&'a self, name: &str) -> Result<T, StoreError> {
        self.try_get(name)
            .map_err(|error| malformed(format_args!("{name}: {error}")))
    }
}
