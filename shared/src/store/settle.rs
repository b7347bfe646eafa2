//! Updates that chat has yet to receive about answered interactions.

use super::claim::answered;
use super::connection::connection;
use super::interaction::{columns, whole};
use super::row::Columns;
use super::{Parameter, Store, StoreError, malformed, millis};
use crate::authority::Connection;
use crate::authority::scope::PersonScope;
use crate::id::{InteractionId, OrganizationId, UserId};
use crate::literal::UnknownLiteral;
use crate::question::{Answered, CardAddress, Malformed, Owed};
use std::time::Duration;
use tokio_postgres::types::Type;

/// An answered interaction whose card has not been edited, or whose receipt has not been sent.
#[derive(Debug)]
pub struct Unsettled {
    /// The person who answered.
    pub scope: PersonScope,
    /// The interaction's id.
    pub id: InteractionId,
    /// The connection that its card is on.
    pub connection: Connection,
    /// The question and its answer, or why they cannot be read.
    pub answered: Result<Answered, Malformed>,
    /// The address of its card.
    pub card: CardAddress,
    /// The updates that are still to be sent.
    pub owed: Vec<Owed>,
}

impl Store {
    /// Notes that these updates of an answered interaction have been sent. Others are not due before this time has
    /// passed.
    pub async fn interaction_settled(
        &self,
        scope: &PersonScope,
        id: &InteractionId,
        done: &[Owed],
        after: Duration,
    ) -> Result<(), StoreError> {
        let columns = columns(scope, id);
        let [organization, interaction, connection, user] = whole(&columns);
        let done: Vec<&str> = done.iter().map(|owed| owed.as_str()).collect();
        let done: Parameter<'_> = (&done, Type::TEXT_ARRAY);
        let after = millis(after) as f64;
        let after: Parameter<'_> = (&after, Type::FLOAT8);
        let parameters = [organization, interaction, connection, user, done, after];
        self.call("interaction_settled_1", &parameters)
            .await
            .map(drop)
    }

    /// Takes at most `limit` answered interactions with updates to send, those due longest first: at most `each`
    /// of one organization, and none of the organizations in `busy`.
    #[expect(clippy::disallowed_methods, reason = "the rows are the store's own")]
    pub async fn interactions_unsettled(
        &self,
        limit: usize,
        each: usize,
        busy: &[&OrganizationId],
    ) -> Result<Vec<Unsettled>, StoreError> {
        let busy: Vec<&str> = busy.iter().map(|id| id.as_str()).collect();
        let parameters: [Parameter<'_>; 3] = [
            (&(limit as i64), Type::INT8),
            (&(each as i64), Type::INT8),
            (&busy, Type::TEXT_ARRAY),
        ];
        let rows = self.call("interactions_unsettled_1", &parameters).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            // Without its address a card cannot be found.
            let Some(card) = row.json("card")? else {
                continue;
            };
            let connection = connection(row)?.ok_or_else(|| malformed("no connection"))?;
            found.push(Unsettled {
                scope: connection
                    .own_scope()
                    .user(row.parsed("expected_user_id", UserId::parse)?),
                id: row.parsed("id", InteractionId::parse)?,
                connection,
                answered: answered(row)?,
                card,
                owed: owed(&row.column::<Vec<&str>>("unsettled")?)?,
            });
        }
        Ok(found)
    }
}

/// Parses the column `unsettled`.
fn owed(names: &[&str]) -> Result<Vec<Owed>, StoreError> {
    let parsed = names.iter().map(|name| name.parse());
    parsed
        .collect::<Result<_, UnknownLiteral>>()
        .map_err(|error| malformed(format_args!("unsettled: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unknown_name_in_the_list_is_an_error() {
        assert_eq!(
            owed(&["card", "receipt"]).unwrap(),
            [Owed::Card, Owed::Receipt]
        );
        assert!(owed(&[]).unwrap().is_empty());
        assert!(matches!(
            owed(&["receipt", "note"]),
            Err(StoreError::Row(_))
        ));
    }
}
