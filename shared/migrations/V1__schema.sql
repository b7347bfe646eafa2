-- Postern's schema. The key of every row that a tenant owns begins with the organization, and the row is deleted
-- with it. Rows of an agent or a connection are deleted with that agent or connection. Only revocations outlive
-- their organization: they stay until the last token that they could concern has expired.

set local search_path = postern, pg_catalog;

create table organizations (
    -- One segment of the names of its secrets, so that no organization's names lie inside another's.
    id text primary key constraint organizations_id_is_one_segment
        check (id ~ '^[A-Za-z0-9_.=@+-]{1,64}$' and id not in ('.', '..')),
    system_providers text[] not null default '{}',
    created_at timestamptz not null default now()
);
comment on table organizations is 'Tenants, and the providers whose system key each may use.';

create table agents (
    organization_id text not null references organizations (id) on delete cascade,
    id text not null,
    -- A worker token that was issued before this is not this agent's.
    created_at timestamptz not null default now(),
    primary key (organization_id, id)
);
comment on table agents is 'An agent id is unique within its organization only.';

-- ---- Placeholders, credentials, revocations ----

create table placeholders (
    token_hash bytea primary key constraint placeholders_token_hash_is_sha256 check (octet_length(token_hash) = 32),
    organization_id text,
    agent_id text not null,
    user_id text,
    env_var_name text not null,
    secret_ref text,
    deployment_name text not null,
    allowed_hosts text[] not null default '{}',
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    -- How operators name it, since its key is never shown.
    id uuid not null default gen_random_uuid(),
    -- Postgres does not check it where the organization is null.
    constraint placeholders_agent foreign key (organization_id, agent_id) references agents on delete cascade
);
comment on table placeholders is 'What agents hold in place of credentials. A row without an organization is from before organizations were recorded.';
create index placeholders_by_deployment on placeholders (organization_id, deployment_name);
create index placeholders_by_agent on placeholders (organization_id, agent_id);
create unique index placeholders_by_id on placeholders (organization_id, id);
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
    primary key (organization_id, id),
    constraint auth_profiles_agent foreign key (organization_id, agent_id) references agents on delete cascade,
    constraint auth_profiles_user_has_agent check (user_id is null or agent_id is not null)
);
comment on table auth_profiles is 'Credentials of one user of an agent, of an agent, or of a whole organization.';
-- Each request reads those for its provider that are its user's or nobody's, of however many users there are.
create index auth_profiles_by_user on auth_profiles (organization_id, provider_id, user_id) where disabled_at is null;
create index auth_profiles_by_agent on auth_profiles (organization_id, agent_id) where agent_id is not null;

create table sealed_secrets (
    organization_id text not null references organizations (id) on delete cascade,
    name text not null,
    -- Counts the writes. Organization, name, version and key are bound into what is sealed.
    version bigint not null,
    key_id text not null,
    sealed bytea not null,
    updated_at timestamptz not null default now(),
    primary key (organization_id, name)
);
comment on table sealed_secrets is 'Secrets under a key of the ring in Secrets Manager. A row that was moved or altered does not open.';
create index sealed_secrets_by_key on sealed_secrets (key_id, organization_id, name);

create table providers (
    organization_id text not null references organizations (id) on delete cascade,
    slug text not null constraint providers_slug_valid
        check (slug ~ '^[A-Za-z0-9_.-]{1,64}$' and slug not in ('.', '..', 'health')),
    -- The name that profiles use.
    provider_id text not null,
    base_url text not null,
    auth jsonb not null,
    oauth_auth jsonb,
    options jsonb not null default '{}',
    created_at timestamptz not null default now(),
    -- What a grant names.
    host text generated always as (lower(substring(base_url from '^[A-Za-z]+://(\[[^]]*\]|[^/:?#@]*)'))) stored,
    primary key (organization_id, slug)
);
comment on table providers is 'Tenants'' own providers. Each is seen by its organization alone.';

create table revoked_tokens (
    -- No foreign key: an organization's successor of the same name must not inherit the token.
    organization_id text not null,
    jti text not null,
    expires_at timestamptz not null,
    primary key (organization_id, jti)
);
comment on table revoked_tokens is 'Worker tokens that were revoked one by one; kept until they would have expired.';
create index revoked_tokens_by_expiry on revoked_tokens (expires_at);

