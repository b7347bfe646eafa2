-- Deletes a grant or a denial.
create function postern_control.grant_delete_1(
    p_organization text, p_agent text, p_pattern text)
returns table (deleted bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with gone as (
        delete from postern.grants g
        where g.organization_id = p_organization and g.agent_id = p_agent and g.pattern = p_pattern
        returning 1
    )
    select count(*) from gone;
end $$;
