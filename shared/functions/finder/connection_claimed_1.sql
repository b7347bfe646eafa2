-- The connection that a webhook names, of any organization. The caller verifies the webhook with its secret.
create function postern_webhooks.connection_claimed_1(p_id text)
returns table (via_id text, via_organization_id text, via_platform text, via_secret_ref text, via_config jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select c.id, c.organization_id, c.platform, c.secret_ref, c.config
    from postern.connections c
    where c.id = p_id;
end $$;
