//! The store's one promise: nothing happens unless organization, id, connection and user are all right.

use crate::world::World;
use postern::authority::access::TokenStanding;
use postern::authority::scope::{PersonScope, VerifiedWorker};
use postern::question::{CardAddress, Choice, ClickKey, Owed, Payload};
use postern::rate::{Rate, Rates};
use postern::store::{
    Attempts, Missed, NewClaim, NewInteraction, Read, Schema, Stored, Withdrawal,
};
use postern::{InteractionId, Revision, Store};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use std::{fs, path::Path};

pub(super) const TTL: Duration = Duration::from_secs(86_400);
pub(super) const LEASE: Duration = Duration::from_secs(2);

pub(super) fn id(text: &str) -> InteractionId {
    InteractionId::parse(text).unwrap()
}

fn payload(question: &str) -> Payload {
    let stored =
        json!({"id": "q-1", "kind": "question", "question": question, "options": ["Yes", "No"]});
    stored.try_into().unwrap()
}

/// The revision under which these tests store a question.
pub(super) fn revision(question: &str) -> Revision {
    let plain = question.chars().filter(char::is_ascii_alphanumeric);
    let padded: String = plain.chain("000000".chars()).take(6).collect();
    Revision::parse(padded).unwrap()
}

pub(super) fn scope(who: &VerifiedWorker) -> &PersonScope {
    who.conversation().unwrap().scope()
}

