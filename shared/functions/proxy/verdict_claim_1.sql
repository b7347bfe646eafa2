-- Claims the call to the judge, unless its verdict is known or another call is under way. An expired row counts as
-- absent: an outcome that is old or a failure, or a call whose caller died. If this statement has just claimed the
-- row, the version in the snapshot is ignored.
create function postern_proxy.verdict_claim_1(p_organization text, p_key bytea, p_flight uuid, p_lease_ms float8)
returns table (ours boolean, flight uuid, outcome text, seconds_left float8)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with ours as (
        insert into postern.egress_verdicts as v (organization_id, key, flight, expires_at)
        values (p_organization, p_key, p_flight, now() + p_lease_ms * interval '1 millisecond')
        on conflict (organization_id, key) do update
        set flight = excluded.flight, outcome = null, expires_at = excluded.expires_at
        where v.expires_at <= now()
        returning v.flight
    )
    select true, o.flight, null::text, null::float8 from ours o
    union all
    select false, v.flight, v.outcome, extract(epoch from v.expires_at - now())::float8
    from postern.egress_verdicts v
    where v.organization_id = p_organization and v.key = p_key and v.expires_at > now()
        and not exists (select from ours);
end $$;
