-- A connection.
create function postern_control.connection_get_1(
    p_organization text, p_id text)
returns table (item jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select jsonb_build_object(
        'organization_id', c.organization_id, 'id', c.id, 'platform', c.platform, 'secret_ref', c.secret_ref,
        'config', c.config, 'created_at', postern.rfc3339_1(c.created_at))
    from postern.connections c
    where c.organization_id = p_organization and c.id = p_id;
end $$;
