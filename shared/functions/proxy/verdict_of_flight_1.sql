-- The state of another caller's call to the judge.
create function postern_proxy.verdict_of_flight_1(p_organization text, p_key bytea, p_flight uuid)
returns table (outcome text, seconds_left float8, over boolean)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select v.outcome, extract(epoch from v.expires_at - now())::float8, v.expires_at <= now()
    from postern.egress_verdicts v
    where v.organization_id = p_organization and v.key = p_key and v.flight = p_flight;
end $$;
