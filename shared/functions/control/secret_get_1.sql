-- A sealed secret, without what is sealed.
create function postern_control.secret_get_1(
    p_organization text, p_name text)
returns table (item jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select jsonb_build_object(
        'organization_id', s.organization_id, 'name', s.name, 'version', s.version, 'key_id', s.key_id,
        'updated_at', postern.rfc3339_1(s.updated_at))
    from postern.sealed_secrets s
    where s.organization_id = p_organization and s.name = p_name;
end $$;
