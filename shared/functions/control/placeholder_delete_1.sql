-- Deletes the placeholder of this id, or the one whose text has this SHA-256 in hexadecimal; the other is null.
create function postern_control.placeholder_delete_1(
    p_organization text, p_id text, p_token_hash text)
returns table (deleted bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with gone as (
        delete from postern.placeholders p
        where p.organization_id = p_organization
            and (p.id = p_id::uuid or p.token_hash = decode(p_token_hash, 'hex'))
        returning 1
    )
    select count(*) from gone;
end $$;
