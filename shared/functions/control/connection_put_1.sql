-- Creates or replaces a connection. No row is returned if the id belongs to another organization.
create function postern_control.connection_put_1(
    p_organization text, p_id text, p_platform text, p_secret_ref text, p_config jsonb)
returns table (id text)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    insert into postern.connections as c (organization_id, id, platform, secret_ref, config)
    values (p_organization, p_id, p_platform, p_secret_ref, p_config)
    on conflict (id) do update
    set platform = excluded.platform, secret_ref = excluded.secret_ref, config = excluded.config
    where c.organization_id = p_organization
    returning c.id;
end $$;
