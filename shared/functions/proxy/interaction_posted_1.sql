-- Notes that the card of a revision was posted, and its address if that is known. Returns whether the row still has the
-- revision: if not, other content has overtaken the post, or the question is over, and the card is dead.
create function postern_proxy.interaction_posted_1(
    p_organization text, p_id text, p_connection text, p_user text, p_revision text, p_card jsonb)
returns table (stands boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    update postern.pending_interactions i
    set posted_at = now(), card = coalesce(i.card, p_card), post_at = null, post_begun = false,
        -- Without an address another card of the same content may stand.
        post_doubtful = p_card is null
    where i.organization_id = p_organization and i.id = p_id
        -- Not `=`: no index but the key's shall find the row.
        and (i.connection_id, i.expected_user_id) is not distinct from (p_connection, p_user)
        and i.revision = p_revision;
    return query select found;
end $$;
