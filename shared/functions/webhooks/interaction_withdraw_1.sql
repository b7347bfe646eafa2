-- Deletes an unanswered interaction of a worker's agent, records how it ended, and writes the delivery of its outcome,
-- which the caller attempts within the lease. A question older than the TTL ends as expired and not as withdrawn,
-- because a reader may have seen that already.
create function postern_webhooks.interaction_withdraw_1(
    p_organization text, p_id text, p_connection text, p_user text, p_agent text, p_ttl_ms float8, p_lease_ms float8,
    p_jti text, p_issued_at float8, p_deployment text)
returns table (via_id text, via_organization_id text, via_platform text, via_secret_ref text, via_config jsonb,
    token text, own boolean, entry_payload jsonb, card jsonb, delivery_id text, url text, payload jsonb)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with asker as (
        select t.token from postern.token_1(p_organization, p_agent, p_jti, p_issued_at, p_deployment) t
    ), own as (
        -- Locked: a row that another withdrawal or the sweep is deleting is gone, and not answered.
        select i.organization_id, i.id from postern.pending_interactions i
        where i.organization_id = p_organization and i.id = p_id
            -- Not `=`: no index but the key's shall find the row.
            and (i.connection_id, i.expected_user_id, i.agent_id) is not distinct from (p_connection, p_user, p_agent)
        for update
    ), withdrawn as (
        delete from postern.pending_interactions i
        using own, asker
        where i.organization_id = own.organization_id and i.id = own.id
            and i.claimed_at is null and asker.token is null
        returning i.entry_payload, i.card, i.callback_url,
            i.created_at <= now() - p_ttl_ms * interval '1 millisecond' as expired
    ), remembered as (
        insert into postern.ended_interactions (organization_id, id, connection_id, expected_user_id, expired)
        select p_organization, p_id, p_connection, p_user, w.expired from withdrawn w
        on conflict (organization_id, id) do update
        set connection_id = excluded.connection_id, expected_user_id = excluded.expected_user_id,
            ended_at = now(), expired = excluded.expired
    ), delivery as (
        insert into postern.deliveries as d
            (organization_id, id, agent_id, interaction_id, url, payload, attempts, next_attempt_at)
        select p_organization, 'msg_' || replace(gen_random_uuid()::text, '-', ''), p_agent, p_id, w.callback_url,
            postern.outcome_1(p_id, case when w.expired then 'expired' else 'withdrawn' end, null),
            1, now() + p_lease_ms * interval '1 millisecond'
        from withdrawn w
        where w.callback_url is not null
        returning d.id, d.url, d.payload
    )
    select via.id, via.organization_id, via.platform, via.secret_ref, via.config,
        asker.token, exists (select from own), withdrawn.entry_payload, withdrawn.card,
        delivery.id, delivery.url, delivery.payload
    from asker
    left join withdrawn on true
    left join delivery on true
    left join postern.connections via on via.organization_id = p_organization and via.id = p_connection;
end $$;
