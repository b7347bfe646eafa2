//! Random schedules of storing, noting, putting off, posting late, clicking, withdrawing, deleting, sweeping and passing time, played
//! against the store and against a small model of what should happen. The two never disagree: a card never
//! answers for another content, and the person learns what happened.

mod expected;
mod real;

use crate::world::World;
use expected::Model;
use postern::question::CardAddress;
use postern::store::Schema;
use postern::{InteractionId, Revision};
use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, any},
    prop_oneof,
    test_runner::{TestCaseError, TestRunner},
};
use real::Real;
use std::time::Duration;

const TTL: Duration = Duration::from_secs(DAY as u64);
const DAY: u32 = 86_400;
const HOUR: u32 = 3_600;
/// For how long a post is put off, and for how long the sweep holds what it took. No schedule's time passes by a moment
/// before either ends.
const PUT_OFF: u32 = 45;
const SWEEPS_LEASE: u32 = 60;

#[derive(Debug, Clone)]
enum Step {
    Store {
        who: usize,
        text: u8,
    },
    /// A card's post is noted, perhaps late. Its address may be unknown.
    Note {
        card: usize,
        known: bool,
    },
    /// The platform put a card's post off, for 45 seconds.
    PutOff {
        card: usize,
        doubtful: bool,
    },
    /// The sweep takes the question, to post its card.
    Take,
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
    /// The platform may deliver a click again under the same id.
    id: u8,
    /// On a message that shows the same button and that Postern did not post.
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
        2 => (card(), any::<bool>()).prop_map(|(card, doubtful)| Step::PutOff { card, doubtful }),
        2 => Just(Step::Take),
        6 => click,
        1 => who().prop_map(|who| Step::Withdraw { who }),
        1 => who().prop_map(|who| Step::Delete { who }),
        1 => Just(Step::Sweep),
        2 => Just(Step::Seconds(31)),
        2 => (1..20_u32).prop_map(|hours| Step::Seconds(hours * HOUR)),
    ];
    vec(step, 1..40)
}

/// Where the card is, or where another message is that shows the same button.
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
                (
                    model.note(card, known).to_string(),
                    real.note(card, &shown, known).await.to_string(),
                )
            }
            Step::PutOff { card, doubtful } => {
                let Some((card, shown)) = shown(card) else {
                    continue;
                };
                model.put_off(card, doubtful);
                real.put_off(&shown, doubtful).await;
                continue;
            }
            Step::Take => (model.take(), real.take().await),
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
    let store = world.store(Schema::Webhooks).await;
    let sweep = world.store(Schema::Sweep).await;
    // The second differs from the first in agent and user, the third in agent and connection.
    let people = [
        world.conversation("a", "agent-a", "slack-a", "U1").await,
        world.conversation("a", "second-a", "slack-a", "U2").await,
        world.conversation("a", "shared", "discord-a", "U1").await,
    ];
    let real = Real {
        world: &world,
        store: &store,
        sweep: &sweep,
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
