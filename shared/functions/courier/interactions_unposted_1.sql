-- Leases interactions whose card is to be posted: at most `p_each` of one organization, and none of those that the caller
-- is busy with. A lease that was never given back leaves it in doubt whether its holder had posted the card.
create function postern_sweep.interactions_unposted_1(
    p_limit bigint, p_each bigint, p_busy_organizations text[], p_ttl_ms float8, p_lease_ms float8)
returns table (via_id text, via_organization_id text, via_platform text, via_secret_ref text, via_config jsonb,
    id text, expected_user_id text, agent_id text, entry_payload jsonb, revision text, expires_at timestamptz,
    attempts integer, unlisted boolean, doubtful boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
    return query
    with taken as (
        update postern.pending_interactions i
        set post_at = now() + p_lease_ms * interval '1 millisecond', post_doubtful = i.post_doubtful or i.post_begun,
            post_begun = true
        -- A join on the key may run on the index of what is owed, and read all of an organization's for each row.
        where i.ctid = any (array(
            select d.place
            from postern.organizations o
            cross join lateral (
                select u.ctid as place, u.post_at
                from postern.pending_interactions u
                where u.organization_id = o.id and u.post_at <= now() and u.claimed_at is null
                    and u.created_at > now() - p_ttl_ms * interval '1 millisecond'
                order by u.post_at
                limit p_each
                for update skip locked
            ) d
            where o.id <> all (p_busy_organizations)
            order by d.post_at
            limit p_limit
        ))
        returning i.*
    )
    select c.id, c.organization_id, c.platform, c.secret_ref, c.config,
        t.id, t.expected_user_id, t.agent_id, t.entry_payload, t.revision,
        t.created_at + p_ttl_ms * interval '1 millisecond', t.post_attempts, t.post_unlisted, t.post_doubtful
    from taken t
    join postern.connections c on c.organization_id = t.organization_id and c.id = t.connection_id;
end $$;
