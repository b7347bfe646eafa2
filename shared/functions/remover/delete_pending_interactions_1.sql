-- Questions and approvals older than the TTL. An answer that was given at the last moment stays readable for an hour.
-- An unanswered one ends as expired: that is recorded for a late click, and delivered.
-- Deletes at most `p_limit` of them, oldest first, and returns the number. Rows that another run holds are skipped.
create function postern_sweep.delete_pending_interactions_1(p_limit bigint, p_max_age_ms float8)
returns table (deleted bigint, given_up jsonb)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
    return query
    with gone as (
        delete from postern.pending_interactions
        where ctid = any (array(
            select ctid from postern.pending_interactions
            where created_at < now() - p_max_age_ms * interval '1 millisecond'
                and (claimed_at is null or claimed_at < now() - interval '1 hour')
            order by created_at limit p_limit for update skip locked
        ))
        returning organization_id, id, agent_id, connection_id, expected_user_id, callback_url, claimed_at
    ), expired as (
        select * from gone where gone.claimed_at is null
    ), remembered as (
        insert into postern.ended_interactions (organization_id, id, connection_id, expected_user_id, expired)
        select e.organization_id, e.id, e.connection_id, e.expected_user_id, true from expired e
        on conflict (organization_id, id) do update
        set connection_id = excluded.connection_id, expected_user_id = excluded.expected_user_id,
            ended_at = now(), expired = excluded.expired
    ), delivery as (
        insert into postern.deliveries (organization_id, id, agent_id, interaction_id, url, payload)
        select e.organization_id, 'msg_' || replace(gen_random_uuid()::text, '-', ''), e.agent_id, e.id, e.callback_url,
            postern.outcome_1(e.id, 'expired', null)
        from expired e
        where e.callback_url is not null
    )
    select count(*), '[]'::jsonb from gone;
end $$;
