-- Writes the row of a sealed secret, if its version is still `p_former`; null if there was no row.
create function postern_control.sealed_secret_put_1(
    p_organization text, p_name text, p_former bigint, p_version bigint, p_key_id text, p_sealed bytea)
returns table (written boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    if p_former is null then
        insert into postern.sealed_secrets (organization_id, name, version, key_id, sealed)
        values (p_organization, p_name, p_version, p_key_id, p_sealed)
        on conflict (organization_id, name) do nothing;
    else
        update postern.sealed_secrets s
        set version = p_version, key_id = p_key_id, sealed = p_sealed, updated_at = now()
        where s.organization_id = p_organization and s.name = p_name and s.version = p_former;
    end if;
    return query select found;
end $$;
