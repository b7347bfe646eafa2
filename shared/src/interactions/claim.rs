//! Claiming: the store decides which click answers a question. Then the click is acknowledged, the card updated
//! and the outcome delivered, all within the time that the platform gives a webhook.

use super::Interactions;
use super::settle::{Settlement, drawn};
use crate::authority::scope::{ConnectionScope, PersonScope};
use crate::chat::{Acknowledgement, Click, Connected, Earlier, Verdict};
use crate::error::Error;
use crate::id::InteractionId;
use crate::question::{Answered, Malformed, Owed};
use crate::store::{Missed, NewClaim};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// The share of the budget after which calls to chat and to callback addresses are cut off. The time after it is
/// for the statements that record the results.
const CALLS: f32 = 0.8;
/// The share of the budget after which the webhook is answered, even if work is unfinished. The time after it is
/// for the answer to reach the platform.
const ANSWER: f32 = 0.95;

/// The time within which a platform's webhook must be answered.
#[derive(Debug, Clone, Copy)]
pub struct AckBudget {
    started: Instant,
    whole: Duration,
}

impl AckBudget {
    /// A budget of `whole` that starts now.
    pub fn start(whole: Duration) -> Self {
        Self {
            started: Instant::now(),
            whole,
        }
    }

    /// What is left of the budget; zero when it is used up.
    fn left(self) -> Duration {
        self.whole.saturating_sub(self.started.elapsed())
    }

    /// When calls to chat, to callback addresses and to the database are cut off.
    pub(super) fn calls_end(self) -> Instant {
        self.end_of(CALLS)
    }

    /// When the webhook is answered, even if work is unfinished.
    pub(super) fn answer_end(self) -> Instant {
        self.end_of(ANSWER)
    }

    /// When this share of the budget, from 0 to 1, ends.
    fn end_of(self, part: f32) -> Instant {
        self.started + self.whole.mul_f32(part)
    }
}

impl Interactions {
    /// Claims the interaction that was clicked, for the user of the connection who clicked. The sweep does what
    /// is not settled or delivered within the budget. Returns the body of the webhook's answer, or `None` if the
    /// platform expects an empty one.
    ///
    /// # Errors
    /// `database_unavailable`, also if the claim is not answered within the budget. Then it is cancelled.
    pub async fn claim(
        &self,
        platform: &Connected<'_>,
        within: ConnectionScope,
        click: &Click,
        budget: AckBudget,
    ) -> Result<Option<Value>, Error> {
        let scope = within.user(click.user.clone());
        let new = NewClaim {
            revision: &click.revision,
            choice: click.choice,
            click: &click.key,
            card: click.card.as_ref(),
            ttl: self.ttl,
            lease: budget.left(),
        };
        let until = budget.calls_end();
        // A claim that is not answered in time is cancelled: the person sees an error, and clicks again. If the server
        // had already decided, that click finds the answer.
        let store = self.store.until(until);
        let claimed = store.interaction_claim(&scope, &click.interaction, &new);
        let Some((answered, delivery)) = claimed.await? else {
            let missed = store.interaction_missed(&scope, &click.interaction, &new);
            let missed = missed.await?;
            return Ok(explained(platform, &scope, click, &missed, until).await);
        };
        log(&scope, &click.interaction);
        let mut acknowledgement = ended(platform, &scope, click, &answered);
        let follow_up = platform.follow_up(acknowledgement.follow_up.take(), until);
        let edits_card = acknowledgement.edits_card;
        let settled = self.settle_click(platform, &scope, click, &answered, edits_card, until);
        let delivered = async {
            if let Some(delivery) = &delivery {
                self.deliver(delivery, until).await;
            }
        };
        let all = futures_util::future::join3(follow_up, settled, delivered);
        // The timeout also bounds the statements of the store.
        let end = budget.answer_end();
        if tokio::time::timeout_at(end, all).await.is_err() {
            tracing::warn!(
                event = "settle_failed",
                cause = "ACK_BUDGET_MS is used up; the sweep goes on"
            );
        }
        Ok(acknowledgement.answer)
    }

    /// Sends the receipt, and edits the card unless the answer to the webhook does (`edits_card`).
    async fn settle_click(
        &self,
        platform: &Connected<'_>,
        scope: &PersonScope,
        click: &Click,
        answered: &Result<Answered, Malformed>,
        edits_card: bool,
        until: Instant,
    ) {
        let Some(card) = &click.card else {
            return;
        };
        let owed: &[Owed] = if edits_card {
            &[Owed::Receipt]
        } else {
            &[Owed::Receipt, Owed::Card]
        };
        let settlement = Settlement {
            answered,
            card,
            owed,
            done: edits_card.then_some(Owed::Card),
            last: false,
        };
        let settled = self.settle(platform, scope, &click.interaction, settlement, until);
        if let Err(error) = settled.await {
            tracing::warn!(event = "settle_failed", cause = %error);
        }
    }
}

/// The answer to a click that claimed nothing.
async fn explained(
    platform: &Connected<'_>,
    scope: &PersonScope,
    click: &Click,
    missed: &Missed,
    until: Instant,
) -> Option<Value> {
    let verdict = match missed {
        // The first answer, which may have contained the edit of the card, may have been lost.
        Missed::Again(answered) => return ended(platform, scope, click, answered).answer,
        Missed::Twin(answered) => return twin(platform, scope, click, answered, until).await,
        Missed::Nothing => Verdict::Ignored,
        Missed::Expired => Verdict::Late("This question has expired; your answer was not counted."),
        Missed::Withdrawn => {
            Verdict::Late("The agent withdrew this question; your answer was not counted.")
        }
        Missed::Replaced => {
            Verdict::Late("This question was changed and asked again; answer the new one.")
        }
    };
    let mut acknowledgement = platform.acknowledge(click, &verdict);
    platform
        .follow_up(acknowledgement.follow_up.take(), until)
        .await;
    acknowledgement.answer
}

/// Takes the buttons off a second card of an answered question. Nothing is owed for it: if that fails, the next click
/// tries again.
async fn twin(
    platform: &Connected<'_>,
    scope: &PersonScope,
    click: &Click,
    answered: &Result<Answered, Malformed>,
    until: Instant,
) -> Option<Value> {
    let acknowledgement = ended(platform, scope, click, answered);
    if !acknowledgement.edits_card
        && let Some(at) = &click.card
        && let Some((card, ending)) = drawn(scope, &click.interaction, answered)
    {
        let edited = platform.edit(at, &card, &ending, Earlier::default(), until);
        super::log_failure("second card", edited.await);
    }
    acknowledgement.answer
}

/// Acknowledges a click on an interaction that this click answered.
fn ended(
    platform: &Connected<'_>,
    scope: &PersonScope,
    click: &Click,
    answered: &Result<Answered, Malformed>,
) -> Acknowledgement {
    match drawn(scope, &click.interaction, answered) {
        Some((card, ending)) => platform.acknowledge(click, &Verdict::Ended(&card, &ending)),
        None => platform.acknowledge(click, &Verdict::Ignored),
    }
}

fn log(scope: &PersonScope, id: &InteractionId) {
    tracing::info!(
        event = "claimed",
        organization_id = scope.organization().as_str(),
        connection_id = scope.connection().as_str(),
        interaction_id = id.as_str(),
    );
}
