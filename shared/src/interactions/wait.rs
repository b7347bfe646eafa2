//! Waiting: polls the store until a question is answered or the wait is over.

use super::{Interactions, refused};
use crate::authority::scope::VerifiedWorker;
use crate::error::{Code, Error};
use crate::id::InteractionId;
use crate::question::{Outcome, Status};
use crate::store::Read;
use std::time::Duration;
use tokio::time::Instant;

/// The pause after the first read. Each later pause is 1.5 times as long, up to `MAX_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(150);
const MAX_PAUSE: Duration = Duration::from_secs(1);

impl Interactions {
    /// Returns the status of the worker's interaction when it is no longer pending or `wait` is over. It holds no
    /// database connection between reads.
    ///
    /// # Errors
    /// `unknown_interaction`, `database_unavailable`, or the error for a token that is no longer valid.
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
