//! Random schedules of store, claim, withdraw, delete, sweep and clock steps against a small model of
//! what the contract says of them: the store never disagrees.

use crate::support::World;
use postern::scope::{Conversation, OwnInteraction};
use postern::store::{
    Again, Choice, Claim, ClickKey, Late, NewClaim, NewInteraction, Outcome, Stored, Swept,
    Withdrawal,
};
use postern::{InteractionId, Store};
use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, any},
    prop_oneof,
    test_runner::{TestCaseError, TestRunner},
};
use serde_json::{Value, json};
use std::time::Duration;

const TTL: Duration = Duration::from_secs(86_400);

#[derive(Debug, Clone)]
enum Step {
    Store { who: usize, text: u8, always: bool },
    Claim { who: usize, choice: u8, click: u8 },
    Withdraw { who: usize },
    Delete { who: usize },
    Sweep,
    Hours(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..3_usize;
    let step = prop_oneof![
        3 => (who(), 0..2_u8, any::<bool>()).prop_map(|(who, text, always)| Step::Store { who, text, always }),
        4 => (who(), 0..3_u8, 0..4_u8).prop_map(|(who, choice, click)| Step::Claim { who, choice, click }),
        1 => who().prop_map(|who| Step::Withdraw { who }),
        1 => who().prop_map(|who| Step::Delete { who }),
        1 => Just(Step::Sweep),
        2 => (1..20_u8).prop_map(Step::Hours),
    ];
    vec(step, 1..30)
}

/// What there is of the one id.
#[derive(Debug, Default)]
struct Model {
    row: Option<Row>,
    /// By whom it was ended without an answer, how long ago, and how.
    ended: Option<(usize, u32, &'static str)>,
    outcomes: Vec<&'static str>,
}

#[derive(Debug)]
struct Row {
    who: usize,
    text: u8,
    age: u32,
    answer: Option<u8>,
    applied: Vec<u8>,
}

impl Row {
    fn expired(&self) -> bool {
        self.age >= 24
    }
}

impl Model {
    fn store(&mut self, who: usize, text: u8, always: bool) -> &'static str {
        match &mut self.row {
            None => {
                self.row = Some(Row {
                    who,
                    text,
                    age: 0,
                    answer: None,
                    applied: Vec::new(),
                });
                "new"
            }
            Some(row) if row.who != who => "conflict",
            Some(row) if row.expired() => "expired",
            Some(row) if row.text == text && !always => "unchanged",
            Some(row) => {
                (row.text, row.answer) = (text, None);
                "anew"
            }
        }
    }

    fn claim(&mut self, who: usize, choice: u8, click: u8) -> &'static str {
        match &mut self.row {
            Some(row) if row.who == who => {
                let again = row.answer.is_some() && row.applied.last() == Some(&click);
                if again {
                    "again"
                } else if row.answer.is_none() && row.expired() {
                    "expired"
                } else if row.answer.is_some() || choice > 1 || row.applied.contains(&click) {
                    "nothing"
                } else {
                    row.answer = Some(choice);
                    row.applied.push(click);
                    self.outcomes.push("answered");
                    "won"
                }
            }
            Some(_) => "nothing",
            None => match self.ended {
                Some((by, _, how)) if by == who => how,
                Some(_) | None => "nothing",
            },
        }
    }

    fn withdraw(&mut self, who: usize) -> &'static str {
        match &self.row {
            Some(row) if row.who == who && row.answer.is_none() => {
                let how = if row.expired() {
                    "expired"
                } else {
                    "withdrawn"
                };
                self.outcomes.push(how);
                self.row = None;
                self.ended = Some((who, 0, how));
                "withdrawn"
            }
            Some(row) if row.who == who => "answered",
            _ => "unknown",
        }
    }

    fn delete(&mut self, who: usize) -> bool {
        let own = self.row.as_ref().is_some_and(|row| row.who == who);
        if own {
            self.row = None;
        }
        own
    }

    fn sweep(&mut self) -> u64 {
        let swept = self.row.take_if(|row| row.expired());
        if let Some(row) = swept.as_ref().filter(|row| row.answer.is_none()) {
            self.outcomes.push("expired");
            self.ended = Some((row.who, 0, "expired"));
        }
        self.ended.take_if(|(_, age, _)| *age >= 24);
        swept.is_some().into()
    }

    fn hours(&mut self, hours: u8) {
        if let Some(row) = &mut self.row {
            row.age += u32::from(hours);
        }
        if let Some((_, age, _)) = &mut self.ended {
            *age += u32::from(hours);
        }
    }

    fn status(&self, who: usize) -> Option<&'static str> {
        let row = self.row.as_ref().filter(|row| row.who == who)?;
        Some(match (row.answer, row.expired()) {
            (Some(_), _) => "answered",
            (None, true) => "expired",
            (None, false) => "pending",
        })
    }
}

struct Real<'a> {
    world: &'a World,
    store: &'a Store,
    people: &'a [Conversation],
    id: InteractionId,
}

