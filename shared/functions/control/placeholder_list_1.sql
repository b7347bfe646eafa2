-- A page of an organization's placeholders: those after the key `p_after`, in the order of their keys.
create function postern_control.placeholder_list_1(
    p_organization text, p_after text[], p_limit bigint)
returns table (key text[], item jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_after uuid := coalesce(p_after[1], '00000000-0000-0000-0000-000000000000');
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select array[p.id::text], jsonb_build_object(
        'organization_id', p.organization_id, 'id', p.id, 'agent_id', p.agent_id, 'user_id', p.user_id,
        'env_var_name', p.env_var_name, 'secret_ref', p.secret_ref, 'deployment_name', p.deployment_name,
        'allowed_hosts', p.allowed_hosts, 'created_at', postern.rfc3339_1(p.created_at),
        'expires_at', postern.rfc3339_1(p.expires_at))
    from postern.placeholders p
    where p.organization_id = p_organization and p.id > v_after
    order by p.id
    limit p_limit;
end $$;
