-- A page of an organization's sealed secrets, without what is sealed: those after the key `p_after`, in the order of
-- their keys.
create function postern_control.secret_list_1(
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
    select array[s.name], jsonb_build_object(
        'organization_id', s.organization_id, 'name', s.name, 'version', s.version, 'key_id', s.key_id,
        'updated_at', postern.rfc3339_1(s.updated_at))
    from postern.sealed_secrets s
    where s.organization_id = p_organization and s.name > v_after
    order by s.name
    limit p_limit;
end $$;
