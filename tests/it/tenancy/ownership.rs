//! Everything that a tenant owns is deleted with its organization, and nothing of another tenant's is.

use crate::world::World;
use serde_json::json;

#[tokio::test]
async fn what_a_tenant_owns_goes_with_its_organization() {
    let world = World::new().await;
    world.tenants().await;
    for org in ["a", "b"] {
        world.minted(org, "shared", json!({})).await;
        world
            .sql(&format!(
                "insert into auth_profiles (organization_id, id, provider_id, auth_type, secret_ref)
                     values ('{org}', 'p', 'openai', 'api_key', 'postern/org/{org}/keys/openai');
                 insert into sealed_secrets (organization_id, name, version, key_id, sealed)
                     values ('{org}', 'keys/x', 1, 'k', 'x');
                 insert into pending_interactions (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload)
                     values ('{org}', 'q-1', 'slack-{org}', 'U1', 'shared', '{{}}');
                 insert into ended_interactions (organization_id, id, connection_id, expected_user_id)
                     values ('{org}', 'q-0', 'slack-{org}', 'U1');
                 insert into chat_turns (organization_id, connection_id, channel)
                     values ('{org}', 'slack-{org}', 'C1');
                 insert into grants (organization_id, agent_id, pattern, denied, granted_by)
                     values ('{org}', 'shared', 'host:example.com', false, 'U1');
                 insert into egress_policies (organization_id, rules) values ('{org}', '[]');
                 insert into egress_verdicts (organization_id, key, flight, expires_at)
                     values ('{org}', sha256('k'), gen_random_uuid(), now());
                 insert into deliveries (organization_id, id, interaction_id, url, payload)
                     values ('{org}', 'd', 'q-1', 'https://example.com', '{{}}');
                 insert into providers (organization_id, slug, provider_id, base_url, auth)
                     values ('{org}', 'own', 'own', 'https://example.com', '{{\"query\": \"key\"}}');
                 insert into revoked_tokens (organization_id, jti, expires_at)
                     values ('{org}', 'j', now() + interval '1 hour');
                 insert into deployment_revocations (organization_id, deployment_name, revoked_at)
                     values ('{org}', 'd', now())"
            ))
            .await;
    }
    let owned = world
        .value(
            "select string_agg(table_name, ' ' order by table_name) from information_schema.columns
             where table_schema = 'postern' and column_name = 'organization_id'",
        )
        .await;
    assert_eq!(
        owned,
        "agents auth_profiles chat_turns connections deliveries deployment_revocations egress_policies egress_verdicts \
         ended_interactions grants pending_interactions placeholders providers revoked_tokens sealed_secrets",
        "insert a row of the new table above"
    );
    let of = async |table: &str, org: &str| {
        let rows = format!("select count(*) from {table} where organization_id = '{org}'");
        world.value(&rows).await
    };
    for table in owned.split(' ') {
        for org in ["a", "b"] {
            assert_ne!(of(table, org).await, "0", "{table} holds nothing of {org}");
        }
    }
    world.sql("delete from organizations where id = 'a'").await;
    for table in owned.split(' ') {
        // Only revocations stay: a successor of the same name must not inherit the tokens.
        let stays = ["revoked_tokens", "deployment_revocations"].contains(&table);
        assert_eq!(of(table, "a").await != "0", stays, "{table}");
        assert_ne!(of(table, "b").await, "0", "{table}");
    }
}

#[tokio::test]
async fn what_an_agent_or_a_connection_owns_goes_with_it_and_nothing_of_its_neighbours() {
    let world = World::new().await;
    world.tenants().await;
    for agent in ["shared", "agent-a"] {
        world.minted("a", agent, json!({})).await;
        world
            .sql(&format!(
                "insert into auth_profiles (organization_id, id, provider_id, agent_id, auth_type, secret_ref)
                     values ('a', 'p-{agent}', 'openai', '{agent}', 'api_key', 'postern/org/a/keys/openai');
                 insert into pending_interactions (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload)
                     values ('a', 'q-{agent}', 'slack-a', 'U1', '{agent}', '{{}}');
                 insert into grants (organization_id, agent_id, pattern, denied, granted_by)
                     values ('a', '{agent}', 'host:example.com', false, 'U1');
                 insert into egress_policies (organization_id, agent_id, rules) values ('a', '{agent}', '[]');
                 insert into deliveries (organization_id, id, agent_id, interaction_id, url, payload)
                     values ('a', 'd-{agent}', '{agent}', 'q-1', 'https://example.com', '{{}}')"
            ))
            .await;
    }
    world
        .sql(
            "insert into ended_interactions (organization_id, id, connection_id, expected_user_id)
                 values ('a', 'q-0', 'slack-a', 'U1');
             insert into chat_turns (organization_id, connection_id, channel)
                 values ('a', 'slack-a', ''), ('a', 'slack-a', 'C1'), ('a', 'discord-a', 'C1'), ('b', 'slack-b', 'C1');
             delete from agents where organization_id = 'a' and id = 'shared'",
        )
        .await;
    let left = async |table: &str| {
        let agents = format!("select string_agg(agent_id, ' ') from {table}");
        world.value(&agents).await
    };
    for table in [
        "placeholders",
        "auth_profiles",
        "pending_interactions",
        "grants",
        "egress_policies",
        "deliveries",
    ] {
        assert_eq!(left(table).await, "agent-a", "{table}");
    }
    world
        .sql("delete from connections where id = 'slack-a'")
        .await;
    for table in ["pending_interactions", "ended_interactions"] {
        let rows = format!("select count(*) from {table}");
        assert_eq!(world.value(&rows).await, "0", "{table}");
    }
    let turns = "select string_agg(connection_id, ' ' order by connection_id) from chat_turns";
    assert_eq!(world.value(turns).await, "discord-a slack-b");
}
