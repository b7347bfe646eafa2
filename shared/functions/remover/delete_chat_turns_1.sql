-- Turns in chat that are long over.
-- Deletes at most `p_limit` of them, oldest first, and returns the number. Rows that another run holds are skipped.
-- `in (select ... limit n)` may run as a join that deletes more; an array does not.
create function postern_sweep.delete_chat_turns_1(p_limit bigint)
returns table (deleted bigint, given_up jsonb)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
    return query
    with gone as (
        delete from postern.chat_turns
        where ctid = any (array(
            select ctid from postern.chat_turns
            where next_at < now() - interval '1 hour'
            order by next_at limit p_limit for update skip locked
        ))
        returning 1
    )
    select count(*), '[]'::jsonb from gone;
end $$;
