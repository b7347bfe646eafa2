-- Leases answered interactions that still owe chat an update: at most `p_each` of one organization, and none of those
-- that the caller is busy with. Each one becomes due again after as much time as has passed since its answer, and at
-- least a minute. So the pauses double: 5, 10, 20 minutes and so on.
create function postern_sweep.interactions_unsettled_1(p_limit bigint, p_each bigint, p_busy_organizations text[])
returns table (via_id text, via_organization_id text, via_platform text, via_secret_ref text, via_config jsonb,
    id text, expected_user_id text, agent_id text, entry_payload jsonb, answer jsonb, card jsonb, unsettled text[])
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
    return query
    with taken as (
        update postern.pending_interactions i
        set settle_at = now() + greatest(now() - i.claimed_at, interval '1 minute')
        -- A join on the key may run on the index of what is owed, and read all of an organization's for each row.
        where i.ctid = any (array(
            select d.place
            from postern.organizations o
            cross join lateral (
                select u.ctid as place, u.settle_at
                from postern.pending_interactions u
                where u.organization_id = o.id and u.settle_at <= now()
                order by u.settle_at
                limit p_each
                for update skip locked
            ) d
            where o.id <> all (p_busy_organizations)
            order by d.settle_at
            limit p_limit
        ))
        returning i.*
    )
    select c.id, c.organization_id, c.platform, c.secret_ref, c.config,
        t.id, t.expected_user_id, t.agent_id, t.entry_payload, t.answer, t.card, t.unsettled
    from taken t
    join postern.connections c on c.organization_id = t.organization_id and c.id = t.connection_id;
end $$;
