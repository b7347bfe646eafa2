//! Reads stored JSON into its type.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Stored JSON does not have the form that Postern writes; a row that was written by hand may be like that. The
/// message names the field and never the value, which is a tenant's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed {column}: {why}")]
pub struct Malformed {
    column: &'static str,
    why: String,
}

impl Malformed {
    /// An error in this column; `why` must not contain a value.
    pub(super) fn new(column: &'static str, why: impl Into<String>) -> Self {
        Self {
            column,
            why: why.into(),
        }
    }
}

/// Reads the fields of `T` from the object in this column. Other fields are ignored.
///
/// # Errors
/// It is not an object, or a field is missing or malformed.
pub(super) fn read<T: DeserializeOwned>(
    column: &'static str,
    stored: &Value,
) -> Result<T, Malformed> {
    if !stored.is_object() {
        return Err(Malformed::new(column, "not an object"));
    }
    serde_path_to_error::deserialize(stored).map_err(|error| {
        let field = error.path().to_string();
        let why = match field.as_str() {
            // For the object as a whole, serde's message can only be that a field is missing.
            "." => error.into_inner().to_string(),
            field => format!("the field `{field}` has another form"),
        };
        Malformed::new(column, why)
    })
}
