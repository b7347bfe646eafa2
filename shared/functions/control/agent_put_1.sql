-- Creates an agent; an existing one is left as it is.
create function postern_control.agent_put_1(
    p_organization text, p_agent text)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    insert into postern.agents (organization_id, id)
    values (p_organization, p_agent)
    on conflict do nothing;
end $$;
