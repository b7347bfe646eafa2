-- Why a click claimed nothing. It reads only interactions that the person who clicked was asked.
create function postern_webhooks.interaction_missed_1(
    p_organization text, p_id text, p_connection text, p_user text, p_click bytea, p_revision text,
    p_card jsonb, p_ttl_ms float8)
returns table (missed text, agent_id text, entry_payload jsonb, answer jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select
        case
            when i.claimed_click = p_click then 'again'
            -- Where a post had to be repeated, another card of the same content still has its buttons.
            when i.claimed_at is not null and i.post_doubtful and i.revision = p_revision
                and (i.card ->> 'channel', i.card ->> 'message')
                    is distinct from (p_card ->> 'channel', p_card ->> 'message') then 'twin'
            when i.claimed_at is not null then 'nothing'
            when i.created_at <= now() - p_ttl_ms * interval '1 millisecond' then 'expired'
            when i.revision <> p_revision then 'replaced'
            else 'nothing'
        end,
        i.agent_id, i.entry_payload, i.answer
    from postern.pending_interactions i
    where i.organization_id = p_organization and i.id = p_id
        -- Not `=`: no index but the key's shall find the row.
        and (i.connection_id, i.expected_user_id) is not distinct from (p_connection, p_user)
    union all
    select case when e.expired then 'expired' else 'withdrawn' end, null, null, null
    from postern.ended_interactions e
    where e.organization_id = p_organization and e.id = p_id
        -- Not `=`: no index but the key's shall find the row.
        and (e.connection_id, e.expected_user_id) is not distinct from (p_connection, p_user)
        and not exists (
            select from postern.pending_interactions i where i.organization_id = p_organization and i.id = p_id
        );
end $$;
