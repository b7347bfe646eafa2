-- A million rows: 2,000 organizations with 20,000 agents. Organization o-1 has a tenth of everything else, the others
-- share the rest. Most rows are live, and some of each kind are stale or due.

set session_replication_role = replica;  -- The foreign keys hold by construction.
set work_mem = '64MB';

create function pg_temp.org(n bigint) returns text language sql immutable
return 'o-' || case when n % 10 = 0 then 1 else 2 + n % 1999 end;
create function pg_temp.agent(n bigint) returns text language sql immutable
return 'a-' || 1 + n / 10 % 10;

insert into postern.organizations (id, system_providers)
select 'o-' || n, '{openai}' from generate_series(1, 2000) n;

insert into postern.agents (organization_id, id, created_at)
select 'o-' || n, 'a-' || m, now() - interval '1 year' from generate_series(1, 2000) n, generate_series(1, 10) m;

-- Some that own nothing, so that deleting one shows the plans by which Postgres looks for what it owns.
insert into postern.organizations (id) values ('o-idle');
insert into postern.agents (organization_id, id) values ('o-1', 'idle'), ('o-77', 'idle');
insert into postern.connections (id, organization_id, platform, secret_ref)
values ('idle-o-1', 'o-1', 'slack', 'x'), ('idle-o-77', 'o-77', 'slack', 'x');

insert into postern.connections (id, organization_id, platform, secret_ref)
select 'c-' || m || '-o-' || n, 'o-' || n, 'slack', 'postern/org/o-' || n || '/chat'
from generate_series(1, 2000) n, generate_series(1, 2) m;

insert into postern.placeholders
    (token_hash, organization_id, agent_id, env_var_name, deployment_name, secret_ref, expires_at)
select sha256(n::text::bytea), pg_temp.org(n), pg_temp.agent(n), 'OPENAI_API_KEY', 'd-' || n / 100 % 100, 'x',
    now() + (n - 2000) * interval '1 minute'
from generate_series(1, 150000) n;

insert into postern.auth_profiles (organization_id, id, provider_id, agent_id, user_id, auth_type, secret_ref)
select 'o-' || n, 'p-' || n, 'openai', null, null, 'api_key', 'x' from generate_series(1, 2000) n
union all
select pg_temp.org(n), 'p-' || n, (array['openai', 'anthropic', 'gemini'])[1 + n % 3], pg_temp.agent(n),
    'u-' || n, 'api_key', 'x'
from generate_series(2001, 60000) n;

-- Profiles whose secret is sealed, and as many secrets again that none names. A few are under a former key, and one under
-- a later one.
insert into postern.auth_profiles (organization_id, id, provider_id, agent_id, user_id, auth_type, secret_ref)
select 'o-' || n, 's-' || n, 'sealed', null, null, 'api_key', 'sealed:keys/k-' || n * 10 || '#token'
from generate_series(1, 2000) n;

insert into postern.sealed_secrets (organization_id, name, version, key_id, sealed)
select pg_temp.org(n), 'keys/k-' || n, 1,
    case when n % 1000 = 0 then 'former' when n = 7 then 'then' else 'now' end, '\x00'
from generate_series(1, 50000) n;

insert into postern.providers (organization_id, slug, provider_id, base_url, auth)
select pg_temp.org(n), 'w-' || n % 200, 'openai', 'https://h-' || n % 10, '{"query": "key"}'
from generate_series(1, 20000) n
on conflict do nothing;

insert into postern.revoked_tokens (organization_id, jti, expires_at)
select pg_temp.org(n), 'j-' || n, now() + (n - 2000) * interval '1 minute' from generate_series(1, 150000) n;

insert into postern.deployment_revocations (organization_id, deployment_name, revoked_at)
select pg_temp.org(n), 'd-' || n, now() - interval '25 hours' + (n - 2000) * interval '1 second'
from generate_series(1, 40000) n;

