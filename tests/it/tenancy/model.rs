//! Random schedules of storing, noting, clicking, withdrawing, deleting, sweeping and passing time against
//! a small model of what the contract says of them. The store never disagrees: a card never answers for
//! another content, and what the person is told is what happened.

use crate::world::World;
use postern::authority::scope::VerifiedWorker;
use postern::question::{CardAddress, Choice, ClickKey, Outcome};
use postern::store::{Missed, NewClaim, NewInteraction, Read, Stored, Swept, Withdrawal};
use postern::{InteractionId, Revision, Store};
use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, any},
    prop_oneof,
    test_runner::{TestCaseError, TestRunner},
};
use serde_json::{Value, json};
use std::time::Duration;

const TTL: Duration = Duration::from_secs(DAY as u64);
const DAY: u32 = 86_400;
const HOUR: u32 = 3_600;

#[derive(Debug, Clone)]
enum Step {
    Store {
        who: usize,
        text: u8,
    },
    /// The post of a card is noted, late or not; its address is known, or not.
    Note {
        card: usize,
        known: bool,
    },
    Click(Click),
    Withdraw {
        who: usize,
    },
    Delete {
        who: usize,
    },
    Sweep,
    Seconds(u32),
}

/// A press on a button of any card that was ever posted.
#[derive(Debug, Clone)]
struct Click {
    card: usize,
    who: usize,
    choice: u8,
    /// The platform may deliver the same one again.
    id: u8,
    /// On a message that shows the same button, and was not posted by us.
    elsewhere: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || prop_oneof![4 => Just(0_usize), 1 => 1..3_usize];
    let card = || 0..8_usize;
    let click = (
        card(),
        who(),
        0..3_u8,
        0..3_u8,
        prop_oneof![4 => Just(false), 1 => Just(true)],
    );
    let click = click.prop_map(|(card, who, choice, id, elsewhere)| {
        Step::Click(Click {
            card,
            who,
            choice,
            id,
            elsewhere,
        })
    });
    let step = prop_oneof![
        5 => (who(), 0..3_u8).prop_map(|(who, text)| Step::Store { who, text }),
        3 => (card(), any::<bool>()).prop_map(|(card, known)| Step::Note { card, known }),
        6 => click,
        1 => who().prop_map(|who| Step::Withdraw { who }),
        1 => who().prop_map(|who| Step::Delete { who }),
        1 => Just(Step::Sweep),
        2 => Just(Step::Seconds(31)),
        2 => (1..20_u32).prop_map(|hours| Step::Seconds(hours * HOUR)),
    ];
    vec(step, 1..40)
}

/// A card that was posted, and what it shows.
#[derive(Debug, Clone)]
struct Card {
    who: usize,
    text: u8,
    revision: Revision,
}

/// What there is of the one id. Cards are named by their place among all that were posted.
#[derive(Debug, Default)]
struct Model {
    row: Option<Row>,
    /// By whom it was ended without an answer, how long ago, and how.
    ended: Option<(usize, u32, &'static str)>,
    cards: Vec<Card>,
    outcomes: Vec<&'static str>,
}

#[derive(Debug)]
struct Row {
    who: usize,
    text: u8,
    age: u32,
    card: usize,
    since_stored: u32,
    noted: bool,
    /// Which message it is known to be on.
    at: Option<(usize, bool)>,
    /// The click that answered, and how long ago.
    answer: Option<(u8, u32)>,
}

impl Row {
    fn expired(&self) -> bool {
        self.age >= DAY
    }
}

impl Model {
    fn store(&mut self, who: usize, text: u8, revision: &Revision) -> &'static str {
        let (came_to, age) = match &self.row {
            None => ("new", 0),
            Some(row) if row.who != who => return "conflict",
            Some(row) if row.expired() => return "expired",
            Some(row) if row.text == text => {
                let nobody_posted = row.answer.is_none() && !row.noted && row.since_stored >= 30;
                if !nobody_posted {
                    return "unchanged";
                }
                ("anew", row.age)
            }
            Some(row) => ("anew", row.age),
        };
        self.cards.push(Card {
            who,
            text,
            revision: revision.clone(),
        });
        self.row = Some(Row {
            who,
            text,
            age,
            card: self.cards.len() - 1,
            since_stored: 0,
            noted: false,
            at: None,
            answer: None,
        });
        came_to
    }

