-- A page of an organization's credential profiles: those after the key `p_after`, in the order of their keys.
create function postern_control.profile_list_1(
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
    select array[p.id], jsonb_build_object(
        'organization_id', p.organization_id, 'id', p.id, 'provider_id', p.provider_id, 'agent_id', p.agent_id,
        'user_id', p.user_id, 'auth_type', p.auth_type, 'secret_ref', p.secret_ref,
        'created_at', postern.rfc3339_1(p.created_at), 'disabled_at', postern.rfc3339_1(p.disabled_at))
    from postern.auth_profiles p
    where p.organization_id = p_organization and p.id > v_after
    order by p.id
    limit p_limit;
end $$;
