-- An organization's sealed secrets, without what is sealed, by name after `p_after`.
create function postern_control.secret_list_1(p_organization text, p_after text, p_limit bigint)
returns table (name text, version bigint, key_id text, updated_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select s.name, s.version, s.key_id, s.updated_at
    from postern.sealed_secrets s
    where s.organization_id = p_organization and s.name > coalesce(p_after, '')
    order by s.name
    limit p_limit;
end $$;
