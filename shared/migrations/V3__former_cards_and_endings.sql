-- What was shown is what is answered: a click on a card that was replaced claims nothing.

alter table pending_interactions
    -- Where our own post of what stands here is; `card` may also come from a click.
    add column posted_card jsonb,
    -- Where cards of what stood here before are.
    add column former_cards jsonb not null default '[]';

alter table withdrawn_interactions rename to ended_interactions;
alter table ended_interactions rename column withdrawn_at to ended_at;
alter table ended_interactions
    add column expired boolean not null default false,
    add column former_cards jsonb not null default '[]';
alter index withdrawn_interactions_by_age rename to ended_interactions_by_age;
comment on table ended_interactions is 'Questions that ended without an answer: what a late click by the person who was asked is told.';
