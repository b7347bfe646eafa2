-- Claims an interaction for the person who was asked. Of several clicks, exactly one succeeds. The revision identifies
-- the content that was shown, the card's address the place. The answer is taken from the stored options; the label in
-- the click is ignored. Two addresses of one channel and message are of the same card; either may lack the thread,
-- which is kept. The delivery and the grant are written in the same transaction as the answer, which is this
-- call; each has a statement of its own, so that a claim without one does not plan it. A denial wins over a grant,
-- whichever came first. A grant never shortens another.
create function postern_webhooks.interaction_claim_1(
    p_organization text, p_id text, p_connection text, p_user text, p_ttl_ms float8, p_revision text, p_choice integer,
    p_click bytea, p_card jsonb, p_lease_ms float8)
returns table (agent_id text, entry_payload jsonb, answer jsonb, delivery_id text, url text, payload jsonb, card jsonb)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_pattern text;
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    update postern.pending_interactions i
    set claimed_at = now(), claimed_click = p_click, card = coalesce(p_card || i.card, i.card, p_card),
        unsettled = '{receipt,card}', settle_at = now() + p_lease_ms * interval '1 millisecond',
        answer = jsonb_strip_nulls(jsonb_build_object(
            'value', i.options -> p_choice,
            'index', p_choice,
            'user_id', p_user,
            'answered_at', postern.rfc3339_1(now()),
            'digest', i.digest
        ))
    where i.organization_id = p_organization and i.id = p_id
        -- Not `=`: no index but the key's shall find the row.
        and (i.connection_id, i.expected_user_id) is not distinct from (p_connection, p_user)
        and i.claimed_at is null
        and i.created_at > now() - p_ttl_ms * interval '1 millisecond'
        and i.revision = p_revision
        and (
            i.card is null
            or (i.card ->> 'channel', i.card ->> 'message') = (p_card ->> 'channel', p_card ->> 'message')
        )
        and i.options -> p_choice is not null
    returning i.agent_id, i.entry_payload, i.answer, i.callback_url, i.grant_pattern, i.card
    into agent_id, entry_payload, answer, url, v_pattern, card;
    if not found then
        return;
    end if;
    if url is not null then
        delivery_id := 'msg_' || replace(gen_random_uuid()::text, '-', '');
        payload := postern.outcome_1(p_id, 'answered', answer);
        insert into postern.deliveries
            (organization_id, id, agent_id, interaction_id, url, payload, attempts, next_attempt_at)
        values (p_organization, delivery_id, agent_id, p_id, url, payload, 1,
            now() + p_lease_ms * interval '1 millisecond');
    end if;
    if v_pattern is not null then
        insert into postern.grants as g (organization_id, agent_id, pattern, denied, expires_at, granted_by)
        values (p_organization, agent_id, v_pattern, answer ->> 'value' = 'deny',
            case answer ->> 'value'
                when '1h' then now() + interval '1 hour'
                when '24h' then now() + interval '24 hours'
            end,
            p_user)
        on conflict (organization_id, agent_id, pattern) do update
        set denied = excluded.denied,
            expires_at = case
                when g.denied or g.expires_at <= now() then excluded.expires_at
                when excluded.expires_at is null or g.expires_at is null then null
                else greatest(excluded.expires_at, g.expires_at)
            end,
            granted_at = excluded.granted_at, granted_by = excluded.granted_by
        where excluded.denied or not g.denied or g.expires_at <= now();
    end if;
    return next;
end $$;
