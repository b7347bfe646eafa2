-- Notes that these updates of an answered interaction have been sent to chat. The others are not due before
-- `p_after_ms` have passed.
create function postern_webhooks.interaction_settled_1(
    p_organization text, p_id text, p_connection text, p_user text, p_done text[], p_after_ms float8)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    update postern.pending_interactions i
    set unsettled = array(select unnest(i.unsettled) except select unnest(p_done)),
        settle_at = case when i.unsettled <@ p_done then null
            else greatest(i.settle_at, now() + p_after_ms * interval '1 millisecond') end
    where i.organization_id = p_organization and i.id = p_id
        -- Not `=`: no index but the key's shall find the row.
        and (i.connection_id, i.expected_user_id) is not distinct from (p_connection, p_user)
        and i.claimed_at is not null;
end $$;
