-- Deletes an organization, and with it all that it owns. Revocations stay.
create function postern_control.organization_delete_1(
    p_organization text)
returns table (deleted bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with gone as (
        delete from postern.organizations o
        where o.id = p_organization
        returning 1
    )
    select count(*) from gone;
end $$;
