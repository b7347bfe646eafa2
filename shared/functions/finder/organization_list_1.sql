-- A page of all organizations: those after the key `p_after`, in the order of their keys.
create function postern_control.organization_list_1(
    p_after text[], p_limit bigint)
returns table (key text[], item jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_after text := coalesce(p_after[1], '');
begin
    return query
    select array[o.id], jsonb_build_object(
        'id', o.id, 'system_providers', o.system_providers, 'created_at', postern.rfc3339_1(o.created_at))
    from postern.organizations o
    where o.id > v_after
    order by o.id
    limit p_limit;
end $$;
