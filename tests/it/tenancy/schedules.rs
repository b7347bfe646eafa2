//! Random schedules, played truly in parallel: retries, clicks, withdrawals, sweeps and deliveries at the same time.
//! Whatever the order, nothing is claimed twice, nothing is lost, and `created_at` never moves.
//!
//! How the statements interleave is up to Postgres, and differs from run to run. What is done is random and follows
//! from a seed, which a failure names. `POSTERN_TEST_SEED` plays it again, and `POSTERN_TEST_SCHEDULES` sets how many
//! schedules are played.

mod attempts;
mod check;
mod plan;
mod play;
mod posts;
mod rows;
mod tally;

use crate::world::World;
use plan::{Random, Schedule};
use play::{Ground, Played};
use postern::store::Schema;
use postern::{InteractionId, authority::scope::VerifiedWorker};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tally::Tally;

/// The age at which interactions expire, here and in the functions.
const TTL: Duration = Duration::from_secs(86_400);
const SCHEDULES: u64 = 10_000;
/// How many are played at once: their steps just fit into the stores' connections.
const AT_ONCE: u64 = 6;
const ORGANIZATIONS: u64 = 8;

/// The number in a variable of this test.
fn given(name: &str) -> Option<u64> {
    std::env::var_os(name).map(|value| value.to_str().unwrap().parse().unwrap())
}

/// Each worker is of an organization of its own.
async fn workers(world: &World) -> Vec<VerifiedWorker> {
    let mut workers = Vec::new();
    for n in 0..ORGANIZATIONS {
        world
            .sql(&format!(
                "insert into organizations (id) values ('o-{n}');
                 insert into agents (organization_id, id, created_at) values ('o-{n}', 'x', now() - interval '2 days');
                 insert into connections (id, organization_id, platform, secret_ref)
                     values ('c-{n}', 'o-{n}', 'slack', 'postern/org/o-{n}/chat')"
            ))
            .await;
        let (organization, connection) = (format!("o-{n}"), format!("c-{n}"));
        let worker = world.conversation(&organization, "x", &connection, "U1");
        workers.push(worker.await);
    }
    workers
}

#[tokio::test(flavor = "multi_thread")]
async fn of_whatever_happens_at_once_each_content_has_one_outcome_and_nothing_is_lost() {
    let world = World::new().await;
    let ground = Arc::new(Ground {
        webhooks: world.store(Schema::Webhooks).await,
        sweep: world.store(Schema::Sweep).await,
        workers: workers(&world).await,
    });
    let operator = world.client().await;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = given("POSTERN_TEST_SEED").unwrap_or_else(|| now().as_secs());
    let rounds = given("POSTERN_TEST_SCHEDULES").unwrap_or(SCHEDULES) / AT_ONCE + 1;
    let mut tally = Tally::default();
    for seed in first..first + rounds {
        let mut random = Random::new(seed);
        let schedules: Vec<Arc<Schedule>> = (0..AT_ONCE)
            .map(|n| {
                let id = InteractionId::parse(format!("q-{n}")).unwrap();
                Arc::new(Schedule::random(&mut random, id, ground.workers.len()))
            })
            .collect();
        let begun = rows::begin(&operator, &ground, &schedules).await;
        let played = Played::all(&ground, &schedules).await;
        let delivered = Played::rest(&ground, &operator).await;
        let found = rows::read(&operator).await;
        let round = check::Round {
            schedules: &schedules,
            begun: &begun,
            played: &played,
            delivered: &delivered,
            found: &found,
        };
        let checked = round.check(&mut tally);
        if let Err(wrong) = checked {
            panic!("POSTERN_TEST_SEED={seed} plays this again\n{wrong}");
        }
    }
    println!("{rounds} rounds from {first}: {tally:?}");
    tally.assert_that_everything_happened();
}
