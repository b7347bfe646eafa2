-- Deletes an unanswered interaction whose card could not be posted, and returns the number of rows. Nobody waits for the
-- result of a post by the sweep, so the callback receives what it would for an expired question.
create function postern_sweep.interaction_delete_1(
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
            and i.revision = p_revision and i.claimed_at is null
        returning i.organization_id, i.id, i.agent_id, i.callback_url
    ), delivery as (
        insert into postern.deliveries (organization_id, id, agent_id, interaction_id, url, payload)
        select g.organization_id, 'msg_' || replace(gen_random_uuid()::text, '-', ''), g.agent_id, g.id, g.callback_url,
            postern.outcome_1(g.id, 'expired', null)
        from gone g
        where g.callback_url is not null
    )
    select count(*) from gone;
end $$;
