//! Two organizations, `a` and `b`, whose ids collide wherever they can.

use super::done;
use tokio_postgres::Client;

/// A row of each table that names an organization. `@` stands for the organization. What would betray it is marked
/// `mark-@`.
pub const ROWS: [(&str, &str); 16] = [
    (
        "organizations",
        "(id, system_providers, created_at) values ('@', '{openai,only-@}', '2030-01-01T00:00Z')",
    ),
    ("agents", "(organization_id, id, created_at) values ('@', 'shared', now() - interval '1 hour')"),
    (
        "connections",
        "(id, organization_id, platform, secret_ref) values ('c-@', '@', 'slack', 'mark-@')",
    ),
    (
        "placeholders",
        "(token_hash, organization_id, agent_id, env_var_name, secret_ref, deployment_name, allowed_hosts, expires_at, id)
         values (sha256('p-@'), '@', 'shared', 'KEY', 'mark-@', 'd', '{x}', now() + interval '1 hour',
            '00000000-0000-0000-0000-000000000001')",
    ),
    (
        "auth_profiles",
        "(organization_id, id, provider_id, auth_type, secret_ref) values ('@', 'p', 'openai', 'api_key', 'mark-@')",
    ),
    (
        "sealed_secrets",
        "(organization_id, name, version, key_id, sealed) values ('@', 'keys/x', 1, 'mark-@', 'mark-@')",
    ),
    (
        "providers",
        r#"(organization_id, slug, provider_id, base_url, auth)
         values ('@', 'own', 'openai', 'https://own.example', '{"header": "mark-@"}')"#,
    ),
    (
        "revoked_tokens",
        "(organization_id, jti, expires_at) values ('@', 'j-@', now() + interval '1 hour')",
    ),
    (
        "deployment_revocations",
        "(organization_id, deployment_name, revoked_at) values ('@', 'd-@', now() + interval '2 hours')",
    ),
    (
        "egress_policies",
        r#"(organization_id, agent_id, rules) values ('@', null, '[{"host": "mark-@"}]')"#,
    ),
    (
        "egress_verdicts",
        "(organization_id, key, flight, outcome, expires_at)
         values ('@', sha256('k'), '00000000-0000-0000-0000-000000000001', 'allow', now() + interval '1 hour')",
    ),
    (
        "grants",
        "(organization_id, agent_id, pattern, denied, granted_by) values ('@', 'shared', 'host:x', false, 'mark-@')",
    ),
    (
        "pending_interactions",
        r#"(organization_id, id, connection_id, expected_user_id, agent_id, revision, entry_payload)
         values ('@', 'q', 'c-@', 'U1', 'shared', 'rev',
            '{"kind": "question", "options": ["mark-@", "No"], "callback_url": "https://mark-@"}')"#,
    ),
    (
        "ended_interactions",
        "(organization_id, id, connection_id, expected_user_id) values ('@', 'e', 'c-@', 'U1')",
    ),
    (
        "deliveries",
        r#"(organization_id, id, agent_id, interaction_id, url, payload)
         values ('@', 'd', 'shared', 'q', 'https://mark-@', '{"type": "interaction.answered"}')"#,
    ),
    (
        "chat_turns",
        "(organization_id, connection_id, channel, next_at) values ('@', 'c-@', 'C1', now())",
    ),
];

/// More rows of each organization: sealed secrets of each kind, and profiles that name one that both have and one that
/// only `b` has; an answered question that owes chat an update, one whose card is to be posted, an approval of a
/// policy's, and an outcome that was delivered.
const MORE: &str = r#"
insert into postern.sealed_secrets (organization_id, name, version, key_id, sealed)
    values ('@', 'chat/x', 1, 'mark-@', 'mark-@'), ('@', 'oauth/x', 1, 'mark-@', 'mark-@'),
        ('@', 'callback-signing', 1, 'mark-@', 'mark-@');
