-- Stores the verdict of the caller's own call, for five minutes at most. It changes nothing if another caller has
-- taken over.
create function postern_proxy.verdict_settle_1(
    p_organization text, p_key bytea, p_flight uuid, p_outcome text, p_life_ms float8)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    update postern.egress_verdicts v
    set outcome = p_outcome, expires_at = now() + least(p_life_ms, 300000) * interval '1 millisecond'
    where v.organization_id = p_organization and v.key = p_key and v.flight = p_flight;
end $$;