create table deployment_revocations (
    -- No foreign key, for the same reason.
    organization_id text not null,
    deployment_name text not null,
    revoked_at timestamptz not null,
    primary key (organization_id, deployment_name)
);
comment on table deployment_revocations is 'A worker token of the deployment that is not newer than this is revoked.';
create index deployment_revocations_by_age on deployment_revocations (revoked_at);

-- ---- Egress policies ----

create table egress_policies (
    organization_id text not null references organizations (id) on delete cascade,
    agent_id text,
    rules jsonb not null,
    updated_at timestamptz not null default now(),
    -- A dry run: what the policy would have decided is logged and counted.
    observe boolean not null default false,
    -- An environment that caches the rules of this hash is not sent them again.
    rules_hash bytea not null generated always as (sha256(jsonb_send(rules))) stored,
    constraint egress_policies_agent foreign key (organization_id, agent_id) references agents on delete cascade
);
comment on table egress_policies is 'Where an organization''s agents may send requests. A row without an agent applies to all of them.';
create unique index egress_policies_of_agent on egress_policies (organization_id, agent_id) where agent_id is not null;
create unique index egress_policies_of_organization on egress_policies (organization_id) where agent_id is null;

create table egress_verdicts (
    organization_id text not null references organizations (id) on delete cascade,
    -- SHA-256 of the policy's, the model's and the request's parts, each with its length.
    key bytea not null constraint egress_verdicts_key_is_sha256 check (octet_length(key) = 32),
    -- The call to the judge that this row stands for. Others that ask the same wait for it.
    flight uuid not null,
    outcome text constraint egress_verdicts_outcome_known check (outcome in ('allow', 'deny', 'timeout', 'unavailable')),
    -- When the call ends, while there is no outcome; then when the outcome ends.
    expires_at timestamptz not null,
    primary key (organization_id, key)
);
comment on table egress_verdicts is 'The judge''s verdicts, shared by all environments. An organization sees only its own.';
create index egress_verdicts_by_expiry on egress_verdicts (expires_at);

create table grants (
    organization_id text not null,
    agent_id text not null,
    pattern text not null,
    denied boolean not null,
    expires_at timestamptz,
    granted_at timestamptz not null default now(),
    granted_by text not null,
    primary key (organization_id, agent_id, pattern),
    constraint grants_agent foreign key (organization_id, agent_id) references agents on delete cascade
);
comment on table grants is 'What people allowed or denied an agent.';
create index grants_by_expiry on grants (expires_at) where expires_at is not null;

-- ---- Questions to people ----

create table connections (
    id text primary key,
    organization_id text not null references organizations (id) on delete cascade,
    platform text not null constraint connections_platform_known check (platform in ('slack', 'telegram', 'discord')),
    secret_ref text not null,
    config jsonb not null default '{}',
    created_at timestamptz not null default now(),
    constraint connections_of_organization unique (organization_id, id)
);
comment on table connections is 'Chat workspaces. The id is part of the webhook''s address, so it belongs to one organization.';

