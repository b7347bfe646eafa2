//! Whether a verified worker token is still valid.

use super::row::{Columns, one};
use super::{Parameter, Store, StoreError, malformed};
use crate::authority::access::TokenStanding;
use crate::authority::scope::VerifiedWorker;
use tokio_postgres::{Row, types::Type};

/// Why the token `$jti` of `$agent`, issued at `$iat` to `$deployment` of `$org`, is no longer valid: a text, or
/// null if it is valid or there is no token. A token issued at the very time of a revocation is revoked.
macro_rules! token_sql {
    ($org:literal, $agent:literal, $jti:literal, $iat:literal, $deployment:literal) => {
        concat!(
            "(
    case
        when ",
            $jti,
            "::text is null then null
        when exists (select from revoked_tokens r where r.organization_id = ",
            $org,
            " and r.jti = ",
            $jti,
            ")
            or exists (
                select from deployment_revocations d
                where d.organization_id = ",
            $org,
            " and d.deployment_name = ",
            $deployment,
            "
                    and d.revoked_at >= to_timestamp(",
            $iat,
            ")
            ) then 'revoked'
        else (
            select case when bool_and(a.created_at <= to_timestamp(",
            $iat,
            ") + interval '30 seconds') then null
                when count(*) = 0 then 'no_agent' else 'older_than_its_agent' end
            from agents a
            where a.organization_id = ",
            $org,
            " and a.id = ",
            $agent,
            "
        )
    end
)"
        )
    };
}

pub(super) use token_sql;

const TOKEN_STANDING: &str = concat!(
    "select ",
    token_sql!("$1", "$2", "$3", "$4", "$5"),
    " as token"
);

impl Store {
    /// Reads whether a verified token is still valid.
    pub async fn token_standing(
        &self,
        worker: &VerifiedWorker,
    ) -> Result<TokenStanding, StoreError> {
        let parameters: [Parameter<'_>; 5] = [
            (&worker.agent().organization().as_str(), Type::TEXT),
            (&worker.agent().agent().as_str(), Type::TEXT),
            (&worker.token().as_str(), Type::TEXT),
            (&worker.issued_at(), Type::FLOAT8),
            (&worker.deployment().as_str(), Type::TEXT),
        ];
        let rows = self.query(TOKEN_STANDING, &parameters).await?;
        token_standing(one(&rows)?)
    }
}

/// Reads the column `token`, as `token_sql` writes it.
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

    #[test]
    fn a_standing_that_the_statement_does_not_write_is_an_error() {
        for written in ["revoked", "older_than_its_agent", "no_agent"] {
            assert!(TOKEN_STANDING.contains(&format!("'{written}'")));
            assert_ne!(standing(Some(written)).unwrap(), TokenStanding::Good);
        }
        assert_eq!(standing(None).unwrap(), TokenStanding::Good);
        for other in ["", "good", "Revoked"] {
            assert!(matches!(standing(Some(other)), Err(StoreError::Row(_))));
        }
    }
}
