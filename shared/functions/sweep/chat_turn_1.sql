-- Takes the next turn to send a message to a channel.
create function postern_sweep.chat_turn_1(
    p_organization text, p_connection text, p_channel text, p_most_ms float8, p_apart_ms float8[], p_each_ms float8[],
    p_burst integer[])
returns table (wait_ms float8)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query select postern.chat_turn_1(
        p_organization, p_connection, p_channel, p_most_ms, p_apart_ms, p_each_ms, p_burst);
end $$;
