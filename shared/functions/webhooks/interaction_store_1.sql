-- Stores an agent's question, if everything holds that must hold before its card may be posted. An existing row of
-- the same scope is replaced if its content differs, or if its card was never posted; its `created_at` is kept.
create function postern_webhooks.interaction_store_1(
    p_organization text, p_id text, p_connection text, p_user text, p_agent text, p_payload jsonb, p_ttl_ms float8,
    p_digest text, p_revision text, p_max_open bigint, p_jti text, p_issued_at float8, p_deployment text)
returns table (via_id text, via_organization_id text, via_platform text, via_secret_ref text, via_config jsonb,
    token text, created_at timestamptz, expires_at timestamptz, claimed boolean, answer jsonb, past boolean,
    inserted boolean, former_card jsonb, crowded boolean, own boolean, same boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with asker as (
        select t.token from postern.token_1(p_organization, p_agent, p_jti, p_issued_at, p_deployment) t
    ), before as (
        select * from postern.pending_interactions i where i.organization_id = p_organization and i.id = p_id
    ), via as (
        select c.id, c.organization_id, c.platform, c.secret_ref, c.config
        from postern.connections c
        where c.organization_id = p_organization and c.id = p_connection
    ), open as (
        select from postern.pending_interactions i
        where i.organization_id = p_organization and i.agent_id = p_agent and i.claimed_at is null
            and i.created_at > now() - p_ttl_ms * interval '1 millisecond'
        limit p_max_open
    ), crowd as (
        select count(*) >= p_max_open and not exists (select from before) as full from open
    ), stored as (
        insert into postern.pending_interactions as i
            (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload, digest, revision,
            post_at, post_begun)
        select p_organization, p_id, p_connection, p_user, p_agent, p_payload, p_digest, p_revision,
            now() + interval '30 seconds', true
        from via, asker, crowd
        where asker.token is null and not crowd.full
        on conflict (organization_id, id) do update
        set entry_payload = p_payload, digest = p_digest, revision = p_revision,
            stored_at = now(), posted_at = null, card = null,
            claimed_at = null, answer = null, claimed_click = null, unsettled = '{}', settle_at = null,
            post_at = now() + interval '30 seconds', post_attempts = 0, post_unlisted = false, post_begun = true,
            post_doubtful = false
        where i.connection_id = p_connection and i.expected_user_id = p_user and i.agent_id = p_agent
            and i.created_at > now() - p_ttl_ms * interval '1 millisecond'
            and (
                i.entry_payload is distinct from p_payload
                -- A post takes at most 20 s and its note 2 s, so its poster has died; or the sweep's turn has come.
                or (i.claimed_at is null and i.posted_at is null
                    and coalesce(i.post_at, i.stored_at + interval '30 seconds') <= now())
            )
        -- xmax is 0 for an inserted row, and not for an updated one.
        returning i.created_at, i.xmax = 0 as inserted
    )
    select via.id, via.organization_id, via.platform, via.secret_ref, via.config,
        asker.token,
        coalesce(stored.created_at, before.created_at),
        coalesce(stored.created_at, before.created_at) + p_ttl_ms * interval '1 millisecond',
        stored.inserted is null and before.claimed_at is not null,
        before.answer,
        coalesce(before.created_at <= now() - p_ttl_ms * interval '1 millisecond', false),
        stored.inserted,
        before.card,
        crowd.full,
        before.connection_id = p_connection and before.expected_user_id = p_user and before.agent_id = p_agent,
        before.entry_payload = p_payload
    from asker
    cross join crowd
    left join via on true
    left join stored on true
    left join before on true;
end $$;
