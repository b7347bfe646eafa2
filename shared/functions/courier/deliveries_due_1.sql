-- Leases due deliveries and counts the attempt that the caller makes. First attempts come before retries. It takes only
-- a few of each organization and receiver, so that a receiver that hangs does not delay everybody, and none of those that
-- the caller is busy with. The lease expires if its holder dies.
create function postern_sweep.deliveries_due_1(
    p_limit bigint, p_of_organization bigint, p_to_receiver bigint, p_lease_ms float8, p_busy_organizations text[],
    p_busy_receivers text[])
returns table (organization_id text, id text, agent_id text, interaction_id text, url text, receiver text,
    payload jsonb, attempts integer)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
    return query
    with candidate as (
        select d.*
        from postern.organizations o
        cross join lateral (
            select d.organization_id, d.id, d.receiver, d.attempts, d.next_attempt_at
            from postern.deliveries d
            where d.organization_id = o.id and d.delivered_at is null and d.given_up_at is null
                and d.next_attempt_at <= now() and d.created_at > now() - interval '24 hours'
                and coalesce(d.receiver, '') <> all (p_busy_receivers)
            order by d.attempts, d.next_attempt_at
            limit p_of_organization
            for update skip locked
        ) d
        where o.id <> all (p_busy_organizations)
    ), due as (
        select r.organization_id, r.id
        from (
            select c.organization_id, c.id, c.attempts, c.next_attempt_at,
                row_number() over (partition by c.receiver order by c.attempts, c.next_attempt_at) as turn
            from candidate c
        ) r
        where r.turn <= p_to_receiver
        order by r.attempts, r.next_attempt_at
        limit p_limit
    )
    update postern.deliveries d
    set attempts = d.attempts + 1, next_attempt_at = now() + p_lease_ms * interval '1 millisecond'
    from due
    where d.organization_id = due.organization_id and d.id = due.id
    returning d.organization_id, d.id, d.agent_id, d.interaction_id, d.url, d.receiver, d.payload, d.attempts;
end $$;
