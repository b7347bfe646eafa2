-- Creates or replaces a provider of the organization's own. It returns false, and changes nothing, if the organization
-- already has `p_most` others.
create function postern_control.provider_put_1(
    p_organization text, p_slug text, p_provider text, p_base_url text, p_auth jsonb, p_oauth_auth jsonb,
    p_options jsonb, p_most bigint)
returns table (written boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    -- Two at once would not count each other's.
    perform pg_advisory_xact_lock(hashtext('postern.providers'), hashtext(p_organization));
    if (
        select count(*) from postern.providers w where w.organization_id = p_organization and w.slug <> p_slug
    ) >= p_most then
        return query select false;
        return;
    end if;
    insert into postern.providers as w (organization_id, slug, provider_id, base_url, auth, oauth_auth, options)
    values (p_organization, p_slug, p_provider, p_base_url, p_auth, p_oauth_auth, p_options)
    on conflict (organization_id, slug) do update
    set provider_id = excluded.provider_id, base_url = excluded.base_url, auth = excluded.auth,
        oauth_auth = excluded.oauth_auth, options = excluded.options
    where (w.provider_id, w.base_url, w.auth, w.oauth_auth, w.options)
        is distinct from (excluded.provider_id, excluded.base_url, excluded.auth, excluded.oauth_auth, excluded.options);
    return query select true;
end $$;
