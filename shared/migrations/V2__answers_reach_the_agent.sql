-- What a claim leaves to be done, so that a crash or a chat that hangs loses nothing.

alter table pending_interactions
    -- SHA-256 of what an approval showed.
    add column digest text,
    -- Where the card is: {"channel", "message"}, from its post or from the click.
    add column card jsonb,
    -- What an answered interaction still owes to chat, and when the sweep may see to it.
    add column unsettled text[] not null default '{}',
    add column settle_at timestamptz;
create index pending_interactions_unsettled on pending_interactions (settle_at) where settle_at is not null;

create table withdrawn_interactions (
    organization_id text not null references organizations (id) on delete cascade,
    id text not null,
    connection_id text not null,
    expected_user_id text not null,
    withdrawn_at timestamptz not null default now(),
    primary key (organization_id, id)
);
comment on table withdrawn_interactions is 'That a question was withdrawn: what a late click by the person who was asked is told.';
create index withdrawn_interactions_by_age on withdrawn_interactions (withdrawn_at);

alter table deliveries
    -- The receiver said that it wants no more, or no attempt can succeed.
    add column given_up_at timestamptz;
create index deliveries_due on deliveries (next_attempt_at) where delivered_at is null and given_up_at is null;
