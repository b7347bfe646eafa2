-- An agent.
create function postern_control.agent_get_1(
    p_organization text, p_agent text)
returns table (item jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select jsonb_build_object(
        'organization_id', a.organization_id, 'id', a.id, 'created_at', postern.rfc3339_1(a.created_at))
    from postern.agents a
    where a.organization_id = p_organization and a.id = p_agent;
end $$;
