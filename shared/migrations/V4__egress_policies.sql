alter table egress_policies
    -- Decides nothing; what it would have decided is logged and counted.
    add column observe boolean not null default false,
    -- What an environment that knows the rules need not be told again.
    add column rules_hash bytea not null generated always as (sha256(jsonb_send(rules))) stored;

create table egress_verdicts (
    organization_id text not null references organizations (id) on delete cascade,
    -- SHA-256 of the policy's, the model's and the request's parts, each with its length.
    key bytea not null constraint egress_verdicts_key_is_sha256 check (octet_length(key) = 32),
    -- The judge's call that this row stands for: others that ask the same meanwhile wait for it.
    flight uuid not null,
    outcome text constraint egress_verdicts_outcome_known check (outcome in ('allow', 'deny', 'timeout', 'unavailable')),
    -- Of the call, while there is no outcome; then of the outcome.
    expires_at timestamptz not null,
    primary key (organization_id, key)
);
comment on table egress_verdicts is 'What the judge said of requests, for all environments. An organization sees its own alone.';
create index egress_verdicts_by_expiry on egress_verdicts (expires_at);
