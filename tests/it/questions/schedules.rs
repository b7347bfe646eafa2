//! Random schedules of asking, platforms' errors, kills, withdrawals and sweeps, truly in parallel. Whatever happens, no
//! question is lost, and none is posted twice unless its platform left in doubt whether it was.
//!
//! `POSTERN_TEST_SEED` plays a round again, and `POSTERN_TEST_SCHEDULES` sets how many schedules are played. How the
//! steps interleave differs from run to run.

mod check;
mod plan;
mod play;

use crate::world::World;
use check::Tally;
use plan::Schedule;
use play::Ground;
use std::time::{SystemTime, UNIX_EPOCH};

const SCHEDULES: u64 = 5_000;
/// How many are played at once. Each has an organization and a channel of its own.
const AT_ONCE: u64 = 50;

fn given(name: &str) -> Option<u64> {
    std::env::var_os(name).map(|value| value.to_str().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_question_is_lost_and_none_is_posted_twice() {
    let world = World::new().await;
    let ground = Ground::new(&world, AT_ONCE).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = given("POSTERN_TEST_SEED").unwrap_or(now.as_secs());
    let rounds = given("POSTERN_TEST_SCHEDULES")
        .unwrap_or(SCHEDULES)
        .div_ceil(AT_ONCE);
    let mut tally = Tally::default();
    for seed in first..first + rounds {
        let mut random = fastrand::Rng::with_seed(seed);
        let schedules: Vec<Schedule> = (0..AT_ONCE)
            .map(|n| Schedule::random(&mut random, seed, n))
            .collect();
        let played = ground.play(&schedules, &mut random).await;
        for (schedule, played) in schedules.iter().zip(&played) {
            if let Err(wrong) = check::check(schedule, played, &mut tally) {
                panic!("POSTERN_TEST_SEED={seed}: {wrong}\n{schedule:#?}\n{played:#?}");
            }
        }
    }
    println!("{rounds} rounds of {AT_ONCE} from {first}: {tally:?}");
    tally.assert_that_everything_happened();
}
