-- Notes that the card of a revision was posted, and its address if no other card of the same content may stand. Returns
-- whether this card can still be answered, or was: if not, other content has overtaken the post, the question is over, or
-- it was answered on another card.
create function postern_sweep.interaction_posted_1(
    p_organization text, p_id text, p_connection text, p_user text, p_revision text, p_card jsonb,
    p_doubtful boolean)
returns table (stands boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_claimed timestamptz;
    v_card jsonb;
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    update postern.pending_interactions i
    set posted_at = now(), card = coalesce(i.card, case when not p_doubtful then p_card end), post_at = null,
        post_begun = false, post_doubtful = p_doubtful
    where i.organization_id = p_organization and i.id = p_id
        -- Not `=`: no index but the key's shall find the row.
        and (i.connection_id, i.expected_user_id) is not distinct from (p_connection, p_user)
        and i.revision = p_revision
    returning i.claimed_at, i.card into v_claimed, v_card;
    return query select found and (v_claimed is null or p_card is null or v_card is null
        or (v_card ->> 'channel', v_card ->> 'message') = (p_card ->> 'channel', p_card ->> 'message'));
end $$;
