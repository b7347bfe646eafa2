-- Deletes a sealed secret.
create function postern_control.secret_delete_1(p_organization text, p_name text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    delete from postern.sealed_secrets s where s.organization_id = p_organization and s.name = p_name;
end $$;
