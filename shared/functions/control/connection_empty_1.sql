-- Deletes a batch of a connection's interactions: at most `p_limit` rows of a table. `remaining` says whether a
-- batch was full.
create function postern_control.connection_empty_1(
    p_organization text, p_id text, p_limit bigint)
returns table (remaining boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
set enable_bitmapscan = off set enable_seqscan = off
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with interactions as (
        delete from postern.pending_interactions where ctid = any (array(
            select i.ctid from postern.pending_interactions i
            where i.organization_id = p_organization and i.connection_id = p_id
            limit p_limit
        ))
        returning 1
    ), ended as (
        delete from postern.ended_interactions where ctid = any (array(
            select e.ctid from postern.ended_interactions e
            where e.organization_id = p_organization and e.connection_id = p_id
            limit p_limit
        ))
        returning 1
    )
    select p_limit <= greatest((select count(*) from interactions), (select count(*) from ended));
end $$;
