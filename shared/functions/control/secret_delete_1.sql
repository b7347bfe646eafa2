-- Deletes a sealed secret.
create function postern_control.secret_delete_1(
    p_organization text, p_name text)
returns table (deleted bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with gone as (
        delete from postern.sealed_secrets s
        where s.organization_id = p_organization and s.name = p_name
        returning 1
    )
    select count(*) from gone;
end $$;
