-- Notes that the platform put off the post of a card, and for how long. Then the sweep posts it.
create function postern_webhooks.interaction_put_off_1(
    p_organization text, p_id text, p_connection text, p_user text, p_revision text, p_after_ms float8,
    p_unlisted boolean, p_doubtful boolean)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    update postern.pending_interactions i
    set post_at = now() + p_after_ms * interval '1 millisecond', post_attempts = i.post_attempts + 1,
        post_unlisted = p_unlisted, post_begun = false, post_doubtful = i.post_doubtful or p_doubtful
    where i.organization_id = p_organization and i.id = p_id
        -- Not `=`: no index but the key's shall find the row.
        and (i.connection_id, i.expected_user_id) is not distinct from (p_connection, p_user)
        and i.revision = p_revision and i.claimed_at is null and i.posted_at is null;
end $$;
