-- Notes that the card of a revision was posted, and its address if that is known. Without a match on the revision, a
-- post that other content has overtaken would note the address of a dead card.
create function postern_proxy.interaction_posted_1(
    p_organization text, p_id text, p_connection text, p_user text, p_revision text, p_card jsonb)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    update postern.pending_interactions i
    set posted_at = now(), card = coalesce(i.card, p_card)
    where i.organization_id = p_organization and i.id = p_id
        -- Not `=`: no index but the key's shall find the row.
        and (i.connection_id, i.expected_user_id) is not distinct from (p_connection, p_user)
        and i.revision = p_revision;
end $$;
