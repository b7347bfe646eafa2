-- Notes that the receiver accepted the delivery.
create function postern_sweep.delivery_done_1(p_organization text, p_id text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    update postern.deliveries d set delivered_at = now()
    where d.organization_id = p_organization and d.id = p_id and d.delivered_at is null;
end $$;
