//! Plays schedules against the store, as the functions would, and notes what each step was told.

use super::TTL;
use super::plan::{Attempt, Schedule, Step, revision};
use super::posts::{LEASE, Taken};
use super::rows;
use futures_util::future::join_all;
use postern::authority::scope::VerifiedWorker;
use postern::question::{CardAddress, Choice, ClickKey, Payload};
use postern::store::{Delivery, Missed, NewClaim, NewInteraction, Stored, Swept, Take, Withdrawal};
use postern::{Store, store::StoreError};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_postgres::Client;

/// How long the sweep holds a delivery that it took.
const SWEEPS_LEASE: Duration = Duration::from_millis(8);

/// The stores, and who asks.
pub struct Ground {
    pub webhooks: Store,
    pub sweep: Store,
    pub workers: Vec<VerifiedWorker>,
}

/// What a step was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The row is new, or else the content replaced another. It has this `created_at`, in microseconds.
    Stored {
        new: bool,
        card: usize,
        text: u8,
        created: i128,
    },
    Unchanged {
        text: u8,
        created: i128,
    },
    StoredBeforeAndExpired,
    /// It gave up, for others changed the row each time.
    GaveUp,
    Won {
        card: usize,
        choice: u8,
        click: u8,
        delivery: String,
    },
    Again {
        click: u8,
    },
    Missed(&'static str),
    Withdrew {
        delivery: String,
        kind: String,
    },
    WasAnswered,
    WasUnknown,
    Swept(u64),
    Delivered,
    /// The sweep took cards to post.
    Took(Vec<Taken>),
}

/// An attempt of a delivery.
#[derive(Debug, Clone)]
pub struct Attempted {
    pub id: String,
    pub number: u32,
    /// For how long it was left to whoever made it.
    pub lease: Duration,
    /// When it was asked for, and when it was given.
    pub asked: Instant,
    pub given: Instant,
    pub end: Attempt,
    pub ended: Instant,
}

/// What was told in one schedule, step by step, and all attempts that were made meanwhile.
#[derive(Debug, Default)]
pub struct Played {
    pub told: Vec<Told>,
    pub attempts: Vec<Attempted>,
}

impl Played {
    /// Plays the schedules, all of their steps at the same time.
    pub async fn all(ground: &Arc<Ground>, schedules: &[Arc<Schedule>]) -> Vec<Self> {
        let mut running = Vec::new();
        for schedule in schedules {
            let steps = (0..schedule.steps.len()).map(|at| {
                let (ground, schedule) = (Arc::clone(ground), Arc::clone(schedule));
                tokio::spawn(async move { ground.step(&schedule, at).await })
            });
            running.push(join_all(steps.collect::<Vec<_>>()));
        }
        let ended = join_all(running).await.into_iter().map(|steps| {
            let mut played = Self::default();
            for step in steps {
                let (told, attempts) = step.unwrap();
                played.told.push(told);
                played.attempts.extend(attempts);
            }
            played
        });
        ended.collect()
    }

    /// Delivers what has not arrived yet, after all leases have ended.
    pub async fn rest(ground: &Ground, operator: &Client) -> Vec<Attempted> {
        rows::end_leases(operator).await;
        let mut attempts = Vec::new();
        loop {
            let taken = ground.deliver(Attempt::Arrives).await;
            if taken.is_empty() {
                return attempts;
            }
            attempts.extend(taken);
        }
    }
}

/// The content of this text. It is called back.
pub fn payload(text: u8) -> Payload {
    let payload = json!({"kind": "question", "question": text.to_string(), "options": ["Yes", "No"],
        "callback_url": "https://receiver.example/"});
    payload.try_into().unwrap()
}

pub fn click_key(click: u8) -> ClickKey {
    ClickKey::from_parts(&[&click.to_string()])
}

