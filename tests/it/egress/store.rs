//! Egress in the store: each row belongs to one organization, and identical requests share one call of the
//! judge.

use crate::world::{World, until};
use postern::policy::{Grant, Owner};
use postern::question::{GrantPattern, Payload};
use postern::store::{
    FlightStatus, JudgeOutcome, NewApproval, Opened, PolicyKey, Record, Schema, StoredVerdict,
    VerdictClaim, Written,
};
use postern::{AgentId, InteractionId, OrganizationId, Revision};
use serde_json::json;
use std::time::Duration;

const KEY: [u8; 32] = [7; 32];
const LEASE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn verdict(outcome: JudgeOutcome, life: u64) -> StoredVerdict {
    StoredVerdict {
        outcome,
        life: Duration::from_secs(life),
    }
}

#[tokio::test]
async fn two_organizations_each_have_a_verdict_of_their_own_under_the_same_key() {
    let world = World::new().await;
    world.tenants().await;
    let db = world.store(Schema::Proxy).await;
    let (ours, theirs) = (
        world.worker("a", "shared").await,
        world.worker("b", "shared").await,
    );
    let (a, b) = (ours.agent(), theirs.agent());
    let VerdictClaim::Ours(flight) = db.verdict_claim(a, &KEY, LEASE).await.unwrap() else {
        panic!("the first to ask makes the call");
    };
    assert!(
        matches!(db.verdict_claim(a, &KEY, LEASE).await.unwrap(), VerdictClaim::Theirs(own) if own == flight)
    );
    let VerdictClaim::Ours(other) = db.verdict_claim(b, &KEY, LEASE).await.unwrap() else {
        panic!("an organization waits only for its own calls");
    };
    // The other organization's scope neither sees nor settles the call.
    assert!(matches!(
        db.verdict_of_flight(b, &KEY, flight).await.unwrap(),
        FlightStatus::Lost
    ));
    db.verdict_settle(b, &KEY, flight, verdict(JudgeOutcome::Allow, 300))
        .await
        .unwrap();
    assert!(matches!(
        db.verdict_of_flight(a, &KEY, flight).await.unwrap(),
        FlightStatus::UnderWay
    ));
    db.verdict_settle(a, &KEY, flight, verdict(JudgeOutcome::Deny, 300))
        .await
        .unwrap();
    assert!(
        matches!(db.verdict_of_flight(a, &KEY, flight).await.unwrap(), FlightStatus::Landed(said) if said.outcome == JudgeOutcome::Deny)
    );
    let known = db.verdict_claim(a, &KEY, LEASE).await.unwrap();
    assert!(
        matches!(known, VerdictClaim::Known(said) if said.outcome == JudgeOutcome::Deny && said.life <= Duration::from_secs(300))
    );
    assert!(matches!(
        db.verdict_of_flight(b, &KEY, other).await.unwrap(),
        FlightStatus::UnderWay
    ));
}

#[tokio::test]
async fn a_call_that_failed_or_whose_caller_died_is_made_again() {
    let world = World::new().await;
    world.tenants().await;
    let db = world.store(Schema::Proxy).await;
    let worker = world.worker("a", "shared").await;
    let agent = worker.agent();
    let mut flights = Vec::new();
    for _ in 0..3 {
        let VerdictClaim::Ours(flight) = db.verdict_claim(agent, &KEY, LEASE).await.unwrap() else {
            panic!("nobody makes the call any more");
        };
        assert!(!flights.contains(&flight));
        if flights.is_empty() {
            db.verdict_settle(agent, &KEY, flight, verdict(JudgeOutcome::Timeout, 0))
                .await
                .unwrap();
            assert!(
                matches!(
                    db.verdict_of_flight(agent, &KEY, flight).await.unwrap(),
                    FlightStatus::Landed(_)
                ),
                "who waited learns of the failure"
            );
        } else {
            world
                .sql("update egress_verdicts set expires_at = now()")
                .await;
            assert!(matches!(
                db.verdict_of_flight(agent, &KEY, flight).await.unwrap(),
                FlightStatus::Lost
            ));
        }
        flights.push(flight);
    }
    let all =
        futures_util::future::join_all((0..16).map(|_| db.verdict_claim(agent, &[8; 32], LEASE)))
            .await;
    let ours = all
        .into_iter()
        .filter(|claim| matches!(claim, Ok(VerdictClaim::Ours(_))))
        .count();
    assert_eq!(ours, 1, "only one of many at once asks");
}

