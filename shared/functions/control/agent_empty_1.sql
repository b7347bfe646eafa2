-- Deletes a batch of what an agent may own much of: at most `p_limit` rows of a table. `remaining` says whether a
-- batch was full. What decides (profiles, policy, grants) goes with the agent itself, so that no agent acts without it.
create function postern_control.agent_empty_1(
    p_organization text, p_agent text, p_limit bigint)
returns table (remaining boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
set enable_bitmapscan = off set enable_seqscan = off
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with placeholders as (
        delete from postern.placeholders where ctid = any (array(
            select p.ctid from postern.placeholders p
            where p.organization_id = p_organization and p.agent_id = p_agent
            limit p_limit
        ))
        returning 1
    ), interactions as (
        delete from postern.pending_interactions where ctid = any (array(
            select i.ctid from postern.pending_interactions i
            where i.organization_id = p_organization and i.agent_id = p_agent
            limit p_limit
        ))
        returning 1
    ), deliveries as (
        delete from postern.deliveries where ctid = any (array(
            select d.ctid from postern.deliveries d
            where d.organization_id = p_organization and d.agent_id = p_agent
            limit p_limit
        ))
        returning 1
    )
    select p_limit <= greatest(
        (select count(*) from placeholders), (select count(*) from interactions), (select count(*) from deliveries));
end $$;