insert into postern.auth_profiles (organization_id, id, provider_id, auth_type, secret_ref)
    values ('@', 'p-sealed', 'sealed', 'api_key', 'sealed:keys/x#mark-@'),
        ('@', 'p-sealed-only', 'sealed', 'api_key', 'sealed:keys/only');
insert into postern.pending_interactions
    (organization_id, id, connection_id, expected_user_id, agent_id, revision, entry_payload, claimed_at, answer,
        claimed_click, unsettled, settle_at, card)
    values ('@', 'q-answered', 'c-@', 'U1', 'shared', 'rev', '{"kind": "question", "options": ["mark-@"]}', now(),
        '{"value": "mark-@"}', 'click', '{card}', now() - interval '1 minute', '{"channel": "mark-@"}');
insert into postern.pending_interactions
    (organization_id, id, connection_id, expected_user_id, agent_id, revision, entry_payload, created_at, post_at)
    values ('@', 'q-unposted', 'c-@', 'U1', 'shared', 'rev',
        '{"kind": "question", "options": ["mark-@"], "callback_url": "https://mark-@"}', '2030-01-01T00:00Z',
        now() - interval '1 minute');
insert into postern.pending_interactions
    (organization_id, id, connection_id, expected_user_id, agent_id, revision, entry_payload)
    values ('@', 'egress.x', 'c-@', 'U1', 'shared', 'rev', '{"kind": "approval", "tool": "host:mark-@"}');
insert into postern.deliveries (organization_id, id, interaction_id, url, payload, delivered_at)
    values ('@', 'd-done', 'q', 'https://mark-@', '{"type": "interaction.answered"}', now());
"#;

/// What only one organization has, under ids that the other might name.
const OWN: &str = r#"
insert into postern.agents (organization_id, id, created_at) values ('@', 'only', now() - interval '1 hour');
insert into postern.auth_profiles (organization_id, id, provider_id, auth_type, secret_ref)
    values ('@', 'p-only', 'openai', 'api_key', 'mark-@');
insert into postern.placeholders
    (token_hash, organization_id, agent_id, env_var_name, secret_ref, deployment_name, expires_at, id)
    values (sha256('only'), '@', 'shared', 'KEY', 'mark-@', 'd-only', now() + interval '1 hour',
        '00000000-0000-0000-0000-000000000002');
insert into postern.sealed_secrets (organization_id, name, version, key_id, sealed)
    values ('@', 'keys/only', 1, 'mark-@', 'mark-@'), ('@', 'chat/only', 1, 'mark-@', 'mark-@');
insert into postern.providers (organization_id, slug, provider_id, base_url, auth)
    values ('@', 'own-only', 'openai', 'https://mark-@', '{"header": "mark-@"}');
insert into postern.egress_verdicts (organization_id, key, flight, expires_at)
    values ('@', sha256('only'), '00000000-0000-0000-0000-000000000002', now() + interval '1 hour');
insert into postern.egress_policies (organization_id, agent_id, rules) values ('@', 'only', '[{"host": "mark-@"}]');
insert into postern.grants (organization_id, agent_id, pattern, denied, granted_by)
    values ('@', 'shared', 'host:only', true, 'mark-@');
insert into postern.pending_interactions
    (organization_id, id, connection_id, expected_user_id, agent_id, revision, entry_payload)
    values ('@', 'q-only', 'c-@', 'U1', 'shared', 'rev',
        '{"kind": "question", "options": ["mark-@"], "callback_url": "https://mark-@"}'),
    ('@', 'e', 'c-@', 'U1', 'shared', 'rev', '{"kind": "question", "options": ["mark-@"]}'),
    ('@', 'egress.only', 'c-@', 'U1', 'shared', 'rev', '{"kind": "approval", "tool": "host:mark-@"}');
insert into postern.pending_interactions
    (organization_id, id, connection_id, expected_user_id, agent_id, revision, entry_payload, post_at)
    values ('@', 'q-only-unposted', 'c-@', 'U1', 'shared', 'rev',
        '{"kind": "question", "options": ["mark-@"], "callback_url": "https://mark-@"}', now() + interval '1 hour');
