//! Every row of Telegram's table.

use super::cases::cases;
use super::expected::goes_as_its_row_says;
use super::play::{none, world, wrong};
use super::unsaid;
use crate::questions::platforms::On;

#[tokio::test]
async fn every_error_of_the_table_is_met_as_it_says() {
    let world = world().await;
    let cases = cases(On::Telegram);
    let mut all = wrong(&world, &cases, goes_as_its_row_says).await;
    all.extend(unsaid(&world, &cases).await);
    none(&all);
}
