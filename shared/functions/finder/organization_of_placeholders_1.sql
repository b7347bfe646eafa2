-- Whose the presented placeholders are, before anything else is known. If they are of several organizations, one is
-- returned; the rows of the others are not seen, and the request is refused. Planning `limit` is quicker than `min`.
create function postern_finder.organization_of_placeholders_1(p_placeholders bytea[]) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select p.organization_id
        from postern.placeholders p
        where p.token_hash = any (p_placeholders) and p.expires_at > now() and p.organization_id is not null
        limit 1
    );
end $$;
