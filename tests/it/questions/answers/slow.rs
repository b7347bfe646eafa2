//! Every row of the tables for posts, while the database is slow.

use super::cases::cases;
use super::expected::goes_as_its_row_says;
use super::play::{play_all, world};
use crate::questions::platforms::EVERYWHERE;
use postern::chat::Purpose;
use postern_stack::{Fault, Relay};
use serde_json::Value;
use std::time::Duration;

#[tokio::test]
async fn every_error_is_met_as_its_row_says_while_the_database_is_slow() {
    let world = world().await;
    let database: Value = serde_json::from_str(&world.secrets_database()).unwrap();
    let port = database["port"].as_u64().unwrap();
    let relay = Relay::start(port.try_into().unwrap()).await.unwrap();
    relay.set(Fault::Slow(Duration::from_millis(30)));
    let port = relay.port().to_string();
    let world = world.restarted_with(&[("DATABASE_HOST", relay.host()), ("DATABASE_PORT", &port)]);
    let cases = EVERYWHERE.map(cases).concat();
    let posts = cases
        .into_iter()
        .filter(|case| matches!(case.call, Purpose::Card | Purpose::Text));
    let posts: Vec<_> = posts.collect();
    play_all(&world, &posts, goes_as_its_row_says).await;
    assert!(relay.has_begun());
}
