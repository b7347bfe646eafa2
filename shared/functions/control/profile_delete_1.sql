-- Deletes a credential profile.
create function postern_control.profile_delete_1(
    p_organization text, p_id text)
returns table (deleted bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with gone as (
        delete from postern.auth_profiles p
        where p.organization_id = p_organization and p.id = p_id
        returning 1
    )
    select count(*) from gone;
end $$;
