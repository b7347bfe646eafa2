//! The rates that platforms document, kept by the database. Turns are taken far ahead, and time passes by making all
//! of them older.

use super::{WAITING, column};
use crate::world::{World, until};
use futures_util::StreamExt;
use postern::ConnectionScope;
use postern::rate::{Rate, Rates};
use postern::store::{Schema, Store};
use std::time::{Duration, Instant};
use tokio_postgres::Client;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// Longer than any wait here.
const ALWAYS: Duration = Duration::from_secs(86_400);
/// How far a wait may be off, on a busy machine.
const SLACK: Duration = Duration::from_secs(3);

/// As `shared/src/chat/slack.rs` says.
const SLACKS: Rates = Rates {
    channel: Rate::one_in(SECOND),
    bot: Rate::burst(50, Duration::from_millis(250)),
};
/// As `shared/src/chat/telegram.rs` says of a group.
const GROUP: Rates = Rates {
    channel: Rate {
        apart: SECOND,
        each: Duration::from_secs(4),
        burst: 5,
    },
    bot: Rate::burst(5, Duration::from_millis(40)),
};

/// The turns of a connection.
struct Turns {
    world: World,
    store: Store,
    scope: ConnectionScope,
    client: Client,
    /// How much older the rows were made.
    passed: Duration,
}

impl Turns {
    async fn new() -> Self {
        let world = World::new().await;
        world.tenants().await;
        Self {
            store: world.store(Schema::Webhooks).await,
            scope: world.connection("slack-a").await,
            client: world.client().await,
            world,
            passed: Duration::ZERO,
        }
    }

    async fn wait(&self, channel: &str, most: Duration, rates: Rates) -> Duration {
        let turn = self.store.chat_turn(&self.scope, channel, most, rates);
        turn.await.unwrap()
    }

    /// Takes a turn and returns when it is, after some beginning.
    async fn taken(&self, channel: &str, rates: Rates) -> Duration {
        let wait = self.wait(channel, ALWAYS, rates).await;
        let apart = rates.channel.apart.as_millis();
        let turn = format!("select concat_ws(' ', extract(epoch from turn), extract(epoch from turn - clock_timestamp()))
            from (select next_at - interval '{apart} milliseconds' as turn from chat_turns where channel = '{channel}') t");
        let turn = column(&self.client, &turn).await.concat();
        let (at, left) = turn.split_once(' ').unwrap();
        let left: f64 = left.parse().unwrap();
        let since = wait.as_secs_f64() - left;
        assert!((-0.001..SLACK.as_secs_f64()).contains(&since), "{since}");
        Duration::from_secs_f64(at.parse().unwrap()) + self.passed
    }

    async fn pass(&mut self, time: Duration) {
        let by = format!("interval '{} milliseconds'", time.as_millis());
        let older =
            format!("update chat_turns set next_at = next_at - {by}, full_at = full_at - {by}");
        self.client.batch_execute(&older).await.unwrap();
        self.passed += time;
    }

    /// Many turns, with pauses between some of them.
    async fn many(&mut self, channels: usize, rates: Rates, pauses: &[u64]) -> Vec<Duration> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut all = Vec::new();
        for _ in 0..150 {
            let channel = format!("C{}", random.usize(..channels));
            all.push(self.taken(&channel, rates).await);
            if random.u8(..4) == 0 {
                let pause = random.choice(pauses).unwrap();
                self.pass(Duration::from_millis(*pause)).await;
            }
        }
        all.sort_unstable();
        all
    }
}

/// Of any so many messages and one more, the last comes no sooner than this after the first.
fn at_most(turns: &[Duration], messages: usize, within: Duration) {
    // The database counts in microseconds.
    let within = within.saturating_sub(Duration::from_micros(10));
    for pair in turns.windows(messages + 1) {
        let took = pair[messages] - pair[0];
        assert!(took >= within, "{messages} and one more within {took:?}");
    }
}

fn about(found: Duration, expected: Duration) {
    let least = expected.saturating_sub(SLACK);
    assert!(
        (least..=expected).contains(&found),
        "{found:?}, not {expected:?}"
    );
}

