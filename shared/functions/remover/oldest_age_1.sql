-- The age of the oldest pending interaction in milliseconds; 0 if the table is empty.
create function postern_sweep.oldest_age_1() returns table (age_ms bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select coalesce(floor(extract(epoch from now() - min(i.created_at)) * 1000), 0)::bigint
    from postern.pending_interactions i;
end $$;
