-- A provider of the organization's own.
create function postern_control.provider_get_1(
    p_organization text, p_slug text)
returns table (item jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select jsonb_build_object(
        'organization_id', w.organization_id, 'slug', w.slug, 'provider_id', w.provider_id, 'base_url', w.base_url,
        'auth', w.auth, 'oauth_auth', w.oauth_auth, 'options', w.options,
        'created_at', postern.rfc3339_1(w.created_at))
    from postern.providers w
    where w.organization_id = p_organization and w.slug = p_slug;
end $$;
