-- Deletes the egress policy of an agent or, if that is null, of the organization.
create function postern_control.policy_delete_1(
    p_organization text, p_agent text)
returns table (deleted bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with gone as (
        delete from postern.egress_policies e
        -- `is not distinct from` would use no index.
        where e.organization_id = p_organization
            and (e.agent_id = p_agent or (e.agent_id is null and p_agent is null))
        returning 1
    )
    select count(*) from gone;
end $$;
