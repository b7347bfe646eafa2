-- Every table that a tenant owns leads its key with the organization, and goes with it.

create table organizations (
    id text primary key,
    system_providers text[] not null default '{}',
    created_at timestamptz not null default now()
);
comment on table organizations is 'Tenants, and the providers whose system key each may spend.';

create table agents (
    organization_id text not null references organizations (id) on delete cascade,
    id text not null,
    created_at timestamptz not null default now(),
    primary key (organization_id, id)
);
comment on table agents is 'An agent id is unique within its organization only.';
-- Finds the organizations that have an agent of an id, when no token names one.
create index agents_by_id on agents (id, organization_id);

create table placeholders (
    token_hash bytea primary key constraint placeholders_token_hash_is_sha256 check (octet_length(token_hash) = 32),
    organization_id text references organizations (id) on delete cascade,
    agent_id text not null,
    user_id text,
    env_var_name text not null,
    secret_ref text,
    deployment_name text not null,
    allowed_hosts text[] not null default '{}',
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);
comment on table placeholders is 'What agents hold instead of credentials. A row without organization is from before they were recorded.';
create index placeholders_by_deployment on placeholders (organization_id, deployment_name);
create index placeholders_by_expiry on placeholders (expires_at);

create table auth_profiles (
    organization_id text not null references organizations (id) on delete cascade,
    id text not null,
    provider_id text not null,
    agent_id text,
    user_id text,
    auth_type text not null constraint auth_profiles_auth_type_known check (auth_type in ('api_key', 'oauth')),
    secret_ref text not null,
    created_at timestamptz not null default now(),
    disabled_at timestamptz,
    primary key (organization_id, id)
);
comment on table auth_profiles is 'Credentials of a user of an agent, of an agent, or of a whole organization.';

create table connections (
    id text primary key,
    organization_id text not null references organizations (id) on delete cascade,
    platform text not null constraint connections_platform_known check (platform in ('slack', 'telegram', 'discord')),
    secret_ref text not null,
    config jsonb not null default '{}',
    created_at timestamptz not null default now()
);
comment on table connections is 'Chat workspaces. The id stands in the webhook''s address, so it belongs to one organization.';
create index connections_by_organization on connections (organization_id);

create table pending_interactions (
    organization_id text not null references organizations (id) on delete cascade,
    id text not null,
    connection_id text not null,
    expected_user_id text not null,
    agent_id text not null,
    entry_payload jsonb not null,
    created_at timestamptz not null default now(),
    claimed_at timestamptz,
    answer jsonb,
    -- Hashes of the clicks that claimed this row: one delivered again is not applied again,
    -- even after the question was stored anew.
    applied_clicks bytea[] not null default '{}',
    primary key (organization_id, id)
);
comment on table pending_interactions is 'Questions to people. Claimed once, by all four of organization, id, connection and user.';
create index pending_interactions_by_age on pending_interactions (created_at);

create table grants (
    organization_id text not null references organizations (id) on delete cascade,
    agent_id text not null,
    pattern text not null,
    denied boolean not null,
    expires_at timestamptz,
    granted_at timestamptz not null default now(),
    granted_by text not null,
    primary key (organization_id, agent_id, pattern)
);
comment on table grants is 'What people allowed an agent, or denied it.';
create index grants_by_expiry on grants (expires_at) where expires_at is not null;

create table egress_policies (
    organization_id text not null references organizations (id) on delete cascade,
    agent_id text,
    rules jsonb not null,
    updated_at timestamptz not null default now()
);
comment on table egress_policies is 'Where an organization''s agents may go. A row without agent is for all of them.';
create unique index egress_policies_of_agent on egress_policies (organization_id, agent_id) where agent_id is not null;
create unique index egress_policies_of_organization on egress_policies (organization_id) where agent_id is null;

create table deliveries (
    organization_id text not null references organizations (id) on delete cascade,
    id text not null,
    interaction_id text not null,
    url text not null,
    payload jsonb not null,
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    delivered_at timestamptz,
    created_at timestamptz not null default now(),
    primary key (organization_id, id)
);
comment on table deliveries is 'Outcomes on their way to an agent''s callback address.';
create index deliveries_by_age on deliveries (created_at);

create table revoked_tokens (
    organization_id text not null references organizations (id) on delete cascade,
    jti text not null,
    expires_at timestamptz not null,
    primary key (organization_id, jti)
);
comment on table revoked_tokens is 'Worker tokens that no longer count; kept until they would have expired.';
create index revoked_tokens_by_expiry on revoked_tokens (expires_at);
