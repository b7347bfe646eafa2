-- A page of an organization's grants and denials: those after the key `p_after`, in the order of their keys.
create function postern_control.grant_list_1(
    p_organization text, p_after text[], p_limit bigint)
returns table (key text[], item jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_agent text := coalesce(p_after[1], '');
    v_pattern text := coalesce(p_after[2], '');
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select array[g.agent_id, g.pattern], jsonb_build_object(
        'organization_id', g.organization_id, 'agent_id', g.agent_id, 'pattern', g.pattern, 'denied', g.denied,
        'expires_at', postern.rfc3339_1(g.expires_at), 'granted_at', postern.rfc3339_1(g.granted_at),
        'granted_by', g.granted_by)
    from postern.grants g
    where g.organization_id = p_organization and (g.agent_id, g.pattern) > (v_agent, v_pattern)
    order by g.agent_id, g.pattern
    limit p_limit;
end $$;
