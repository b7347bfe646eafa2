-- Deliveries older than the day in which they are attempted. Returns those that never arrived in `given_up`.
-- Deletes at most `p_limit` of them, oldest first, and returns the number. Rows that another run holds are skipped.
create function postern_sweep.delete_deliveries_1(p_limit bigint)
returns table (deleted bigint, given_up jsonb)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
    return query
    with gone as (
        delete from postern.deliveries
        where ctid = any (array(
            select ctid from postern.deliveries
            where created_at < now() - interval '24 hours'
            order by created_at limit p_limit for update skip locked
        ))
        returning organization_id, interaction_id, attempts, delivered_at is null and given_up_at is null as undelivered
    )
    select count(*), coalesce(jsonb_agg(jsonb_build_object(
            'organization_id', g.organization_id, 'interaction_id', g.interaction_id, 'attempts', g.attempts
        )) filter (where g.undelivered), '[]')
    from gone g;
end $$;
