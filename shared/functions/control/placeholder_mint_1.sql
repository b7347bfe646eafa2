-- Stores a placeholder's hash. No row is returned if the organization does not have the agent.
create function postern_control.placeholder_mint_1(
    p_organization text, p_agent text, p_token_hash bytea, p_user text, p_env_var_name text, p_deployment text,
    p_ttl_s float8, p_secret_ref text, p_allowed_hosts text[])
returns table (expires_at timestamptz)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    insert into postern.placeholders as p (organization_id, agent_id, token_hash, user_id, env_var_name,
        deployment_name, expires_at, secret_ref, allowed_hosts)
    select a.organization_id, a.id, p_token_hash, p_user, p_env_var_name, p_deployment,
        now() + p_ttl_s * interval '1 second', p_secret_ref, p_allowed_hosts
    from postern.agents a
    where a.organization_id = p_organization and a.id = p_agent
    returning p.expires_at;
end $$;
