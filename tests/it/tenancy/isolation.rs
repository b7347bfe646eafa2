//! The store's one promise: all four of organization, id, connection and user, or nothing happens.

use crate::world::World;
use postern::authority::access::TokenStanding;
use postern::authority::scope::{PersonScope, VerifiedWorker};
use postern::question::{CardAddress, Choice, ClickKey, Outcome, Owed};
use postern::store::{Missed, NewClaim, NewInteraction, Read, Stored, Withdrawal};
use postern::{InteractionId, Revision, Store};
use serde_json::{Value, json};
use std::time::Duration;

const TTL: Duration = Duration::from_secs(86_400);
const LEASE: Duration = Duration::from_secs(2);

fn id(text: &str) -> InteractionId {
    InteractionId::parse(text).unwrap()
}

fn payload(question: &str) -> Value {
    json!({"id": "q-1", "kind": "question", "question": question, "options": ["Yes", "No"]})
}

/// The revision under which these tests store a question.
fn revision(question: &str) -> Revision {
    let plain = question.chars().filter(char::is_ascii_alphanumeric);
    let padded: String = plain.chain("000000".chars()).take(6).collect();
    Revision::parse(padded).unwrap()
}

fn scope(who: &VerifiedWorker) -> &PersonScope {
    who.conversation().unwrap().scope()
}

async fn store(store: &Store, who: &VerifiedWorker, question: &str) -> Stored {
    let new = NewInteraction {
        scope: scope(who),
        worker: who,
        id: &id("q-1"),
        payload: &payload(question),
        digest: None,
        revision: &revision(question),
    };
    store.interaction_store(&new, TTL).await.unwrap()
}

/// A click on the card of a question: whether it claims, and why not.
async fn choose(
    store: &Store,
    who: &VerifiedWorker,
    interaction: &str,
    question: &str,
    click: &str,
    choice: u8,
) -> Result<(), Missed> {
    let new = NewClaim {
        revision: &revision(question),
        choice: Choice(choice),
        click: &ClickKey::from_parts(&[click]),
        card: None,
        ttl: TTL,
        lease: LEASE,
    };
    let (scope, id) = (scope(who), id(interaction));
    match store.interaction_claim(scope, &id, &new).await.unwrap() {
        Some(_) => Ok(()),
        None => Err(store.interaction_missed(scope, &id, &new).await.unwrap()),
    }
}

async fn claim(store: &Store, who: &VerifiedWorker, interaction: &str, click: &str) -> bool {
    choose(store, who, interaction, "?", click, 0).await.is_ok()
}

async fn withdraw(store: &Store, who: &VerifiedWorker) -> Withdrawal {
    let conversation = who.conversation().unwrap();
    store
        .interaction_withdraw(who, conversation, &id("q-1"), TTL, LEASE)
        .await
        .unwrap()
}

/// The right scope, and one with each of organization, connection and user wrong.
async fn neighbours(world: &World) -> (VerifiedWorker, Vec<VerifiedWorker>) {
    world.tenants().await;
    let right = world.conversation("a", "shared", "slack-a", "U1").await;
    let wrong = vec![
        world.conversation("b", "shared", "slack-a", "U1").await,
        world.conversation("a", "shared", "other", "U1").await,
        world.conversation("a", "shared", "slack-a", "U2").await,
    ];
    (right, wrong)
}

#[test]
fn every_scoped_store_operation_is_tried_with_a_neighbours_scope() {
    let stores = [
        include_str!("../../../shared/src/store/interaction.rs"),
        include_str!("../../../shared/src/store/claim.rs"),
        include_str!("../../../shared/src/store/withdraw.rs"),
        include_str!("../../../shared/src/store/approval.rs"),
        include_str!("../../../shared/src/store/verdict.rs"),
        include_str!("../../../shared/src/store/policy.rs"),
    ];
    let tries = [
        include_str!("isolation.rs"),
        include_str!("../egress/store.rs"),
    ]
    .concat();
    let operations = stores
        .iter()
        .flat_map(|store| store.split("pub async fn ").skip(1));
    // Egress policies of a callback are tried where callbacks are.
    let elsewhere = "policies_of";
    let named = operations.filter_map(|text| text.split('(').next());
    for operation in named.filter(|operation| *operation != elsewhere) {
        assert!(tries.contains(&format!(".{operation}(")), "{operation}");
    }
}