#[tokio::test]
async fn an_approval_opens_only_on_its_organizations_connection_and_stands_for_its_own_scope() {
    let world = World::new().await;
    world.tenants().await;
    let db = world.store(Schema::Proxy).await;
    let id = InteractionId::parse("egress.x").unwrap();
    let payload = json!({"kind": "approval", "tool": "host:a.example", "args": {}});
    let payload = Payload::try_from(payload).unwrap();
    let row = "select agent_id || expected_user_id || connection_id from pending_interactions";
    for (org, agent, connection, user, opened) in [
        ("a", "shared", "slack-b", "U1", "unknown"),
        ("b", "shared", "slack-a", "U1", "unknown"),
        ("a", "shared", "slack-a", "U1", "new"),
        ("a", "shared", "slack-a", "U1", "standing"),
        ("a", "agent-a", "slack-a", "U1", "standing"),
        ("a", "shared", "slack-a", "U2", "standing"),
        ("a", "shared", "telegram-a", "U1", "standing"),
    ] {
        let who = world.conversation(org, agent, connection, user).await;
        let new = NewApproval {
            scope: who.conversation().unwrap().scope(),
            agent: who.agent(),
            id: &id,
            payload: &payload,
            digest: "d",
            revision: &Revision::new(),
        };
        let found = match db.approval_open(&new, DAY).await.unwrap() {
            Opened::New(..) => "new",
            Opened::Standing => "standing",
            Opened::UnknownConnection => "unknown",
            Opened::TooManyOpen => "crowded",
        };
        assert_eq!(found, opened, "{org} {agent} {connection} {user}");
    }
    assert_eq!(world.value(row).await, "sharedU1slack-a");
    world
        .sql("update pending_interactions set claimed_at = now() - interval '1 minute'")
        .await;
    let other = world.conversation("a", "agent-a", "slack-a", "U1").await;
    let theirs = NewApproval {
        scope: other.conversation().unwrap().scope(),
        agent: other.agent(),
        id: &id,
        payload: &payload,
        digest: "d",
        revision: &Revision::new(),
    };
    assert!(matches!(
        db.approval_open(&theirs, DAY).await.unwrap(),
        Opened::Standing
    ));
    assert_eq!(
        world.value(row).await,
        "sharedU1slack-a",
        "an approval that is over makes room only for its own scope"
    );
}

#[tokio::test]
async fn policies_and_grants_are_read_and_written_in_their_own_organization() {
    let world = World::new().await;
    world.tenants().await;
    let db = world.store(Schema::Proxy).await;
    let control = world.store(Schema::Control).await;
    let (a, b) = (
        OrganizationId::parse("a").unwrap(),
        OrganizationId::parse("b").unwrap(),
    );
    let shared = AgentId::parse("shared").unwrap();
    let pattern: GrantPattern = "host:a.example".parse().unwrap();
    let rules = json!([{"host": "a.example", "action": "allow"}]);
    for (agent, observe) in [(None, false), (Some(&shared), true)] {
        let put = control.policy_put(&a, agent, &rules, observe).await;
        assert_eq!(put.unwrap(), Written::Done);
    }
    world.sql("insert into grants (organization_id, agent_id, pattern, denied, granted_by) values ('a', 'shared', 'host:a.example', true, 'U1')").await;
    let read = async |org: &str, agent: &str| {
        let worker = world.worker(org, agent).await;
        db.policy_facts(&worker, Some(&pattern), &[]).await.unwrap()
    };
    let ours = read("a", "shared").await;
    let mut owners: Vec<_> = ours
        .policies
        .iter()
        .map(|row| (row.owner, row.observe))
        .collect();
    owners.sort();
    assert_eq!(
        (owners, ours.grant),
        (
            vec![(Owner::Agent, true), (Owner::Organization, false)],
            Grant::Denied
        )
    );
    let theirs = read("b", "shared").await;
    assert_eq!((theirs.policies.len(), theirs.grant), (0, Grant::None));
    let colleague = read("a", "agent-a").await;
    assert_eq!(
        (colleague.policies.len(), colleague.grant),
        (1, Grant::None)
    );
    let known: Vec<_> = ours.policies.iter().map(|row| &row.hash).collect();
    let worker = world.worker("a", "shared").await;
    let again = db
        .policy_facts(&worker, Some(&pattern), &known)
        .await
        .unwrap();
    assert!(
        again.policies.iter().all(|row| row.rules.is_none()),
        "rules that are known are not sent again"
    );
    assert_eq!(
        control
            .policy_explain(&b, &shared, &pattern)
            .await
            .unwrap()
            .policies
            .len(),
        0
    );
    for (organization, agent, deleted) in [
        (&b, None, 0),
        (&b, Some(&shared), 0),
        (&a, Some(&shared), 1),
    ] {
        let policy = Record::Policy(PolicyKey {
            organization_id: organization.clone(),
            agent_id: agent.cloned(),
        });
        assert_eq!(control.record_delete(&policy).await.unwrap(), deleted);
    }
    assert_eq!(
        world
            .value("select count(*) from egress_policies where agent_id is null")
            .await,
        "1"
    );
}

/// Two ask at once while an old outcome is stored. The second waits for the first's row, and its snapshot
/// still shows the old outcome.
#[tokio::test]
async fn an_outcome_that_is_too_old_answers_nobody_whoever_asks_first() {
    let world = World::new().await;
    world.tenants().await;
    let db = world.store(Schema::Proxy).await;
    let worker = world.worker("a", "shared").await;
    let agent = worker.agent();
    let VerdictClaim::Ours(flight) = db.verdict_claim(agent, &KEY, LEASE).await.unwrap() else {
        panic!("the first to ask makes the call");
    };
    let allow = verdict(JudgeOutcome::Allow, 300);
    db.verdict_settle(agent, &KEY, flight, allow).await.unwrap();
    world
        .sql("update egress_verdicts set expires_at = now()")
        .await;
    let first = world.client().await;
    first
        .batch_execute(
            "begin;
             update egress_verdicts set flight = gen_random_uuid(), outcome = null, expires_at = now() + interval '1 minute'",
        )
        .await
        .unwrap();
    let second = db.verdict_claim(agent, &KEY, LEASE);
    let waiting = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    let begin_again = async {
        until("the second waits", async || {
            world.value(waiting).await != "0"
        })
        .await;
        first.batch_execute("commit").await.unwrap();
    };
    let (second, ()) = tokio::join!(second, begin_again);
    assert!(matches!(second.unwrap(), VerdictClaim::Theirs(_)));
}
