-- A page of an organization's connections: those after the key `p_after`, in the order of their keys.
create function postern_control.connection_list_1(
    p_organization text, p_after text[], p_limit bigint)
returns table (key text[], item jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_after text := coalesce(p_after[1], '');
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select array[c.id], jsonb_build_object(
        'organization_id', c.organization_id, 'id', c.id, 'platform', c.platform, 'secret_ref', c.secret_ref,
        'config', c.config, 'created_at', postern.rfc3339_1(c.created_at))
    from postern.connections c
    where c.organization_id = p_organization and c.id > v_after
    order by c.id
    limit p_limit;
end $$;
