-- An organization.
create function postern_control.organization_get_1(
    p_organization text)
returns table (item jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select jsonb_build_object(
        'id', o.id, 'system_providers', o.system_providers, 'created_at', postern.rfc3339_1(o.created_at))
    from postern.organizations o
    where o.id = p_organization;
end $$;
