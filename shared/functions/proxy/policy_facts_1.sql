-- What decides the egress of a worker's agent, and whether its token is still valid. `own_addresses` are those of the
-- organization's own providers at the host of the pattern.
create function postern_proxy.policy_facts_1(
    p_organization text, p_agent text, p_known bytea[], p_pattern text, p_jti text, p_issued_at float8,
    p_deployment text)
returns table (policies jsonb, standing jsonb, agent_exists boolean, token text, own_addresses text[])
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select e.policies, g.standing,
        exists (select from postern.agents a where a.organization_id = p_organization and a.id = p_agent),
        t.token,
        array(
            select w.base_url
            from postern.providers w
            where w.organization_id = p_organization and 'host:' || w.host = p_pattern
        )
    from postern.policies_1(p_organization, p_agent, p_known) e
    cross join postern.standing_1(p_organization, p_agent, p_pattern) g
    cross join postern.token_1(p_organization, p_agent, p_jti, p_issued_at, p_deployment) t;
end $$;