impl Ground {
    async fn step(&self, schedule: &Schedule, at: usize) -> (Told, Vec<Attempted>) {
        let (wait, step) = schedule.steps[at];
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let asked = Instant::now();
        match step {
            Step::Store { text, card } => (self.store(schedule, text, card).await, Vec::new()),
            Step::Click {
                card,
                choice,
                click,
                attempt,
                lease,
            } => {
                let worker = &self.workers[schedule.worker];
                let scope = worker.conversation().unwrap().scope();
                let (revision, click_key) = (revision(card), click_key(click));
                let place = CardAddress::new("C1", card.to_string());
                let new = NewClaim {
                    revision: &revision,
                    choice: Choice(choice),
                    click: &click_key,
                    card: place.as_ref(),
                    ttl: TTL,
                    lease,
                };
                let claimed = self.webhooks.interaction_claim(scope, &schedule.id, &new);
                if let Some(claimed) = claimed.await.unwrap() {
                    assert_eq!(claimed.answered.unwrap().answer.index, Some(Choice(choice)));
                    let delivery = claimed.delivery.unwrap();
                    let attempted =
                        self.attempted(&self.webhooks, &delivery, attempt, asked, lease);
                    let told = Told::Won {
                        card,
                        choice,
                        click,
                        delivery: delivery.id().to_owned(),
                    };
                    return (told, vec![attempted.await]);
                }
                let missed = self.webhooks.interaction_missed(scope, &schedule.id, &new);
                let told = match missed.await.unwrap() {
                    Missed::Again(_) => Told::Again { click },
                    Missed::Expired => Told::Missed("expired"),
                    Missed::Withdrawn => Told::Missed("withdrawn"),
                    Missed::Replaced => Told::Missed("replaced"),
                    Missed::Twin(_) => Told::Missed("twin"),
                    Missed::Nothing => Told::Missed("nothing"),
                };
                (told, Vec::new())
            }
            Step::Withdraw { attempt, lease } => {
                let worker = &self.workers[schedule.worker];
                let conversation = worker.conversation().unwrap();
                let withdrawal = self
                    .webhooks
                    .interaction_withdraw(worker, conversation, &schedule.id, TTL, lease)
                    .await;
                match withdrawal.unwrap() {
                    Withdrawal::Withdrawn(withdrawn) => {
                        let delivery = withdrawn.delivery.unwrap();
                        let attempted =
                            self.attempted(&self.webhooks, &delivery, attempt, asked, lease);
                        let told = Told::Withdrew {
                            delivery: delivery.id().to_owned(),
                            kind: delivery.payload()["type"].as_str().unwrap().to_owned(),
                        };
                        (told, vec![attempted.await])
                    }
                    Withdrawal::Answered => (Told::WasAnswered, Vec::new()),
                    Withdrawal::Unknown => (Told::WasUnknown, Vec::new()),
                    Withdrawal::Refused(why) => panic!("{why:?}"),
                }
            }
            Step::Sweep => {
                let sweep = async |table| self.sweep.sweep(table, 4, TTL).await.unwrap().deleted;
                let deleted = sweep(Swept::PendingInteractions).await;
                for table in [Swept::Deliveries, Swept::EndedInteractions] {
                    assert_eq!(sweep(table).await, 0, "{table:?} of today");
                }
                (Told::Swept(deleted), Vec::new())
            }
            Step::Deliver { attempt } => (Told::Delivered, self.deliver(attempt).await),
            Step::Post { dies } => (Told::Took(self.post(dies).await), Vec::new()),
        }
    }

    async fn store(&self, schedule: &Schedule, text: u8, card: usize) -> Told {
        let worker = &self.workers[schedule.worker];
        let new = NewInteraction {
            scope: worker.conversation().unwrap().scope(),
            worker,
            id: &schedule.id,
            payload: &payload(text),
            digest: None,
            revision: &revision(card),
        };
        let micros =
            |status: postern::question::Status| status.created_at.unix_timestamp_nanos() / 1000;
        match self.webhooks.interaction_store(&new, TTL).await {
            Ok(Stored::New(status, _)) => Told::Stored {
                new: true,
                card,
                text,
                created: micros(status),
            },
            Ok(Stored::Replaced(status, ..)) => Told::Stored {
                new: false,
                card,
                text,
                created: micros(status),
            },
            Ok(Stored::Unchanged(status)) => Told::Unchanged {
                text,
                created: micros(status),
            },
            Ok(Stored::Expired) => Told::StoredBeforeAndExpired,
            Err(StoreError::Row(why)) if why.contains("three times") => Told::GaveUp,
            other => panic!("{other:?}"),
        }
    }

    /// Takes cards that are due, whosever they are, and notes that they were posted unless it dies.
    async fn post(&self, dies: bool) -> Vec<Taken> {
        let asked = Instant::now();
        let due = self.sweep.interactions_unposted(5, 2, &[], TTL, LEASE);
        let due = due.await.unwrap();
        let given = Instant::now();
        let each = due.iter().map(async |one| {
            assert!(one.payload.is_ok());
            let noted =
                self.sweep
                    .interaction_posted(&one.scope, &one.id, &one.revision, None, true);
            let noted = if dies {
                None
            } else {
                Some(noted.await.unwrap())
            };
            Taken {
                id: one.id.as_str().to_owned(),
                revision: one.revision.as_str().to_owned(),
                asked,
                given,
                doubtful: one.attempts.doubtful,
                noted: noted.map(|_| Instant::now()),
            }
        });
        join_all(each).await
    }

    /// Takes what is due, whosever it is.
    async fn deliver(&self, attempt: Attempt) -> Vec<Attempted> {
        let take = Take {
            limit: 5,
            of_organization: 2,
            to_receiver: 5,
            busy_organizations: &[],
            busy_receivers: &[],
        };
        let asked = Instant::now();
        let due = self.sweep.deliveries_due(take, SWEEPS_LEASE).await.unwrap();
        let each = due
            .iter()
            .map(|one| self.attempted(&self.sweep, one, attempt, asked, SWEEPS_LEASE));
        join_all(each).await
    }

    /// Makes an attempt and notes how it ended.
    async fn attempted(
        &self,
        store: &Store,
        delivery: &Delivery,
        end: Attempt,
        asked: Instant,
        lease: Duration,
    ) -> Attempted {
        let given = Instant::now();
        match end {
            Attempt::Arrives => store.delivery_done(delivery).await.unwrap(),
            Attempt::Fails => {
                let pause = Duration::from_millis(1);
                store
                    .delivery_failed(delivery, pause, Duration::ZERO)
                    .await
                    .unwrap();
            }
            Attempt::Unknown => {}
        }
        Attempted {
            id: delivery.id().to_owned(),
            number: delivery.attempts(),
            lease,
            asked,
            given,
            end,
            ended: Instant::now(),
        }
    }
}
