-- Notes that an attempt failed. The next is due after a pause, but not before `p_at_least_ms`. The pause is multiplied
-- by 0.5 to 1.5, so that deliveries that failed together are not retried together.
create function postern_webhooks.delivery_failed_1(
    p_organization text, p_id text, p_pause_ms float8, p_at_least_ms float8)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    update postern.deliveries d
    set next_attempt_at =
        now() + greatest(p_pause_ms * (0.5 + random()), p_at_least_ms) * interval '1 millisecond'
    where d.organization_id = p_organization and d.id = p_id and d.delivered_at is null;
end $$;