    fn note(&mut self, card: usize, known: bool) {
        let who = self.cards[card].who;
        let row = self.row.as_mut();
        if let Some(row) = row.filter(|row| row.card == card && row.who == who) {
            row.noted = true;
            row.at = row.at.or(known.then_some((card, false)));
        }
    }

    fn click(&mut self, click: &Click) -> &'static str {
        let Some(row) = self.row.as_mut() else {
            let ended = self.ended.filter(|(by, ..)| *by == click.who);
            return ended.map_or("nothing", |(_, _, how)| how);
        };
        let at = (click.card, click.elsewhere);
        let in_place = row.at.is_none_or(|known| known == at);
        match row.answer {
            _ if row.who != click.who => "nothing",
            Some((by, _)) if by == click.id => "again",
            Some(_) => "nothing",
            None if row.expired() => "expired",
            None if row.card != click.card => "replaced",
            None if !in_place || click.choice > 1 => "nothing",
            None => {
                row.answer = Some((click.id, 0));
                row.at = Some(at);
                self.outcomes.push("answered");
                "won"
            }
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
        self.row.take_if(|row| row.who == who).is_some()
    }

    fn sweep(&mut self) -> u64 {
        let read = |row: &Row| row.answer.is_none_or(|(_, since)| since >= HOUR);
        let swept = self.row.take_if(|row| row.expired() && read(row));
        if let Some(row) = swept.as_ref().filter(|row| row.answer.is_none()) {
            self.outcomes.push("expired");
            self.ended = Some((row.who, 0, "expired"));
        }
        self.ended.take_if(|(_, age, _)| *age >= DAY);
        swept.is_some().into()
    }

    fn seconds(&mut self, seconds: u32) {
        if let Some(row) = &mut self.row {
            row.age += seconds;
            row.since_stored += seconds;
            row.answer = row.answer.map(|(by, since)| (by, since + seconds));
        }
        if let Some((_, age, _)) = &mut self.ended {
            *age += seconds;
        }
    }

    fn status(&self, who: usize) -> &'static str {
        match self.row.as_ref().filter(|row| row.who == who) {
            None => "unknown",
            Some(row) if row.answer.is_some() => "answered",
            Some(row) if row.expired() => "expired",
            Some(_) => "pending",
        }
    }
}

struct Real<'a> {
    world: &'a World,
    store: &'a Store,
    people: &'a [VerifiedWorker],
    id: InteractionId,
}