impl Real<'_> {
    async fn store(&self, who: usize, text: u8, always: bool) -> &'static str {
        let payload: Value = json!({"kind": "question", "question": text, "options": ["Yes", "No"], "callback_url": "https://x"});
        let new = NewInteraction {
            scope: self.people[who].scope(),
            agent: self.people[who].agent(),
            token: None,
            id: &self.id,
            payload: &payload,
            digest: None,
            again: if always {
                Again::Always
            } else {
                Again::WhenChanged
            },
        };
        match self.store.interaction_store(&new, TTL).await.unwrap() {
            Stored::New(..) => "new",
            Stored::Anew(..) => "anew",
            Stored::Unchanged(_) => "unchanged",
            Stored::ScopeConflict => "conflict",
            Stored::Expired => "expired",
            Stored::UnknownConnection | Stored::Revoked => "neither",
        }
    }

    async fn claim(&self, who: usize, choice: u8, click: u8) -> &'static str {
        let key = ClickKey::of(&[&click.to_string()]);
        let new = NewClaim {
            choice: Choice(choice),
            click: &key,
            card: None,
            ttl: TTL,
            lease: TTL,
        };
        match self
            .store
            .interaction_claim(self.people[who].scope(), &self.id, &new)
            .await
            .unwrap()
        {
            Claim::Won(answered, delivery) => {
                assert_eq!(answered.answer["index"], choice);
                assert!(delivery.is_some());
                "won"
            }
            Claim::Again(_) => "again",
            Claim::Late(Late::Expired) => "expired",
            Claim::Late(Late::Withdrawn) => "withdrawn",
            Claim::Late(Late::Replaced) => "replaced",
            Claim::Nothing => "nothing",
        }
    }

    async fn withdraw(&self, who: usize) -> &'static str {
        let (scope, agent) = (self.people[who].scope(), self.people[who].agent());
        match self
            .store
            .interaction_withdraw(scope, agent, &self.id, TTL, TTL)
            .await
            .unwrap()
        {
            Withdrawal::Withdrawn(_) => "withdrawn",
            Withdrawal::Answered => "answered",
            Withdrawal::Unknown => "unknown",
        }
    }

    async fn sweep(&self) -> u64 {
        let batch = self
            .store
            .sweep(Swept::PendingInteractions, 10, TTL)
            .await
            .unwrap();
        self.store
            .sweep(Swept::EndedInteractions, 10, TTL)
            .await
            .unwrap();
        batch.deleted
    }

    /// The database's clock alone decides ages, so time passes by making everything older.
    async fn hours(&self, hours: u8) {
        let sql = format!(
            "update pending_interactions set created_at = created_at - interval '{hours} hours';
             update ended_interactions set ended_at = ended_at - interval '{hours} hours'"
        );
        self.world.sql(&sql).await;
    }

    async fn status(&self, who: usize) -> Option<&'static str> {
        let own = OwnInteraction {
            agent: self.people[who].agent(),
            id: &self.id,
        };
        let status = self.store.interaction_status(own, TTL).await.unwrap()?;
        Some(match status.outcome {
            Outcome::Pending => "pending",
            Outcome::Answered(_) => "answered",
            Outcome::Expired => "expired",
        })
    }

    async fn outcomes(&self) -> Vec<String> {
        let all = self
            .world
            .value("select string_agg(payload #>> '{data,status}', ' ' order by created_at, id) from deliveries")
            .await;
        let mut all: Vec<String> = all.split_whitespace().map(str::to_owned).collect();
        all.sort();
        all
    }
}

async fn agrees(real: &Real<'_>, schedule: Vec<Step>) -> Result<(), TestCaseError> {
    real.world
        .sql("truncate pending_interactions, ended_interactions, deliveries")
        .await;
    let mut model = Model::default();
    for (at, step) in schedule.into_iter().enumerate() {
        let (expected, found) = match step {
            Step::Store { who, text, always } => (
                model.store(who, text, always).to_owned(),
                real.store(who, text, always).await.to_owned(),
            ),
            Step::Claim { who, choice, click } => (
                model.claim(who, choice, click).to_owned(),
                real.claim(who, choice, click).await.to_owned(),
            ),
            Step::Withdraw { who } => (
                model.withdraw(who).to_owned(),
                real.withdraw(who).await.to_owned(),
            ),
            Step::Delete { who } => (
                model.delete(who).to_string(),
                real.store
                    .interaction_delete(real.people[who].scope(), &real.id, None)
                    .await
                    .unwrap()
                    .to_string(),
            ),
            Step::Sweep => (model.sweep().to_string(), real.sweep().await.to_string()),
            Step::Hours(hours) => {
                model.hours(hours);
                real.hours(hours).await;
                continue;
            }
        };
        if expected != found {
            return Err(TestCaseError::fail(format!(
                "step {at}: {found} where {expected} was expected"
            )));
        }
    }
    for who in 0..real.people.len() {
        if model.status(who) != real.status(who).await {
            return Err(TestCaseError::fail(format!(
                "the status for {who}: {model:?}"
            )));
        }
    }
    let mut expected = model.outcomes;
    expected.sort_unstable();
    let found = real.outcomes().await;
    if found != expected {
        return Err(TestCaseError::fail(format!(
            "outcomes {found:?} where {expected:?} were expected"
        )));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_never_disagrees_with_its_model() {
    let world = World::new().await;
    world.tenants().await;
    let store = world.store().await;
    // The second differs from the first in agent and user, the third in agent and connection.
    let people = [
        world.conversation("a", "agent-a", "slack-a", "U1").await,
        world.conversation("a", "second-a", "slack-a", "U2").await,
        world.conversation("a", "shared", "discord-a", "U1").await,
    ];
    let real = Real {
        world: &world,
        store: &store,
        people: &people,
        id: InteractionId::parse("q-1").unwrap(),
    };
    let runtime = tokio::runtime::Handle::current();
    let config = ProptestConfig {
        cases: 64,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(config);
        let outcome = runner.run(&steps(), |schedule| {
            runtime.block_on(agrees(&real, schedule))
        });
        if let Err(error) = outcome {
            panic!("{error}");
        }
    });
}
