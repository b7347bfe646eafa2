//! Whether a verified worker token is still valid.

use super::row::Columns;
use super::{StoreError, malformed};
use crate::authority::access::TokenStanding;
use tokio_postgres::Row;

/// Reads the column `token`.
pub(super) fn token_standing(row: &Row) -> Result<TokenStanding, StoreError> {
    standing(row.column("token")?)
}

fn standing(text: Option<&str>) -> Result<TokenStanding, StoreError> {
    match text {
        None => Ok(TokenStanding::Good),
        Some("revoked") => Ok(TokenStanding::Revoked),
        Some("older_than_its_agent") => Ok(TokenStanding::OlderThanItsAgent),
        Some("no_agent") => Ok(TokenStanding::NoAgent),
        Some(_) => Err(malformed("token: unknown standing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = include_str!("../../functions/parts/token_1.sql");

    #[test]
    fn a_standing_that_the_function_does_not_return_is_an_error() {
        for written in ["revoked", "older_than_its_agent", "no_agent"] {
            assert!(TOKEN.contains(&format!("'{written}'")));
            assert_ne!(standing(Some(written)).unwrap(), TokenStanding::Good);
        }
        assert_eq!(standing(None).unwrap(), TokenStanding::Good);
        for other in ["", "good", "Revoked"] {
            assert!(matches!(standing(Some(other)), Err(StoreError::Row(_))));
        }
    }
}
