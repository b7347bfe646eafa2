-- Deletes a batch of what an organization may own much of: at most `p_limit` rows of a table and, once none of those
-- batches is full, a tenth as many agents, each with all that it owns. `remaining` says whether a batch was full. The
-- policy and the profiles of the organization stay to the end, so that no agent ever acts without them.
create function postern_control.organization_empty_1(
    p_organization text, p_limit bigint)
returns table (remaining boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
set enable_bitmapscan = off set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    v_agents bigint := greatest(p_limit / 10, 1);
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    with placeholders as (
        delete from postern.placeholders where ctid = any (array(
            select p.ctid from postern.placeholders p
            where p.organization_id = p_organization
            order by p.agent_id
            limit p_limit
        ))
        returning 1
    ), interactions as (
        delete from postern.pending_interactions where ctid = any (array(
            select i.ctid from postern.pending_interactions i
            where i.organization_id = p_organization
            order by i.agent_id
            limit p_limit
        ))
        returning 1
    ), ended as (
        delete from postern.ended_interactions where ctid = any (array(
            select e.ctid from postern.ended_interactions e
            where e.organization_id = p_organization
            order by e.connection_id
            limit p_limit
        ))
        returning 1
    ), deliveries as (
        delete from postern.deliveries where ctid = any (array(
            select d.ctid from postern.deliveries d
            where d.organization_id = p_organization
            order by d.agent_id
            limit p_limit
        ))
        returning 1
    ), secrets as (
        delete from postern.sealed_secrets where ctid = any (array(
            select s.ctid from postern.sealed_secrets s
            where s.organization_id = p_organization
            order by s.name
            limit p_limit
        ))
        returning 1
    )
    select p_limit <= greatest(
        (select count(*) from placeholders), (select count(*) from interactions),
        (select count(*) from ended), (select count(*) from deliveries), (select count(*) from secrets))
    into remaining;
    if not remaining then
        with agents as (
            delete from postern.agents where ctid = any (array(
                select a.ctid from postern.agents a
                where a.organization_id = p_organization
                order by a.id
                limit v_agents
            ))
            returning 1
        )
        select v_agents <= count(*) from agents into remaining;
    end if;
    return next;
end $$;