impl Real<'_> {
    async fn store(&self, who: usize, text: u8, revision: &Revision) -> &'static str {
        let payload: Value = json!({"kind": "question", "question": text, "options": ["Yes", "No"], "callback_url": "https://x"});
        let worker = &self.people[who];
        let new = NewInteraction {
            scope: worker.conversation().unwrap().scope(),
            worker,
            id: &self.id,
            payload: &payload,
            digest: None,
            revision,
        };
        match self.store.interaction_store(&new, TTL).await.unwrap() {
            Stored::New(..) => "new",
            Stored::Anew(..) => "anew",
            Stored::Unchanged(_) => "unchanged",
            Stored::ScopeConflict => "conflict",
            Stored::Expired => "expired",
            Stored::UnknownConnection | Stored::TooManyOpen | Stored::Refused(_) => "neither",
        }
    }

    async fn note(&self, card: usize, shown: &Card, known: bool) {
        let at = known.then(|| address(card, false));
        let scope = self.people[shown.who].conversation().unwrap().scope();
        self.store
            .interaction_posted(scope, &self.id, &shown.revision, at.as_ref())
            .await
            .unwrap();
    }

    /// What a click came to; one that wins answers what its card showed.
    async fn click(&self, click: &Click, shown: &Card) -> &'static str {
        let key = ClickKey::from_parts(&[&click.id.to_string()]);
        let at = address(click.card, click.elsewhere);
        let new = NewClaim {
            revision: &shown.revision,
            choice: Choice(click.choice),
            click: &key,
            card: Some(&at),
            ttl: TTL,
            lease: TTL,
        };
        let scope = self.people[click.who].conversation().unwrap().scope();
        let claimed = self.store.interaction_claim(scope, &self.id, &new).await;
        if let Some((answered, delivery)) = claimed.unwrap() {
            assert_eq!(answered.payload["question"], shown.text, "another content");
            assert_eq!(answered.answer["index"], click.choice);
            assert!(delivery.is_some());
            return "won";
        }
        let missed = self.store.interaction_missed(scope, &self.id, &new).await;
        match missed.unwrap() {
            Missed::Again(_) => "again",
            Missed::Expired => "expired",
            Missed::Withdrawn => "withdrawn",
            Missed::Replaced => "replaced",
            Missed::Nothing => "nothing",
        }
    }

    async fn withdraw(&self, who: usize) -> &'static str {
        let worker = &self.people[who];
        let conversation = worker.conversation().unwrap();
        match self
            .store
            .interaction_withdraw(worker, conversation, &self.id, TTL, TTL)
            .await
            .unwrap()
        {
            Withdrawal::Withdrawn(_) => "withdrawn",
            Withdrawal::Answered => "answered",
            Withdrawal::Unknown => "unknown",
            Withdrawal::Refused(_) => "neither",
        }
    }

    async fn delete(&self, who: usize) -> bool {
        let scope = self.people[who].conversation().unwrap().scope();
        let deleted = self.store.interaction_delete(scope, &self.id, None);
        deleted.await.unwrap()
    }

    async fn sweep(&self) -> u64 {
        let mut deleted = 0;
        for table in [Swept::PendingInteractions, Swept::EndedInteractions] {
            let batch = self.store.sweep(table, 10, TTL).await.unwrap();
            if table == Swept::PendingInteractions {
                deleted = batch.deleted;
            }
        }
        deleted
    }

    /// The database's clock alone decides ages, so time passes by making everything older.
    async fn seconds(&self, seconds: u32) {
        let by = format!("interval '{seconds} seconds'");
        let sql = format!(
            "update pending_interactions set created_at = created_at - {by}, stored_at = stored_at - {by},
                 claimed_at = claimed_at - {by};
             update ended_interactions set ended_at = ended_at - {by}"
        );
        self.world.sql(&sql).await;
    }

    async fn status(&self, who: usize) -> &'static str {
        let read = self
            .store
            .interaction_status(&self.people[who], &self.id, TTL)
            .await;
        match read.unwrap() {
            Read::Unknown => "unknown",
            Read::Refused(_) => "neither",
            Read::Status(status) => match status.outcome {
                Outcome::Pending => "pending",
                Outcome::Answered(_) => "answered",
                Outcome::Expired => "expired",
            },
        }
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

/// Where the card is, or a message that shows the same.
fn address(card: usize, elsewhere: bool) -> CardAddress {
    CardAddress::new("C1", format!("{card}{elsewhere}")).unwrap()
}

async fn agrees(real: &Real<'_>, schedule: Vec<Step>) -> Result<(), TestCaseError> {
    real.world
        .sql("truncate pending_interactions, ended_interactions, deliveries")
        .await;
    let mut model = Model::default();
    for (at, step) in schedule.into_iter().enumerate() {
        let shown = |card: usize| {
            let card = card.checked_rem(model.cards.len())?;
            Some((card, model.cards[card].clone()))
        };
        let (expected, found) = match step {
            Step::Store { who, text } => {
                let revision = Revision::new();
                (
                    model.store(who, text, &revision).to_owned(),
                    real.store(who, text, &revision).await.to_owned(),
                )
            }
            Step::Note { card, known } => {
                let Some((card, shown)) = shown(card) else {
                    continue;
                };
                model.note(card, known);
                real.note(card, &shown, known).await;
                continue;
            }
            Step::Click(mut click) => {
                let Some((card, shown)) = shown(click.card) else {
                    continue;
                };
                click.card = card;
                (
                    model.click(&click).to_owned(),
                    real.click(&click, &shown).await.to_owned(),
                )
            }
            Step::Withdraw { who } => (
                model.withdraw(who).to_owned(),
                real.withdraw(who).await.to_owned(),
            ),
            Step::Delete { who } => (
                model.delete(who).to_string(),
                real.delete(who).await.to_string(),
            ),
            Step::Sweep => (model.sweep().to_string(), real.sweep().await.to_string()),
            Step::Seconds(seconds) => {
                model.seconds(seconds);
                real.seconds(seconds).await;
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