#[tokio::test]
async fn a_channel_of_slack_gets_one_message_a_second() {
    let mut turns = Turns::new().await;
    assert_eq!(turns.wait("C0", ALWAYS, SLACKS).await, Duration::ZERO);
    let all = turns.many(1, SLACKS, &[0, 300, 1000, 2500, 90_000]).await;
    at_most(&all, 1, SECOND);
    turns.pass(ALWAYS).await;
    assert_eq!(turns.wait("C0", ALWAYS, SLACKS).await, Duration::ZERO);
}

#[tokio::test]
async fn a_group_of_telegram_gets_at_most_20_messages_in_any_minute() {
    let mut turns = Turns::new().await;
    // A burst, and then one each four seconds.
    let mut first = Vec::new();
    for _ in 0..8 {
        first.push(turns.taken("-100", GROUP).await);
    }
    let since: Vec<u128> = first
        .iter()
        .map(|turn| (*turn - first[0] + Duration::from_micros(500)).as_millis())
        .collect();
    assert_eq!(since, [0, 1000, 2000, 3000, 4000, 5000, 8000, 12_000]);
    turns.pass(ALWAYS).await;
    let all = turns.many(1, GROUP, &[0, 1000, 4000, 9000, 20_000, 90_000]);
    let all = all.await;
    at_most(&all, 20, MINUTE);
    at_most(&all, 1, SECOND);
    // The rate is used up.
    let fullest = all.windows(19).map(|some| some[18] - some[0]).min();
    assert!(fullest.unwrap() < MINUTE, "{fullest:?}");
}

#[tokio::test]
async fn all_channels_of_a_bot_share_its_rate() {
    let mut turns = Turns::new().await;
    let rates = Rates {
        channel: Rate::burst(1000, Duration::ZERO),
        bot: Rate::burst(5, 10 * SECOND),
    };
    for (at, seconds) in [0, 0, 0, 0, 0, 10, 20].into_iter().enumerate() {
        let wait = turns.wait(&format!("C{at}"), ALWAYS, rates).await;
        about(wait, seconds * SECOND);
        assert_eq!(wait.is_zero(), seconds == 0, "{at}: {wait:?}");
    }
    turns.pass(ALWAYS).await;
    let all = turns.many(9, rates, &[0, 500, 3000, 60_000]).await;
    at_most(&all, 11, MINUTE);
    at_most(&all, 6, 10 * SECOND);
}

#[tokio::test]
async fn a_channel_that_waits_makes_no_other_wait() {
    let turns = Turns::new().await;
    let waits: Vec<Duration> = futures_util::stream::iter(0..8)
        .then(|_| turns.wait("-100", ALWAYS, GROUP))
        .collect()
        .await;
    about(waits[7], 12 * SECOND);
    let other = turns.wait("-200", ALWAYS, GROUP).await;
    assert!(other < SECOND, "{other:?}");
}

#[tokio::test]
async fn a_turn_that_comes_too_late_is_not_taken() {
    let turns = Turns::new().await;
    let rates = Rates {
        channel: Rate::one_in(MINUTE),
        bot: Rate::one_in(Duration::from_secs(7)),
    };
    turns.wait("C1", ALWAYS, rates).await;
    let rows = "select string_agg(row(t.*)::text, ' ' order by channel) from chat_turns t";
    let before = turns.world.value(rows).await;
    // The channel's turn, and the bot's.
    for (channel, wait) in [("C1", MINUTE), ("C2", Duration::from_secs(7))] {
        for _ in 0..2 {
            about(turns.wait(channel, SECOND, rates).await, wait);
        }
        let rows = rows.replace(" t", " t where next_at > '-infinity'");
        assert_eq!(turns.world.value(&rows).await, before, "{channel}");
    }
    let turn = turns.wait("C1", MINUTE, rates).await;
    about(turn, MINUTE);
    assert_ne!(turns.world.value(rows).await, before);
    about(turns.wait("C1", ALWAYS, rates).await, 2 * MINUTE);
}

