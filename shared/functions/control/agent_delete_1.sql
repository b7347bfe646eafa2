-- Deletes an agent, and with it what it owns.
create function postern_control.agent_delete_1(
    p_organization text, p_agent text)
returns table (deleted bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with gone as (
        delete from postern.agents a
        where a.organization_id = p_organization and a.id = p_agent
        returning 1
    )
    select count(*) from gone;
end $$;
