//! Reading rows. Every column is read by name, so statements may return columns in any order.

use super::{StoreError, malformed};
use serde::Deserialize;
use std::fmt::Display;
use tokio_postgres::{
    Row,
    types::{FromSql, Json},
};

/// The row of a statement that always returns exactly one.
pub(super) fn one(rows: &[Row]) -> Result<&Row, StoreError> {
    rows.first().ok_or_else(|| malformed("no row"))
}

/// Reads columns by name.
///
/// # Errors
/// Each method returns `StoreError::Row` if the row lacks the column or its value does not have the expected form.
pub(super) trait Columns {
    /// A column whose type Postgres converts to `T`. Null is an error unless `T` is an `Option`.
    fn column<'a, T: FromSql<'a>>(&'a self, name: &str) -> Result<T, StoreError>;

    /// A JSON column, or `None` if it is null.
    fn json<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Result<Option<T>, StoreError> {
        let json: Option<Json<T>> = self.column(name)?;
        Ok(json.map(|Json(value)| value))
    }

    /// A text column, parsed with `parse`.
    fn parsed<'a, T, E: Display>(
        &'a self,
        name: &str,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        parse(self.column(name)?).map_err(|error| malformed(format_args!("{name}: {error}")))
    }

    /// A text column, parsed with `parse`, or `None` if it is null.
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
