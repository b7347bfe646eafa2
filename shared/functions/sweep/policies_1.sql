-- The policies that a callback address must obey: the organization's, and the agent's if there is one.
create function postern_sweep.policies_1(p_organization text, p_agent text, p_known bytea[])
returns table (policies jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query select e.policies from postern.policies_1(p_organization, p_agent, p_known) e;
end $$;
