//! A question's row through its life: stored, stored again, claimed once, expired, undone.

use super::isolation::{LEASE, TTL, choose, claim, id, neighbours, revision, scope, store};
use crate::world::World;
use postern::question::{CardAddress, Choice, ClickKey, Outcome};
use postern::store::{Missed, NewClaim, Read, Schema, StoreError, Stored};

#[tokio::test]
async fn storing_again_keeps_created_at_and_makes_a_claimed_row_claimable_again() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let db = world.store(Schema::Webhooks).await;
    store(&db, &right, "?").await;
    world
        .sql("update pending_interactions set created_at = created_at - interval '1 hour'")
        .await;
    let created = world
        .value("select created_at from pending_interactions")
        .await;
    assert!(claim(&db, &right, "q-1", "first").await);
    assert!(!claim(&db, &right, "q-1", "second").await);
    let row = "select row(p.*)::text from pending_interactions p";
    let before = world.value(row).await;
    assert!(matches!(
        store(&db, &right, "?").await,
        Stored::Unchanged(_)
    ));
    assert_eq!(world.value(row).await, before);
    assert!(matches!(
        store(&db, &right, "changed").await,
        Stored::Replaced(..)
    ));
    assert_eq!(
        world
            .value("select created_at from pending_interactions")
            .await,
        created
    );
    assert_eq!(
        world
            .value("select claimed_at is null and answer is null from pending_interactions")
            .await,
        "t"
    );
    let missed = choose(&db, &right, "q-1", "?", "first", 0).await;
    assert!(
        matches!(missed, Err(Missed::Replaced)),
        "a click is applied once: {missed:?}"
    );
    let third = choose(&db, &right, "q-1", "changed", "third", 0).await;
    assert!(third.is_ok());
}

#[tokio::test]
async fn an_unchanged_question_stays_as_it_stands() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let db = world.store(Schema::Webhooks).await;
    let again = async || store(&db, &right, "?").await;
    assert!(matches!(again().await, Stored::New(..)));
    assert!(
        matches!(again().await, Stored::Unchanged(status) if status.outcome == Outcome::Pending)
    );
    assert!(claim(&db, &right, "q-1", "c").await);
    assert!(
        matches!(again().await, Stored::Unchanged(status) if matches!(status.outcome, Outcome::Answered(_)))
    );
}

#[tokio::test]
async fn of_64_claims_at_once_exactly_one_wins() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let db = world.store(Schema::Webhooks).await;
    store(&db, &right, "?").await;
    let clicks: Vec<String> = (0..64).map(|n| n.to_string()).collect();
    let won =
        futures_util::future::join_all(clicks.iter().map(|click| claim(&db, &right, "q-1", click)))
            .await;
    assert_eq!(won.into_iter().filter(|won| *won).count(), 1);
}

#[tokio::test]
async fn of_16_first_stores_at_once_one_is_new_and_none_is_lost() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let db = world.store(Schema::Webhooks).await;
    let all = futures_util::future::join_all((0..16).map(|_| store(&db, &right, "?"))).await;
    assert_eq!(
        all.iter()
            .filter(|stored| matches!(stored, Stored::New(..)))
            .count(),
        1
    );
}

#[tokio::test]
async fn a_row_past_its_ttl_that_no_sweep_has_reached_cannot_be_claimed_or_stored_again() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let db = world.store(Schema::Webhooks).await;
    store(&db, &right, "?").await;
    world
        .sql("update pending_interactions set created_at = now() - interval '24 hours 1 second'")
        .await;
    assert!(!claim(&db, &right, "q-1", "c").await);
    assert!(matches!(store(&db, &right, "?").await, Stored::Expired));
    let read = db.interaction_status(&right, &id("q-1"), TTL).await;
    assert!(matches!(read.unwrap(), Read::Status(status) if status.outcome == Outcome::Expired));
    world
        .sql("update pending_interactions set created_at = now() - interval '23 hours 59 minutes'")
        .await;
    assert!(claim(&db, &right, "q-1", "c").await);
}

