-- Opens an approval that a policy asks for. Of several concurrent calls, exactly one opens it. An existing row is
-- replaced in three cases: it expired; it was answered over 10 s ago, so the request that needs it has read that its
-- grant or denial is over; or its card was never posted.
create function postern_proxy.approval_open_1(
    p_organization text, p_id text, p_connection text, p_user text, p_agent text, p_payload jsonb, p_ttl_ms float8,
    p_digest text, p_revision text, p_max_open bigint)
returns table (via_id text, via_organization_id text, via_platform text, via_secret_ref text, via_config jsonb,
    opened boolean, crowded boolean, expires_at timestamptz)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with via as (
        select c.id, c.organization_id, c.platform, c.secret_ref, c.config
        from postern.connections c
        where c.organization_id = p_organization and c.id = p_connection
    ), open as (
        select from postern.pending_interactions i
        where i.organization_id = p_organization and i.agent_id = p_agent and i.claimed_at is null
            and i.created_at > now() - p_ttl_ms * interval '1 millisecond'
        limit p_max_open
    ), crowd as (
        select count(*) >= p_max_open
            and not exists (
                select from postern.pending_interactions i where i.organization_id = p_organization and i.id = p_id
            ) as full
        from open
    ), opened as (
        insert into postern.pending_interactions as i
            (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload, digest, revision,
            post_at, post_begun)
        select p_organization, p_id, p_connection, p_user, p_agent, p_payload, p_digest, p_revision,
            now() + interval '30 seconds', true
        from via, crowd
        where not crowd.full
        on conflict (organization_id, id) do update
        set entry_payload = p_payload, digest = p_digest, revision = p_revision,
            created_at = now(), stored_at = now(), posted_at = null, card = null,
            claimed_at = null, answer = null, claimed_click = null, unsettled = '{}', settle_at = null,
            post_at = now() + interval '30 seconds', post_attempts = 0, post_unlisted = false, post_begun = true,
            post_doubtful = false
        where i.connection_id = p_connection and i.expected_user_id = p_user and i.agent_id = p_agent
            and (
                i.claimed_at <= now() - interval '10 seconds'
                or i.created_at <= now() - p_ttl_ms * interval '1 millisecond'
                -- A post takes at most 20 s and its note 2 s, so its poster has died; or the sweep's turn has come.
                or (i.claimed_at is null and i.posted_at is null
                    and coalesce(i.post_at, i.stored_at + interval '30 seconds') <= now())
            )
        returning i.id
    )
    select via.id, via.organization_id, via.platform, via.secret_ref, via.config,
        exists (select from opened), crowd.full, now() + p_ttl_ms * interval '1 millisecond'
    from crowd
    left join via on true;
end $$;
