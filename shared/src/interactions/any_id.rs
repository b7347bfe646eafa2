//! A click by a person whom the platform knows by several ids.

use crate::authority::scope::{ConnectionScope, PersonScope};
use crate::chat::Click;
use crate::store::{Claimed, Missed, NewClaim, Store, StoreError};

/// Claims the interaction under the id that the click names or, failing that, under another id of the same person.
/// Returns the scope of the id that counts, and why the click claimed nothing if that is so. An interaction was asked
/// of one id, so at most one of them can claim it.
pub(super) async fn by_any_id(
    store: &Store,
    within: &ConnectionScope,
    click: &Click,
    new: &NewClaim<'_>,
) -> Result<(PersonScope, Result<Claimed, Missed>), StoreError> {
    let id = &click.interaction;
    let scope = |user: &_| within.clone().user(Clone::clone(user));
    let own = scope(&click.user);
    let others: Vec<PersonScope> = click.also.iter().map(scope).collect();
    for scope in std::iter::once(&own).chain(&others) {
        if let Some(claimed) = store.interaction_claim(scope, id, new).await? {
            return Ok((scope.clone(), Ok(claimed)));
        }
    }
    for scope in std::iter::once(&own).chain(&others) {
        match store.interaction_missed(scope, id, new).await? {
            Missed::Nothing => {}
            missed @ (Missed::Again(_)
            | Missed::Twin(_)
            | Missed::Expired
            | Missed::Withdrawn
            | Missed::Replaced) => return Ok((scope.clone(), Err(missed))),
        }
    }
    Ok((own, Err(Missed::Nothing)))
}