#[tokio::test]
async fn an_index_that_is_no_stored_option_claims_nothing() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let db = world.store(Schema::Webhooks).await;
    store(&db, &right, "?").await;
    let claimed = choose(&db, &right, "q-1", "?", "c", 2).await;
    assert!(matches!(claimed, Err(Missed::Nothing)));
    assert_eq!(
        world
            .value("select claimed_at is null from pending_interactions")
            .await,
        "t"
    );
}

#[tokio::test]
async fn undoing_deletes_a_question_only_while_it_is_unanswered_and_unchanged() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let db = world.store(Schema::Webhooks).await;
    let undo = async |question: &str| {
        db.interaction_delete(scope(&right), &id("q-1"), Some(&revision(question)))
            .await
            .unwrap()
    };
    store(&db, &right, "first").await;
    store(&db, &right, "second").await;
    assert!(!undo("first").await, "it was asked again meanwhile");
    let claimed = choose(&db, &right, "q-1", "second", "c", 0).await;
    assert!(claimed.is_ok());
    assert!(!undo("second").await, "it is answered");
    let rows = "select count(*) from pending_interactions";
    assert_eq!(world.value(rows).await, "1");
    store(&db, &right, "third").await;
    assert!(undo("third").await);
    assert_eq!(world.value(rows).await, "0");
}

#[tokio::test]
async fn a_late_note_of_a_replaced_card_does_not_make_it_answer() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let db = world.store(Schema::Webhooks).await;
    store(&db, &right, "first").await;
    store(&db, &right, "second").await;
    let note = async |question: &str, message: &str| {
        let at = CardAddress::new("C1", message);
        let (scope, revision) = (scope(&right), revision(question));
        db.interaction_posted(scope, &id("q-1"), &revision, at.as_ref(), false)
            .await
            .unwrap();
    };
    note("first", "1").await;
    let noted = "select coalesce(card ->> 'message', 'none') from pending_interactions";
    assert_eq!(world.value(noted).await, "none");
    note("second", "2").await;
    assert_eq!(world.value(noted).await, "2");
    let claimed = async |question: &str, message: &str| {
        let at = CardAddress::new("C1", message);
        let new = NewClaim {
            revision: &revision(question),
            choice: Choice(0),
            click: &ClickKey::from_parts(&[message]),
            card: at.as_ref(),
            ttl: TTL,
            lease: LEASE,
        };
        db.interaction_claim(scope(&right), &id("q-1"), &new)
            .await
            .unwrap()
            .is_some()
    };
    assert!(!claimed("first", "1").await, "what it showed was replaced");
    assert!(
        !claimed("second", "1").await,
        "the card is not where it was posted"
    );
    assert!(claimed("second", "2").await);
}

#[tokio::test]
async fn a_row_of_another_form_is_an_error_and_no_default() {
    let world = World::new().await;
    let sweep = world.store(Schema::Sweep).await;
    let (right, _) = neighbours(&world).await;
    let db = world.store(Schema::Webhooks).await;
    store(&db, &right, "?").await;
    assert!(claim(&db, &right, "q-1", "c").await);
    let card = r#"{"channel": "C1", "message": "1"}"#;
    for (unsettled, card) in [
        ("{receipt,note}", card),
        ("{receipt}", r#"{"channel": "C1"}"#),
        ("{receipt}", "7"),
    ] {
        world
            .sql(&format!(
                "update pending_interactions
                 set unsettled = '{unsettled}', card = '{card}', settle_at = now()"
            ))
            .await;
        let unsettled = sweep.interactions_unsettled(10, 10, &[]).await;
        assert!(
            matches!(unsettled, Err(StoreError::Row(_))),
            "{unsettled:?}"
        );
    }
    world
        .sql("update pending_interactions set answer = null")
        .await;
    let read = db.interaction_status(&right, &id("q-1"), TTL).await;
    assert!(matches!(read, Err(StoreError::Row(_))), "{read:?}");
}