insert into postern.pending_interactions
    (organization_id, id, connection_id, expected_user_id, agent_id, revision, entry_payload, claimed_at, answer,
        claimed_click, unsettled, settle_at, card)
    values ('@', 'q-only-answered', 'c-@', 'U1', 'shared', 'rev', '{"kind": "question", "options": ["mark-@"]}', now(),
        '{"value": "mark-@"}', 'click', '{card}', now() + interval '1 hour', '{"channel": "mark-@"}');
insert into postern.ended_interactions (organization_id, id, connection_id, expected_user_id, expired)
    values ('@', 'e-only', 'c-@', 'U1', true);
insert into postern.deliveries (organization_id, id, agent_id, interaction_id, url, payload)
    values ('@', 'd-only', 'shared', 'q', 'https://mark-@', '{"type": "interaction.answered"}');
"#;

/// Turns of `b` on the connection of `a`, far off. No function can write them, since a connection belongs to one
/// organization; so each statement that asks for the organization is seen to ask.
const ASTRAY: &str = "
set session_replication_role = replica;
insert into postern.chat_turns (organization_id, connection_id, channel, next_at)
    values ('b', 'c-a', '', '2030-01-01T00:00Z'), ('b', 'c-a', 'C1', '2030-01-01T00:00Z');
reset session_replication_role";

/// A placeholder from before organizations were recorded.
const LEGACY: &str = "
insert into postern.placeholders (token_hash, agent_id, env_var_name, secret_ref, deployment_name, expires_at)
    values (sha256('legacy'), 'shared', 'KEY', 'legacy', 'd', now() + interval '1 hour')";

/// Fills an empty database.
pub async fn fill(client: &Client) {
    for organization in ["a", "b"] {
        for (table, row) in ROWS {
            let sql = format!("insert into postern.{table} {row}");
            done(client, &sql.replace('@', organization)).await;
        }
        done(client, &MORE.replace('@', organization)).await;
    }
    done(client, &OWN.replace('@', "b")).await;
    done(client, ASTRAY).await;
    done(client, LEGACY).await;
}

/// Deletes everything of an organization.
pub const WITHOUT_B: &str = "
delete from postern.organizations where id = 'b';
delete from postern.chat_turns where organization_id = 'b';
delete from postern.revoked_tokens where organization_id = 'b';
delete from postern.deployment_revocations where organization_id = 'b'";

/// The column that names the organization.
pub fn organization_column(table: &str) -> &'static str {
    if table == "organizations" {
        "id"
    } else {
        "organization_id"
    }
}

/// A text without what differs from call to call: minutes, random ids, numbers with a fraction.
pub fn stable(text: &str) -> String {
    let times = r"regexp_replace(%, '(\d{4}-\d\d-\d\d[ T]\d\d):[\d:.]+', '\1', 'g')";
    let ids = r"regexp_replace(%, 'msg_[0-9a-f]{32}', 'ID', 'g')";
    let numbers = r"regexp_replace(%, '\d+\.\d+', 'NUMBER', 'g')";
    let uuids = r"regexp_replace(%, '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}', 'UUID', 'g')";
    [times, ids, uuids, numbers]
        .iter()
        .fold(text.to_owned(), |text, replace| replace.replace('%', &text))
}

/// Everything that the database holds of an organization, or of none. With `exactly`, nothing is left out that differs
/// from call to call.
pub async fn held(client: &Client, organization: Option<&str>, exactly: bool) -> Vec<String> {
    let of = |(table, _): &(&str, &str)| {
        let column = organization_column(table);
        let whose = match organization {
            Some(organization) => format!("{column} = '{organization}'"),
            None => format!("{column} is null"),
        };
        let row = if exactly {
            "t::text".to_owned()
        } else {
            stable("t::text")
        };
        format!("select '{table} ' || {row} from postern.{table} t where {whose}")
    };
    let all: Vec<String> = ROWS.iter().map(of).collect();
    done(client, &format!("{} order by 1", all.join(" union all "))).await
}
