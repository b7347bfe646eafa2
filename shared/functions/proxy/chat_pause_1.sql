-- Gives no turn to a channel for some time, because the platform asks for it. An empty channel stands for all.
create function postern_proxy.chat_pause_1(
    p_organization text, p_connection text, p_channel text, p_pause_ms float8)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    insert into postern.chat_turns as t (organization_id, connection_id, channel, next_at)
    values (p_organization, p_connection, p_channel, clock_timestamp() + p_pause_ms * interval '1 millisecond')
    on conflict (organization_id, connection_id, channel) do update
    set next_at = greatest(t.next_at, excluded.next_at);
end $$;
