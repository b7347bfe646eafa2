-- Deletes an interaction and returns the number of rows. With a revision, it deletes only an unanswered row of that
-- revision, whose card could not be posted.
create function postern_webhooks.interaction_delete_1(
    p_organization text, p_id text, p_connection text, p_user text, p_revision text)
returns table (deleted bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with gone as (
        delete from postern.pending_interactions i
        where i.organization_id = p_organization and i.id = p_id
            -- Not `=`: no index but the key's shall find the row.
            and (i.connection_id, i.expected_user_id) is not distinct from (p_connection, p_user)
            and (p_revision is null or (i.revision = p_revision and i.claimed_at is null))
        returning i.id
    )
    select count(*) from gone;
end $$;