#[tokio::test]
async fn nothing_is_stored_for_a_foreign_connection_or_a_revoked_token() {
    let world = World::new().await;
    let (right, wrong) = neighbours(&world).await;
    let db = world.store().await;
    // Organization b has no connection slack-a, nor a one named other.
    for other in &wrong[..2] {
        assert!(matches!(
            store(&db, other, "?").await,
            Stored::UnknownConnection
        ));
    }
    let jti = right.token().as_str();
    world
        .sql(&format!(
            "insert into revoked_tokens values ('a', '{jti}', now() + interval '1 hour')"
        ))
        .await;
    assert!(matches!(
        store(&db, &right, "?").await,
        Stored::Refused(TokenStanding::Revoked)
    ));
    assert_eq!(
        world
            .value("select count(*) from pending_interactions")
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_claim_and_a_delete_with_any_one_field_wrong_do_nothing_and_with_all_right_they_do() {
    let world = World::new().await;
    let (right, wrong) = neighbours(&world).await;
    let db = world.store().await;
    assert!(matches!(store(&db, &right, "?").await, Stored::New(..)));
    for other in &wrong {
        let missed = choose(&db, other, "q-1", "?", "c", 0).await;
        assert!(matches!(missed, Err(Missed::Nothing)), "{other:?}");
        assert!(
            !db.interaction_delete(scope(other), &id("q-1"), None)
                .await
                .unwrap(),
            "{other:?}"
        );
        assert!(matches!(withdraw(&db, other).await, Withdrawal::Unknown));
        let at = CardAddress::new("x", "y");
        db.interaction_posted(scope(other), &id("q-1"), &revision("?"), at.as_ref())
            .await
            .unwrap();
        assert_eq!(
            world
                .value("select card is null and posted_at is null from pending_interactions")
                .await,
            "t"
        );
    }
    assert!(!claim(&db, &right, "q-2", "c").await);
    assert!(
        !db.interaction_delete(scope(&right), &id("q-2"), None)
            .await
            .unwrap()
    );
    assert!(claim(&db, &right, "q-1", "c").await);
    let owed = "select array_to_string(unsettled, ' ') from pending_interactions";
    for other in &wrong {
        db.interaction_settled(scope(other), &id("q-1"), &[Owed::Receipt, Owed::Card])
            .await
            .unwrap();
    }
    assert_eq!(world.value(owed).await, "receipt card");
    db.interaction_settled(scope(&right), &id("q-1"), &[Owed::Receipt])
        .await
        .unwrap();
    assert_eq!(world.value(owed).await, "card");
    assert!(
        db.interaction_delete(scope(&right), &id("q-1"), None)
            .await
            .unwrap()
    );
    assert!(
        !db.interaction_delete(scope(&right), &id("q-1"), None)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn storing_the_same_id_under_another_scope_changes_nothing_of_the_first_row() {
    let world = World::new().await;
    let (right, wrong) = neighbours(&world).await;
    let other_agent = world.conversation("a", "agent-a", "slack-a", "U1").await;
    let db = world.store().await;
    store(&db, &right, "mine").await;
    let row = "select row(p.*)::text from pending_interactions p where organization_id = 'a'";
    let before = world.value(row).await;
    let theirs = world.conversation("b", "shared", "slack-b", "U1").await;
    world
        .ok(json!({"command": "put_connection", "organization_id": "a", "id": "other", "platform": "slack",
            "secret_ref": "postern/org/a/chat/slack"}))
        .await;
    for other in wrong.iter().skip(1).chain([&other_agent]) {
        assert!(
            matches!(store(&db, other, "theirs").await, Stored::ScopeConflict),
            "{other:?}"
        );
    }
    // Another organization's row of the same id is another row.
    assert!(matches!(
        store(&db, &theirs, "theirs").await,
        Stored::New(..)
    ));
    assert_eq!(world.value(row).await, before);
}

#[tokio::test]
async fn storing_again_keeps_created_at_and_makes_a_claimed_row_claimable_again() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let db = world.store().await;
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
        Stored::Anew(..)
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
        "the click that was applied is not applied again: {missed:?}"
    );
    let third = choose(&db, &right, "q-1", "changed", "third", 0).await;
    assert!(third.is_ok());
}

#[tokio::test]
async fn an_unchanged_question_stays_as_it_stands() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let db = world.store().await;
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
    let db = world.store().await;
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
    let db = world.store().await;
    let all = futures_util::future::join_all((0..16).map(|_| store(&db, &right, "?"))).await;
    assert_eq!(
        all.iter()
            .filter(|stored| matches!(stored, Stored::New(..)))
            .count(),
        1
    );
}

#[tokio::test]
async fn a_row_older_than_the_ttl_that_no_sweep_has_reached_cannot_be_claimed_nor_stored_anew() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let db = world.store().await;
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
    let db = world.store().await;
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
async fn only_its_own_agent_reads_an_interaction() {
    let world = World::new().await;
    let (right, wrong) = neighbours(&world).await;
    let other_agent = world.conversation("a", "agent-a", "slack-a", "U1").await;
    let db = world.store().await;
    store(&db, &right, "?").await;
    let read = async |who: &VerifiedWorker| {
        let read = db.interaction_status(who, &id("q-1"), TTL).await;
        matches!(read.unwrap(), Read::Status(_))
    };
    assert!(read(&right).await);
    assert!(
        !read(&wrong[0]).await,
        "the same agent id of another organization"
    );
    assert!(!read(&other_agent).await);
}

#[tokio::test]
async fn only_its_own_agent_withdraws_an_interaction() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let colleague = world.conversation("a", "agent-a", "slack-a", "U1").await;
    let db = world.store().await;
    store(&db, &right, "?").await;
    let row = "select row(p.*)::text from pending_interactions p";
    let before = world.value(row).await;
    assert!(matches!(
        withdraw(&db, &colleague).await,
        Withdrawal::Unknown
    ));
    assert_eq!(world.value(row).await, before);
    let ended = "select count(*) from ended_interactions";
    assert_eq!(world.value(ended).await, "0");
    assert!(matches!(
        withdraw(&db, &right).await,
        Withdrawal::Withdrawn(_)
    ));
}

#[tokio::test]
async fn undoing_deletes_only_what_is_unanswered_and_says_what_it_said() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let db = world.store().await;
    let undo = async |question: &str| {
        db.interaction_delete(scope(&right), &id("q-1"), Some(&revision(question)))
            .await
            .unwrap()
    };
    store(&db, &right, "first").await;
    store(&db, &right, "second").await;
    assert!(!undo("first").await, "it was asked anew meanwhile");
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
async fn the_note_of_a_post_that_was_overtaken_is_of_a_card_that_answers_nothing() {
    let world = World::new().await;
    let (right, _) = neighbours(&world).await;
    let db = world.store().await;
    store(&db, &right, "first").await;
    store(&db, &right, "second").await;
    let note = async |question: &str, message: &str| {
        let at = CardAddress::new("C1", message);
        let (scope, revision) = (scope(&right), revision(question));
        db.interaction_posted(scope, &id("q-1"), &revision, at.as_ref())
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
        "it is not where it was posted"
    );
    assert!(claimed("second", "2").await);
}