create table pending_interactions (
    organization_id text not null,
    id text not null,
    connection_id text not null,
    expected_user_id text not null,
    agent_id text not null,
    entry_payload jsonb not null,
    -- When the id was first stored. Storing new content keeps it, so a retry does not extend a question's life.
    created_at timestamptz not null default now(),

    -- Part of the buttons of the card that shows this content; each content has a new one. No click answers a row
    -- without one.
    revision text,
    -- When this content was stored, when a post of its card was noted, and where that card is, once the post or
    -- a click has said so.
    stored_at timestamptz not null default now(),
    posted_at timestamptz,
    card jsonb,
    -- When the sweep posts the card, unless whoever is posting it notes before then how that went. Whoever stores the
    -- content has 30 s. A row without it is posted by nobody.
    post_at timestamptz,
    -- How often the platform has put the post off, and whether it did so with an error that its table does not have.
    post_attempts integer not null default 0,
    post_unlisted boolean not null default false,
    -- Whether a post has begun of which nothing was noted yet, and whether an earlier one may have succeeded unnoted.
    post_begun boolean not null default false,
    post_doubtful boolean not null default false,

    claimed_at timestamptz,
    answer jsonb,
    -- The click that claimed it: the platform may deliver it again.
    claimed_click bytea,
    -- What an answered interaction still owes to chat, and when the sweep tries it.
    unsettled text[] not null default '{}',
    settle_at timestamptz,

    -- SHA-256 of what an approval showed.
    digest text,
    -- What the payload says, where statements need it.
    options jsonb generated always as (
        case entry_payload ->> 'kind'
            when 'approval' then '["1h", "24h", "always", "deny"]'::jsonb
            else entry_payload -> 'options'
        end
    ) stored,
    callback_url text generated always as (entry_payload ->> 'callback_url') stored,
    -- What an approval decides: a tool, or a host where a policy asked. An agent's own tool has no colon.
    grant_pattern text generated always as (
        case
            when entry_payload ->> 'kind' is distinct from 'approval' then null
            when entry_payload ->> 'tool' ~ '^host:[][a-z0-9_.:-]{1,255}$' then entry_payload ->> 'tool'
            when entry_payload ->> 'tool' ~ '^[A-Za-z0-9_.-]{1,64}/[A-Za-z0-9_.-]{1,128}$'
                and entry_payload ->> 'tool' !~ '(^|/)[.]{1,2}(/|$)'
                then '/mcp/' || replace(entry_payload ->> 'tool', '/', '/tools/')
        end
    ) stored,

    primary key (organization_id, id),
    constraint pending_interactions_agent foreign key (organization_id, agent_id) references agents on delete cascade,
    constraint pending_interactions_connection foreign key (organization_id, connection_id)
        references connections (organization_id, id) on delete cascade
);
comment on table pending_interactions is 'Questions to people. Claimed once, by all four of organization, id, connection and user.';
create index pending_interactions_by_age on pending_interactions (created_at);
create index pending_interactions_by_agent on pending_interactions (organization_id, agent_id);
create index pending_interactions_by_connection on pending_interactions (organization_id, connection_id);
create index pending_interactions_open on pending_interactions (organization_id, agent_id, created_at) where claimed_at is null;
create index pending_interactions_unposted on pending_interactions (organization_id, post_at)
    where post_at is not null and claimed_at is null;
create index pending_interactions_unsettled on pending_interactions (organization_id, settle_at) where settle_at is not null;

create table chat_turns (
    organization_id text not null,
    connection_id text not null,
    -- A channel of the platform; empty for all messages of the connection.
    channel text not null,
    -- The earliest time of the next message, and when a burst will have been made up for.
    next_at timestamptz not null default '-infinity',
    full_at timestamptz not null default '-infinity',
    primary key (organization_id, connection_id, channel),
    constraint chat_turns_connection foreign key (organization_id, connection_id)
        references connections (organization_id, id) on delete cascade
);
comment on table chat_turns is 'Keeps the rates that chat platforms document, among all environments.';
create index chat_turns_by_age on chat_turns (next_at);

create table ended_interactions (
    organization_id text not null,
    id text not null,
    connection_id text not null,
    expected_user_id text not null,
    ended_at timestamptz not null default now(),
    -- Else the agent withdrew it.
    expired boolean not null default false,
    primary key (organization_id, id),
    constraint ended_interactions_connection foreign key (organization_id, connection_id)
        references connections (organization_id, id) on delete cascade
);
comment on table ended_interactions is 'How an unanswered question ended, so that a late click by the person who was asked can be told.';
create index ended_interactions_by_age on ended_interactions (ended_at);
create index ended_interactions_by_connection on ended_interactions (organization_id, connection_id);

create table deliveries (
    organization_id text not null references organizations (id) on delete cascade,
    id text not null,
    -- Whose policy the address must obey; a row without agent is under the organization's alone.
    agent_id text,
    interaction_id text not null,
    url text not null,
    payload jsonb not null,
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    delivered_at timestamptz,
    -- The receiver wants no more, or no attempt may be made.
    given_up_at timestamptz,
    created_at timestamptz not null default now(),
    -- Who takes it: host and port.
    receiver text generated always as (lower(substring(url from '^[A-Za-z]+://([^/?#]*)'))) stored,
    primary key (organization_id, id),
    constraint deliveries_agent foreign key (organization_id, agent_id) references agents on delete cascade
);
comment on table deliveries is 'Outcomes on their way to an agent''s callback address.';
create index deliveries_by_age on deliveries (created_at);
create index deliveries_by_agent on deliveries (organization_id, agent_id);
create index deliveries_due on deliveries (organization_id, attempts, next_attempt_at)
    where delivered_at is null and given_up_at is null;
