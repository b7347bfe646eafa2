-- A grant or a denial.
create function postern_control.grant_get_1(
    p_organization text, p_agent text, p_pattern text)
returns table (item jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select jsonb_build_object(
        'organization_id', g.organization_id, 'agent_id', g.agent_id, 'pattern', g.pattern, 'denied', g.denied,
        'expires_at', postern.rfc3339_1(g.expires_at), 'granted_at', postern.rfc3339_1(g.granted_at),
        'granted_by', g.granted_by)
    from postern.grants g
    where g.organization_id = p_organization and g.agent_id = p_agent and g.pattern = p_pattern;
end $$;
