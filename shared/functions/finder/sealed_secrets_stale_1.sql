-- Sealed secrets of all organizations whose key is not the current one, in the order of the index that finds them, after
-- the one that is given. The two halves leave out those under the current key without reading them.
create function postern_control.sealed_secrets_stale_1(
    p_current text, p_after_key text, p_after_organization text, p_after_name text, p_limit bigint)
returns table (key_id text, organization_id text, name text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
    return query
    select a.key_id, a.organization_id, a.name
    from (
        (
            select s.key_id, s.organization_id, s.name
            from postern.sealed_secrets s
            where s.key_id < p_current
                and (s.key_id, s.organization_id, s.name) > (p_after_key, p_after_organization, p_after_name)
            order by s.key_id, s.organization_id, s.name
            limit p_limit
        )
        union all
        (
            select s.key_id, s.organization_id, s.name
            from postern.sealed_secrets s
            where s.key_id > p_current
                and (s.key_id, s.organization_id, s.name) > (p_after_key, p_after_organization, p_after_name)
            order by s.key_id, s.organization_id, s.name
            limit p_limit
        )
    ) a
    order by a.key_id, a.organization_id, a.name
    limit p_limit;
end $$;
