-- The issue time for a new worker token: later than every revocation of its deployment, even if the clock went
-- backwards. It is in whole seconds if that is after the last revocation; otherwise it has a fraction. No row is
-- returned if the organization does not have the agent.
create function postern_control.token_issue_time_1(
    p_organization text, p_agent text, p_deployment text)
returns table (issued_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select case
        when date_trunc('second', t.now) > coalesce(d.revoked_at, '-infinity') then date_trunc('second', t.now)
        else greatest(t.now, d.revoked_at + interval '1 microsecond')
    end
    from postern.agents a
    cross join (select clock_timestamp() as now) t
    left join postern.deployment_revocations d
        on d.organization_id = p_organization and d.deployment_name = p_deployment
    where a.organization_id = p_organization and a.id = p_agent;
end $$;
