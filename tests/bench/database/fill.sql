-- What `database.rs` measures on: 2,000 organizations of five agents each.
set local search_path = postern, pg_catalog;

insert into organizations (id, system_providers)
select 'org-' || o, case when o % 2 = 0 then '{anthropic}'::text[] else '{}' end from generate_series(0, 1999) o;

insert into agents (organization_id, id, created_at)
select 'org-' || n % 2000, 'agent-' || n / 2000, now() - interval '30 days' from generate_series(0, 9999) n;

insert into placeholders (token_hash, organization_id, agent_id, env_var_name, deployment_name, allowed_hosts, expires_at)
select sha256(convert_to('placeholder-' || n, 'utf8')), 'org-' || n % 2000, 'agent-' || n / 2000, 'OPENAI_API_KEY',
    'deployment-' || n / 2000, '{}', now() + interval '30 days'
from generate_series(0, 9999) n;

insert into auth_profiles (organization_id, id, provider_id, agent_id, auth_type, secret_ref, created_at)
select 'org-' || n % 2000, 'profile-' || n / 2000, case when n / 2000 = 1 then 'anthropic' else 'openai' end,
    case when n / 2000 > 1 then 'agent-' || n / 2000 end, 'api_key', 'postern/org/org-' || n % 2000 || '/keys/' || n,
    now() - interval '20 days'
from generate_series(0, 9999) n;

insert into egress_policies (organization_id, agent_id, rules)
select 'org-' || n % 2000, case when n / 2000 > 0 then 'agent-' || n / 2000 end,
    jsonb_build_array(
        jsonb_build_object('host', 'api-' || n || '.example.com', 'action', 'deny'),
        jsonb_build_object('host', 'api.openai.com', 'methods', jsonb_build_array('GET', 'POST'),
            'path_prefix', '/v1', 'action', 'allow'))
from generate_series(0, 9999) n;

insert into grants (organization_id, agent_id, pattern, denied, expires_at, granted_by)
select 'org-' || n % 2000, 'agent-' || n / 2000, 'host:api.openai.com', n % 10 = 0,
    case when n % 3 = 0 then now() + interval '1 day' end, 'U1'
from generate_series(0, 9999) n;

insert into revoked_tokens (organization_id, jti, expires_at)
select 'org-' || n % 2000, 'revoked-' || n, now() + interval '1 hour' from generate_series(0, 1999) n;

insert into connections (id, organization_id, platform, secret_ref)
select 'slack-' || o, 'org-' || o, 'slack', 'postern/org/org-' || o || '/chat/slack' from generate_series(0, 1999) o;

insert into pending_interactions
    (organization_id, id, connection_id, expected_user_id, agent_id, revision, entry_payload)
select 'org-' || n % 2000, 'q-' || n, 'slack-' || n % 2000, 'U1', 'agent-' || n / 2000 % 5, 'abcdef',
    jsonb_build_object('kind', 'question', 'question', 'Deploy?', 'options', jsonb_build_array('Yes', 'No'),
        'callback_url', 'https://agents.example.com/')
from generate_series(0, 39999) n;

insert into pending_interactions
    (organization_id, id, connection_id, expected_user_id, agent_id, revision, digest, entry_payload)
select 'org-' || n % 2000, 'a-' || n, 'slack-' || n % 2000, 'U1', 'agent-' || n / 2000 % 5, 'abcdef', repeat('0', 64),
    jsonb_build_object('kind', 'approval', 'tool', 'github/merge-' || n, 'callback_url', 'https://agents.example.com/')
from generate_series(0, 39999) n;
