-- The egress policy of an agent or, if that is null, of the organization.
create function postern_control.policy_get_1(
    p_organization text, p_agent text)
returns table (item jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select jsonb_build_object(
        'organization_id', e.organization_id, 'agent_id', e.agent_id, 'rules', e.rules, 'observe', e.observe,
        'updated_at', postern.rfc3339_1(e.updated_at))
    from postern.egress_policies e
    where e.organization_id = p_organization and (e.agent_id = p_agent or (e.agent_id is null and p_agent is null));
end $$;
