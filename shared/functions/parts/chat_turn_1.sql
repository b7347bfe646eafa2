-- Takes the next turn to send a message to a channel, if it comes within `p_most_ms`. Returns how long to wait for it; if
-- that is more than `p_most_ms`, no turn was taken. Of each array the first entry is for the channel, the second for all
-- messages of the connection: messages are at least `p_apart_ms` apart, and after `p_burst` of them `p_each_ms`.
-- The clock is read under the locks, since others may have held them for a while. `where false` locks a row and leaves it
-- as it is; one that the sweep deletes at this moment is created again.
create function postern.chat_turn_1(
    p_organization text, p_connection text, p_channel text, p_most_ms float8, p_apart_ms float8[], p_each_ms float8[],
    p_burst integer[])
returns float8
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    v_channels constant text[] := array[p_channel, ''];
    v_now timestamptz;
    -- When the channel may have a message, and when the connection may.
    v_turns timestamptz[];
    v_turn timestamptz;
begin
    insert into postern.chat_turns (organization_id, connection_id, channel)
    values (p_organization, p_connection, ''), (p_organization, p_connection, p_channel)
    on conflict (organization_id, connection_id, channel) do update set next_at = excluded.next_at where false;
    v_now := clock_timestamp();
    -- One row at a time: a join may read all channels of the connection.
    for v_at in 1 .. 2 loop
        select greatest(v_now, t.next_at, t.full_at - (p_burst[v_at] - 1) * p_each_ms[v_at] * interval '1 millisecond')
        into strict v_turn
        from postern.chat_turns t
        where t.organization_id = p_organization and t.connection_id = p_connection and t.channel = v_channels[v_at];
        v_turns[v_at] := v_turn;
    end loop;
    v_turn := greatest(v_turns[1], v_turns[2]);
    if v_turn <= v_now + p_most_ms * interval '1 millisecond' then
        -- For the connection the message counts from the connection's own turn: one that its channel keeps waiting makes
        -- no other channel wait.
        v_turns[1] := v_turn;
        for v_at in 1 .. 2 loop
            update postern.chat_turns t
            set next_at = v_turns[v_at] + p_apart_ms[v_at] * interval '1 millisecond',
                full_at = greatest(t.full_at, v_turns[v_at]) + p_each_ms[v_at] * interval '1 millisecond'
            where t.organization_id = p_organization and t.connection_id = p_connection
                and t.channel = v_channels[v_at];
        end loop;
    end if;
    return extract(epoch from v_turn - v_now) * 1000;
end $$;
