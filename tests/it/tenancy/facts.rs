//! What decides a request is read in the organization that the request proves, and in no other.

use crate::world::World;
use postern::authority::access::{ProviderOf, Request, TokenStanding};
use postern::authority::placeholder::Presented;
use postern::policy::Grant;
use postern::question::GrantPattern;
use postern::store::{GrantKey, Record, Schema};
use postern::{AgentId, DeploymentName, OrganizationId, Placeholder, ProviderId};
use serde_json::json;

fn pattern() -> GrantPattern {
    "host:x".parse().unwrap()
}

#[tokio::test]
async fn a_neighbours_grants_policies_and_revocations_do_not_count() {
    let world = World::new().await;
    world.tenants().await;
    let control = world.store(Schema::Control).await;
    let db = world.store(Schema::Webhooks).await;
    let [a, b] = ["a", "b"].map(|org| OrganizationId::parse(org).unwrap());
    let shared = AgentId::parse("shared").unwrap();
    let ours = world.worker("a", "shared").await;
    let theirs = world.worker("b", "shared").await;
    let jti = ours.token().as_str();
    world
        .sql(&format!(
            "insert into grants (organization_id, agent_id, pattern, denied, granted_by)
                 values ('b', 'shared', 'host:x', false, 'U1'), ('a', 'agent-a', 'host:x', false, 'U1');
             insert into revoked_tokens values ('b', '{jti}', now() + interval '1 hour');
             insert into deployment_revocations values ('b', 'd1', now() + interval '1 hour');
             insert into egress_policies (organization_id, agent_id, rules)
                 values ('b', null, '[]'), ('b', 'shared', '[]'), ('a', 'agent-a', '[]')"
        ))
        .await;
    let grant = db.grant(&ours, &pattern()).await.unwrap();
    assert_eq!(grant, (TokenStanding::Good, Grant::None));
    let policies = db.policies_of(&a, Some(&shared)).await.unwrap();
    assert!(policies.is_empty(), "{policies:?}");
    assert_eq!(db.policies_of(&b, Some(&shared)).await.unwrap().len(), 2);
    for (organization, deleted) in [(&a, 0), (&b, 1)] {
        let grant = Record::Grant(GrantKey {
            organization_id: organization.clone(),
            agent_id: shared.clone(),
            pattern: pattern(),
        });
        assert_eq!(control.record_delete(&grant).await.unwrap(), deleted);
    }
    let (standing, _) = db.grant(&theirs, &pattern()).await.unwrap();
    assert_eq!(standing, TokenStanding::Revoked, "it is their deployment");
}

#[tokio::test]
async fn what_a_request_may_spend_is_read_in_its_tokens_organization_alone() {
    let world = World::new().await;
    world.tenants().await;
    let control = world.store(Schema::Control).await;
    let proxy = world.store(Schema::Proxy).await;
    let presented = world.minted("b", "shared", json!({})).await;
    let profile = |org: &str| {
        json!({"command": "put_profile", "organization_id": org, "id": "p", "provider_id": "openai",
            "auth_type": "api_key", "secret_ref": format!("postern/org/{org}/keys/openai")})
    };
    world.ok(profile("b")).await;
    world
        .ok(json!({"command": "put_organization", "id": "b", "system_providers": ["openai"]}))
        .await;
    let hash = |text: &str| match Placeholder::read(text.as_bytes()) {
        Presented::Placeholder(placeholder) => placeholder.hash(),
        other => panic!("{other:?}"),
    };
    let request = async |org: &str| Request {
        worker: Some(world.worker(org, "shared").await),
        agent: None,
        user: None,
        placeholders: vec![hash(&presented)],
        provider: ProviderOf::Operator(ProviderId::parse("openai").unwrap()),
    };
    let found = async |org: &str| {
        let facts = proxy.access_facts(&request(org).await, None, &[]).await;
        let facts = facts.unwrap();
        (
            facts.placeholders.len(),
            facts.profiles.len(),
            facts.system_entitled,
        )
    };
    assert_eq!(found("a").await, (0, 0, false));
    assert_eq!(found("b").await, (1, 1, true));
    let d1 = DeploymentName::parse("d1").unwrap();
    let a = OrganizationId::parse("a").unwrap();
    assert_eq!(control.deployment_revoke(&a, &d1).await.unwrap(), 0);
    assert_eq!(found("b").await, (1, 1, true), "it is another deployment");
}
