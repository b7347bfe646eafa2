-- The placeholder of this id, or the one whose text has this SHA-256 in hexadecimal; the other is null.
create function postern_control.placeholder_get_1(
    p_organization text, p_id text, p_token_hash text)
returns table (item jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select jsonb_build_object(
        'organization_id', p.organization_id, 'id', p.id, 'agent_id', p.agent_id, 'user_id', p.user_id,
        'env_var_name', p.env_var_name, 'secret_ref', p.secret_ref, 'deployment_name', p.deployment_name,
        'allowed_hosts', p.allowed_hosts, 'created_at', postern.rfc3339_1(p.created_at),
        'expires_at', postern.rfc3339_1(p.expires_at))
    from postern.placeholders p
    where p.organization_id = p_organization
        and (p.id = p_id::uuid or p.token_hash = decode(p_token_hash, 'hex'));
end $$;
