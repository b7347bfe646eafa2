-- The baseline of `database.rs`, as the store sent it before SQL functions were the only door: one statement from a
-- login with rights on the tables, without row-level security.
with claimed as (
    update pending_interactions
    set claimed_at = now(), claimed_click = $8, card = coalesce(card, $9),
        unsettled = '{receipt,card}', settle_at = now() + $10 * interval '1 millisecond',
        answer = jsonb_strip_nulls(jsonb_build_object(
            'value', options -> $7::int4,
            'index', $7::int4,
            'user_id', $4::text,
            'answered_at', to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'digest', digest
        ))
    where organization_id = $1 and id = $2 and connection_id = $3 and expected_user_id = $4
        and claimed_at is null
        and created_at > now() - $5 * interval '1 millisecond'
        and revision = $6
        and (card is null or card = $9)
        and options -> $7::int4 is not null
    returning organization_id, id, agent_id, expected_user_id, entry_payload, answer, callback_url, grant_pattern,
        'answered' as status
), delivery as (
    insert into deliveries (organization_id, id, agent_id, interaction_id, url, payload, attempts, next_attempt_at)
    select organization_id, 'msg_' || replace(gen_random_uuid()::text, '-', ''), agent_id, id, callback_url,
        jsonb_build_object('type', 'interaction.' || status, 'timestamp',
            to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'data', jsonb_strip_nulls(jsonb_build_object('id', id, 'status', status, 'answer', answer))),
        1, now() + $10 * interval '1 millisecond'
    from claimed
    where callback_url is not null
    returning id as delivery_id, url, payload
), decided as (
    insert into grants as g (organization_id, agent_id, pattern, denied, expires_at, granted_by)
    select organization_id, agent_id, grant_pattern, answer ->> 'value' = 'deny',
        case answer ->> 'value' when '1h' then now() + interval '1 hour' when '24h' then now() + interval '24 hours' end,
        expected_user_id
    from claimed
    where grant_pattern is not null
    on conflict (organization_id, agent_id, pattern) do update
    set denied = excluded.denied,
        expires_at = case
            when g.denied or g.expires_at <= now() then excluded.expires_at
            when excluded.expires_at is null or g.expires_at is null then null
            else greatest(excluded.expires_at, g.expires_at)
        end,
        granted_at = excluded.granted_at, granted_by = excluded.granted_by
    where excluded.denied or not g.denied or g.expires_at <= now()
)
select claimed.agent_id, claimed.entry_payload, claimed.answer,
    delivery.delivery_id, delivery.url, delivery.payload
from claimed left join delivery on true