insert into postern.egress_policies (organization_id, agent_id, rules)
select 'o-' || n, null, '[]'::jsonb from generate_series(1, 2000) n
union all
select 'o-' || n, 'a-' || m, '[]'::jsonb from generate_series(1, 2000) n, generate_series(1, 5) m;

insert into postern.egress_verdicts (organization_id, key, flight, outcome, expires_at)
select pg_temp.org(n), sha256(n::text::bytea), gen_random_uuid(), 'allow', now() + (n - 3000) * interval '1 second'
from generate_series(1, 150000) n;

insert into postern.grants (organization_id, agent_id, pattern, denied, expires_at, granted_by)
select pg_temp.org(n), pg_temp.agent(n), 'host:h-' || n, n % 5 = 0,
    case when n % 2 = 0 then now() + (n - 4000) * interval '1 minute' end, 'u-1'
from generate_series(1, 110000) n;

-- Two in three are answered. Of those, one in a hundred still owes chat something. Of the others, one in seven has no
-- card yet, and some of those cards are due.
insert into postern.pending_interactions (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload,
    created_at, revision, stored_at, posted_at, card, claimed_at, answer, claimed_click, unsettled, settle_at, post_at)
select pg_temp.org(n), 'q-' || n, 'c-' || 1 + n % 2 || '-' || pg_temp.org(n), 'u-1', pg_temp.agent(n),
    '{"kind": "question", "question": "?", "options": ["Yes", "No"], "callback_url": "https://x.example/"}',
    t.created, 'r-' || n, t.created, case when n % 21 > 0 then t.created end,
    case when n % 21 > 0 then '{"channel": "C1", "message": "1"}'::jsonb end,
    case when n % 3 > 0 then t.created + interval '10 seconds' end,
    case when n % 3 > 0 then '{"value": "Yes", "index": 0, "user_id": "u-1"}'::jsonb end,
    case when n % 3 > 0 then '\x00'::bytea end,
    case when n % 300 = 1 then '{card}' else '{}' end::text[],
    case when n % 300 = 1 then now() - n * interval '1 second' end,
    case when n % 21 = 0 then now() + (n % 700 - 100) * interval '1 second' end
from generate_series(1, 160000) n, lateral (select now() - (n - 2) * interval '0.55 seconds' as created) t;

-- Approvals, which a claim makes grants of.
insert into postern.pending_interactions
    (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload, revision)
select 'o-' || n, 'approval', 'c-1-o-' || n, 'u-1', 'a-3', '{"kind": "approval", "tool": "x/y"}', 'r-1'
from generate_series(1, 100) n;

-- A turn for each channel of a connection, and one for all of them. Some are long over.
insert into postern.chat_turns (organization_id, connection_id, channel, next_at)
select 'o-' || n, 'c-' || m || '-o-' || n, '', now() from generate_series(1, 2000) n, generate_series(1, 2) m
union all
select pg_temp.org(n), 'c-' || 1 + n % 2 || '-' || pg_temp.org(n), 'C' || n,
    now() - interval '1 hour' + (n - 2000) * interval '1 second'
from generate_series(1, 60000) n;

insert into postern.ended_interactions (organization_id, id, connection_id, expected_user_id, ended_at, expired)
select pg_temp.org(n), 'e-' || n, 'c-' || 1 + n % 2 || '-' || pg_temp.org(n), 'u-1',
    now() - interval '24 hours' + (n - 2000) * interval '1 second', n % 2 = 0
from generate_series(1, 70000) n;

-- Nine in ten arrived.
insert into postern.deliveries
    (organization_id, id, agent_id, interaction_id, url, payload, attempts, next_attempt_at, delivered_at, created_at)
select pg_temp.org(n), 'msg_' || n, pg_temp.agent(n), 'q-' || n, 'https://h-' || n % 5000 || '.example/',
    '{"type": "interaction.answered"}', n % 4, now() + (n % 7 - 3) * interval '1 minute',
    case when n % 11 > 0 then now() end, now() - interval '24 hours' + (n - 2000) * interval '0.5 seconds'
from generate_series(1, 150000) n;

reset session_replication_role;
analyze;