pub(super) async fn store(store: &Store, who: &VerifiedWorker, question: &str) -> Stored {
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

/// A click on a question's card: whether it claims the question, and why not.
pub(super) async fn choose(
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

pub(super) async fn claim(
    store: &Store,
    who: &VerifiedWorker,
    interaction: &str,
    click: &str,
) -> bool {
    choose(store, who, interaction, "?", click, 0).await.is_ok()
}

async fn withdraw(store: &Store, who: &VerifiedWorker) -> Withdrawal {
    let conversation = who.conversation().unwrap();
    store
        .interaction_withdraw(who, conversation, &id("q-1"), TTL, LEASE)
        .await
        .unwrap()
}

/// The right scope, and three in which the organization, the connection or the user is wrong.
pub(super) async fn neighbours(world: &World) -> (VerifiedWorker, Vec<VerifiedWorker>) {
    world.tenants().await;
    let right = world.conversation("a", "shared", "slack-a", "U1").await;
    let wrong = vec![
        world.conversation("b", "shared", "slack-a", "U1").await,
        world.conversation("a", "shared", "other", "U1").await,
        world.conversation("a", "shared", "slack-a", "U2").await,
    ];
    (right, wrong)
}

/// The store's operations that no tenant's scope bounds, and why.
const UNSCOPED: [(&str, &[&str]); 6] = [
    ("it sends no statement of its own", &["open"]),
    (
        "the operator names the organization, and IAM alone lets the operator in",
        &[
            "organization_put",
            "agent_put",
            "connection_put",
            "connection_get",
            "profile_put",
            "provider_put",
            "placeholder_mint",
            "token_issue_time",
            "token_revoke",
            "sealed_secret_put",
            "record_list",
            "record_get",
            "record_empty",
            "record_delete",
            "migrate",
            "migrate_within",
            "sealed_secrets_stale",
        ],
    ),
    (
        "a webhook names a connection before it proves anything, and the row lends no scope until then",
        &["connection_claimed"],
    ),
    (
        "a permit names one organization's secret, and its row opens as nothing else",
        &["located", "sealed_secret"],
    ),
    (
        "the sweep takes from all organizations, and answers no tenant",
        &[
            "sweep",
            "oldest_age_ms",
            "deliveries_due",
            "interactions_unsettled",
            "interactions_unposted",
        ],
    ),
    (
        "a delivery comes only from the store, and its organization is the row's own",
        &["delivery_done", "delivery_failed", "delivery_given_up"],
    ),
];

/// The names of all operations of the store, in all of its files.
fn operations() -> BTreeSet<String> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/src");
    let folder = fs::read_dir(shared.join("store")).unwrap();
    let files = folder.map(|entry| entry.unwrap().path());
    let mut all = BTreeSet::new();
    for file in files.chain([shared.join("store.rs")]) {
        let source = fs::read_to_string(&file).unwrap();
        let names = source.split("pub async fn ").skip(1);
        all.extend(names.filter_map(|text| text.split(['(', '<']).next().map(str::to_owned)));
    }
    all
}

#[test]
fn every_scoped_store_operation_is_tried_with_a_neighbours_scope() {
    let tries = [
        include_str!("isolation.rs"),
        include_str!("facts.rs"),
        include_str!("../egress/store.rs"),
    ]
    .concat();
    let mut scoped = operations();
    for name in UNSCOPED.iter().flat_map(|(_, names)| *names) {
        assert!(scoped.remove(*name), "there is no {name} any more");
    }
    assert!(scoped.contains("interaction_claim"), "{scoped:?}");
    for name in scoped {
        assert!(tries.contains(&format!(".{name}(")), "{name}");
    }
}

#[tokio::test]
async fn nothing_is_stored_for_a_foreign_connection_or_a_revoked_token() {
    let world = World::new().await;
    let (right, wrong) = neighbours(&world).await;
    let db = world.store(Schema::Webhooks).await;
    // Organization b has no connection slack-a, and a has none named other.
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

/// What is known of the post of the one question's card.
const POST: &str = "select row(posted_at, card, post_at, post_attempts, post_unlisted, post_begun, post_doubtful)::text
    from pending_interactions";

/// Notes that the card was posted, and that its post was put off; neither is this person's to note.
async fn posts_nothing(store: &Store, who: &VerifiedWorker) {
    let (scope, id, revision) = (scope(who), id("q-1"), revision("?"));
    let at = CardAddress::new("x", "y");
    let stands = store.interaction_posted(scope, &id, &revision, at.as_ref(), false);
    assert!(!stands.await.unwrap(), "{who:?}");
    let attempts = Attempts {
        unlisted: true,
        doubtful: true,
        ..Attempts::default()
    };
    store
        .interaction_put_off(scope, &id, &revision, TTL, attempts)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_turn_or_a_pause_counts_for_its_own_connection_alone() {
    let world = World::new().await;
    world.tenants().await;
    let rates = Rates {
        channel: Rate::one_in(TTL),
        bot: Rate::one_in(TTL),
    };
    let names = ["slack-a", "slack-b", "telegram-a"];
    for (at, pauses) in [(0, false), (1, true)] {
        world.sql("truncate chat_turns").await;
        for schema in [Schema::Proxy, Schema::Webhooks, Schema::Sweep] {
            let db = world.store(schema).await;
            let ours = world.connection(names[at]).await;
            if pauses {
                db.chat_pause(&ours, None, 2 * TTL).await.unwrap();
            } else {
                db.chat_turn(&ours, "C1", 4 * TTL, rates).await.unwrap();
            }
        }
        let turns = "select string_agg(distinct organization_id || ' ' || connection_id, ', ') from chat_turns";
        let expected = ["a slack-a", "b slack-b"][at];
        assert_eq!(world.value(turns).await, expected);
        let db = world.store(Schema::Webhooks).await;
        for (other, name) in names.iter().enumerate() {
            let theirs = world.connection(name).await;
            let wait = db.chat_turn(&theirs, "C1", Duration::ZERO, rates);
            assert_eq!(wait.await.unwrap() > TTL, other == at, "{name}");
        }
    }
}

#[tokio::test]
async fn a_claim_or_a_delete_works_only_with_every_field_right() {
    let world = World::new().await;
    let (right, wrong) = neighbours(&world).await;
    let db = world.store(Schema::Webhooks).await;
    let sweep = world.store(Schema::Sweep).await;
    assert!(matches!(store(&db, &right, "?").await, Stored::New(..)));
    let before = world.value(POST).await;
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
        for store in [&db, &sweep] {
            posts_nothing(store, other).await;
            assert_eq!(world.value(POST).await, before, "{other:?}");
        }
        assert!(
            !sweep
                .interaction_delete(scope(other), &id("q-1"), Some(&revision("?")))
                .await
                .unwrap(),
            "{other:?}"
        );
    }
    assert_eq!(
        world.value("select count(*) from deliveries").await,
        "0",
        "a neighbour's sweep ended it"
    );
    assert!(!claim(&db, &right, "q-2", "c").await);
    assert!(
        !db.interaction_delete(scope(&right), &id("q-2"), None)
            .await
            .unwrap()
    );
    assert!(claim(&db, &right, "q-1", "c").await);
    let owed = "select array_to_string(unsettled, ' ') from pending_interactions";
    for other in &wrong {
        db.interaction_settled(
            scope(other),
            &id("q-1"),
            &[Owed::Receipt, Owed::Card],
            Duration::ZERO,
        )
        .await
        .unwrap();
    }
    assert_eq!(world.value(owed).await, "receipt card");
    db.interaction_settled(scope(&right), &id("q-1"), &[Owed::Receipt], Duration::ZERO)
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
    let db = world.store(Schema::Webhooks).await;
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
async fn only_its_own_agent_reads_an_interaction() {
    let world = World::new().await;
    let (right, wrong) = neighbours(&world).await;
    let other_agent = world.conversation("a", "agent-a", "slack-a", "U1").await;
    let db = world.store(Schema::Webhooks).await;
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
    let db = world.store(Schema::Webhooks).await;
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
