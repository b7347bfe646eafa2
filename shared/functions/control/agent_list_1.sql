-- A page of an organization's agents: those after the key `p_after`, in the order of their keys.
create function postern_control.agent_list_1(
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
    select array[a.id], jsonb_build_object(
        'organization_id', a.organization_id, 'id', a.id, 'created_at', postern.rfc3339_1(a.created_at))
    from postern.agents a
    where a.organization_id = p_organization and a.id > v_after
    order by a.id
    limit p_limit;
end $$;
