-- Deletes a provider of the organization's own.
create function postern_control.provider_delete_1(
    p_organization text, p_slug text)
returns table (deleted bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with gone as (
        delete from postern.providers w
        where w.organization_id = p_organization and w.slug = p_slug
        returning 1
    )
    select count(*) from gone;
end $$;
