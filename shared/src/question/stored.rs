//! JSON that the database holds, read into its type.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Stored JSON that has not the form that Postern writes, as a row from plain SQL may. It names the field
/// and never the value, which is a tenant's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed {column}: {why}")]
pub struct Malformed {
    column: &'static str,
    why: String,
}

impl Malformed {
    pub(super) fn new(column: &'static str, why: impl Into<String>) -> Self {
        Self {
            column,
            why: why.into(),
        }
    }
}

/// The fields of `T` in the object that this column holds. Other fields are left alone.
///
/// # Errors
/// The first field that is missing or has another form.
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
            // Of an object as a whole, serde's message can only be that a field is missing.
            "." => error.into_inner().to_string(),
            field => format!("the field `{field}` has another form"),
        };
        Malformed::new(column, why)
    })
}
