-- The row of a sealed secret.
create function postern_sweep.sealed_secret_1(p_organization text, p_name text)
returns table (organization_id text, name text, version bigint, key_id text, sealed bytea)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select s.organization_id, s.name, s.version, s.key_id, s.sealed
    from postern.sealed_secrets s
    where s.organization_id = p_organization and s.name = p_name;
end $$;
