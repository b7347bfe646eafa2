//! Waiting: a reader polls until its question is answered, or its time is over.

use super::{Interactions, refused};
use crate::authority::scope::VerifiedWorker;
use crate::error::{Code, Error};
use crate::id::InteractionId;
use crate::question::{Outcome, Status};
use crate::store::Read;
use std::time::Duration;
use tokio::time::Instant;

/// The pause before the second look. Each later pause is half as long again, up to `MAX_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(150);
const MAX_PAUSE: Duration = Duration::from_secs(1);

impl Interactions {
    /// How the worker's interaction stands, as soon as it is no longer pending or `wait` is over. It holds
    /// no database connection while it waits.
    ///
    /// # Errors
    /// `unknown_interaction`, `database_unavailable`, and the refusals of a token.
    pub async fn wait(
        &self,
        worker: &VerifiedWorker,
        id: &InteractionId,
        wait: Duration,
    ) -> Result<Status, Error> {
        let until = Instant::now() + wait;
        let mut pause = FIRST_PAUSE;
        loop {
            let read = self.store.interaction_status(worker, id, self.ttl);
            let status = match read.await? {
                Read::Status(status) => status,
                Read::Unknown => return Err(Code::UnknownInteraction.into()),
                Read::Refused(token) => return Err(refused(token)),
            };
            let left = until.saturating_duration_since(Instant::now());
            if status.outcome != Outcome::Pending || left.is_zero() {
                return Ok(status);
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 3 / 2).min(MAX_PAUSE);
        }
    }
}
