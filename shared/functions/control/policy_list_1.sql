-- A page of an organization's egress policies, without their rules: those after the key `p_after`. The organization's
-- own comes first, under an empty key, and then those of agents in the order of their ids.
create function postern_control.policy_list_1(
    p_organization text, p_after text[], p_limit bigint)
returns table (key text[], item jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_after text := coalesce(p_after[1], '');
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select array[coalesce(x.agent_id, '')], jsonb_build_object(
        'organization_id', x.organization_id, 'agent_id', x.agent_id, 'observe', x.observe,
        'updated_at', postern.rfc3339_1(x.updated_at))
    from (
        select e.organization_id, e.agent_id, e.observe, e.updated_at
        from postern.egress_policies e
        where e.organization_id = p_organization and e.agent_id is null and p_after is null
        union all
        (
            select e.organization_id, e.agent_id, e.observe, e.updated_at
            from postern.egress_policies e
            where e.organization_id = p_organization and e.agent_id > v_after
            order by e.agent_id
            limit p_limit
        )
    ) x
    order by x.agent_id nulls first
    limit p_limit;
end $$;
