-- What decides an agent's egress, for the operator, who presents no token.
create function postern_control.policy_explain_1(
    p_organization text, p_agent text, p_pattern text)
returns table (policies jsonb, standing jsonb, agent_exists boolean, own_addresses text[])
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select e.policies, g.standing,
        exists (select from postern.agents a where a.organization_id = p_organization and a.id = p_agent),
        array(
            select w.base_url
            from postern.providers w
            where w.organization_id = p_organization and 'host:' || w.host = p_pattern
        )
    from postern.policies_1(p_organization, p_agent, '{}') e
    cross join postern.standing_1(p_organization, p_agent, p_pattern) g;
end $$;
