-- Takes the next turn to send a message to a channel, if it comes within `p_most_ms`. Returns how long to wait for it; if
-- that is more than `p_most_ms`, no turn was taken. Of each array the first entry is for the channel, the second for all
-- messages of the connection: messages are at least `p_apart_ms` apart, and after `p_burst` of them `p_each_ms`.
-- The clock is read under the locks, since others may have held them for a while.
create function postern.chat_turn_1(
    p_organization text, p_connection text, p_channel text, p_most_ms float8, p_apart_ms float8[], p_each_ms float8[],
    p_burst integer[])
returns float8
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    v_now timestamptz;
    v_turn timestamptz;
begin
    insert into postern.chat_turns (organization_id, connection_id, channel)
    values (p_organization, p_connection, ''), (p_organization, p_connection, p_channel)
    on conflict do nothing;
    perform from postern.chat_turns t
    where t.organization_id = p_organization and t.connection_id = p_connection and t.channel in ('', p_channel)
    order by t.channel
    for update;
    v_now := clock_timestamp();
    select max(greatest(v_now, t.next_at, t.full_at - (r.burst - 1) * r.each_ms * interval '1 millisecond'))
    into v_turn
    from unnest(array[p_channel, ''], p_each_ms, p_burst) as r (channel, each_ms, burst)
    join postern.chat_turns t
        on t.organization_id = p_organization and t.connection_id = p_connection and t.channel = r.channel;
    if v_turn <= v_now + p_most_ms * interval '1 millisecond' then
        update postern.chat_turns t
        set next_at = v_turn + r.apart_ms * interval '1 millisecond',
            full_at = greatest(t.full_at, v_turn) + r.each_ms * interval '1 millisecond'
        from unnest(array[p_channel, ''], p_apart_ms, p_each_ms) as r (channel, apart_ms, each_ms)
        where t.organization_id = p_organization and t.connection_id = p_connection and t.channel = r.channel;
    end if;
    return extract(epoch from v_turn - v_now) * 1000;
end $$;
