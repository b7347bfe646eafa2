-- A page of an organization's own providers: those after the key `p_after`, in the order of their keys.
create function postern_control.provider_list_1(
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
    select array[w.slug], jsonb_build_object(
        'organization_id', w.organization_id, 'slug', w.slug, 'provider_id', w.provider_id, 'base_url', w.base_url,
        'auth', w.auth, 'oauth_auth', w.oauth_auth, 'options', w.options,
        'created_at', postern.rfc3339_1(w.created_at))
    from postern.providers w
    where w.organization_id = p_organization and w.slug > v_after
    order by w.slug
    limit p_limit;
end $$;
