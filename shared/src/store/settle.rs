//! What answered interactions still owe to chat, for the sweep to see to.

use super::connection::{Connection, connection};
use super::interaction::{Answered, CardAddress, Owed, card};
use super::{Store, StoreError, malformed};
use crate::id::{InteractionId, UserId};
use crate::scope::Scope;
use tokio_postgres::types::{Json, Type};

/// An answered interaction whose card or receipt is not seen to.
#[derive(Debug)]
pub struct Unsettled {
    pub scope: Scope,
    pub id: InteractionId,
    pub connection: Connection,
    pub answered: Answered,
    pub card: CardAddress,
    pub owed: Vec<Owed>,
}

// Each time it is taken it waits as long again as it has been answered: 5, 10, 20 minutes and so on.
const INTERACTIONS_UNSETTLED: &str = "
with due as (
    select organization_id, id
    from pending_interactions
    where settle_at <= now()
    order by settle_at
    limit $1
    for update skip locked
), taken as (
    update pending_interactions p
    set settle_at = now() + greatest(now() - p.claimed_at, interval '1 minute')
    from due
    where p.organization_id = due.organization_id and p.id = due.id
    returning p.*
)
select c.id, c.organization_id, c.platform, c.secret_ref, c.config,
    taken.id, taken.expected_user_id, taken.entry_payload, taken.answer, taken.card, taken.unsettled
from taken
join connections c on c.organization_id = taken.organization_id and c.id = taken.connection_id";

impl Store {
    /// Takes at most `limit` answered interactions that owe something to chat, the longest due first.
    pub async fn interactions_unsettled(&self, limit: u32) -> Result<Vec<Unsettled>, StoreError> {
        let rows = self
            .query(INTERACTIONS_UNSETTLED, &[(&i64::from(limit), Type::INT8)])
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let connection = connection(row)?.ok_or_else(|| malformed("no connection"))?;
            let id = InteractionId::parse(row.try_get::<_, &str>(5)?).map_err(malformed)?;
            let user = UserId::parse(row.try_get::<_, &str>(6)?).map_err(malformed)?;
            let (Json(payload), Json(answer)) = (row.try_get(7)?, row.try_get(8)?);
            let unsettled: Vec<&str> = row.try_get(10)?;
            // Without its address a card cannot be found.
            let Some(card) = card(row, 9)? else {
                continue;
            };
            found.push(Unsettled {
                scope: connection.own_scope().user(user),
                id,
                connection,
                answered: Answered { payload, answer },
                card,
                owed: [Owed::Receipt, Owed::Card]
                    .into_iter()
                    .filter(|owed| unsettled.contains(&owed.as_str()))
                    .collect(),
            });
        }
        Ok(found)
    }
}