#[tokio::test]
async fn a_pause_holds_its_channel_or_all_and_never_ends_one_that_is_longer() {
    let mut turns = Turns::new().await;
    let wait = async |turns: &Turns, channel: &str| {
        // It takes none.
        turns.wait(channel, Duration::ZERO, SLACKS).await
    };
    let pause = async |turns: &Turns, channel: Option<&str>, time: Duration| {
        let paused = turns.store.chat_pause(&turns.scope, channel, time);
        paused.await.unwrap();
    };
    pause(&turns, Some("C1"), MINUTE).await;
    about(wait(&turns, "C1").await, MINUTE);
    assert_eq!(wait(&turns, "C2").await, Duration::ZERO);
    pause(&turns, Some("C1"), SECOND).await;
    about(wait(&turns, "C1").await, MINUTE);
    pause(&turns, None, 2 * MINUTE).await;
    for channel in ["C1", "C2", "C3"] {
        about(wait(&turns, channel).await, 2 * MINUTE);
    }
    // Of a channel's pause and the bot's, the longer counts.
    pause(&turns, Some("C1"), 3 * MINUTE).await;
    about(wait(&turns, "C1").await, 3 * MINUTE);
    about(wait(&turns, "C2").await, 2 * MINUTE);
    turns.pass(2 * MINUTE).await;
    assert_eq!(wait(&turns, "C2").await, Duration::ZERO);
    about(wait(&turns, "C1").await, MINUTE);
    turns.pass(MINUTE).await;
    assert_eq!(wait(&turns, "C1").await, Duration::ZERO);
}

#[tokio::test]
async fn turns_that_are_taken_at_once_are_all_different() {
    let turns = Turns::new().await;
    let stores = [
        turns.world.store(Schema::Proxy).await,
        turns.world.store(Schema::Webhooks).await,
        turns.world.store(Schema::Sweep).await,
    ];
    // First none of the rows is there, and then all are.
    for round in 0..2 {
        for (rates, same) in [
            (
                Rates {
                    channel: Rate::one_in(MINUTE),
                    bot: Rate::burst(1000, Duration::ZERO),
                },
                true,
            ),
            (
                Rates {
                    channel: Rate::burst(1000, Duration::ZERO),
                    bot: Rate::one_in(MINUTE),
                },
                false,
            ),
        ] {
            let (row, channels) = if same { ("C0", 1) } else { ("", 24) };
            let scope = &turns.scope;
            let all = (0..24).map(|n| {
                let store = &stores[n % stores.len()];
                async move {
                    let channel = format!("C{}", n % channels);
                    let turn = store.chat_turn(scope, &channel, ALWAYS, rates);
                    turn.await.unwrap()
                }
            });
            let begun = Instant::now();
            futures_util::future::join_all(all).await;
            let left = format!(
                "select extract(epoch from next_at - now()) from chat_turns where channel = '{row}'"
            );
            let left: f64 = turns.world.value(&left).await.parse().unwrap();
            // Each took a minute.
            let all = 24.0 * 60.0;
            let took = begun.elapsed().as_secs_f64();
            assert!(left <= all && left >= all - took, "{round}: {left} s");
            turns.world.sql("update chat_turns set next_at = now() - interval '2 hours', full_at = now() - interval '2 hours'").await;
        }
    }
}

#[tokio::test]
async fn a_turn_is_kept_although_the_sweep_deletes_the_last_one_at_this_moment() {
    let turns = Turns::new().await;
    turns.wait("C1", ALWAYS, SLACKS).await;
    let sweep = turns.world.client().await;
    sweep
        .batch_execute("begin; select from chat_turns for update")
        .await
        .unwrap();
    let ended = async {
        until("the turn waits", async || {
            turns.world.value(WAITING).await == "1"
        })
        .await;
        sweep
            .batch_execute("delete from chat_turns; commit")
            .await
            .unwrap();
    };
    let (wait, ()) = tokio::join!(turns.wait("C1", ALWAYS, SLACKS), ended);
    assert_eq!(wait, Duration::ZERO);
    let rows = turns.world.value("select count(*) from chat_turns").await;
    assert_eq!(rows, "2");
    assert_ne!(turns.wait("C1", ALWAYS, SLACKS).await, Duration::ZERO);
}
